import type { DecisionRecord } from '../model/decision.ts';
import type { RolloutEvent } from '../model/event.ts';
import type { Actor, AuditEntry, Change, Receipt, Released, RolloutChange } from '../model/record.ts';
import type { ServiceConfig, State } from '../model/state.ts';
import type { Weights } from '../model/weights.ts';
import type { AuditQuery } from '../store/store.ts';
import type { VersionBody } from './change.ts';
import type { Launch } from './launch.ts';

/** Circumstances of a command, whatever it does. */
export interface Asking {
  readonly actor: Actor;
  readonly reason?: string;
  /** The revision the caller believes to be the newest; another one refuses the command as stale. */
  readonly ifRevision?: number;
  /** How long to wait for the workers to confirm, in milliseconds. 0: do not wait, give no receipt. */
  readonly wait: number;
  /** The token of the term in which a leader asks; what it decides is refused once another leads. */
  readonly fence?: string;
}

/** What a person may ask of a rollout; who asks, and why, is said by the asking. */
export type Order = DistributiveOmit<
  Extract<RolloutEvent, { type: 'pause' | 'resume' | 'approve' | 'promote' | 'abort' }>,
  'by' | 'says'
>;
type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;

/** Everything that may be asked of the control plane. The admin API is a thin skin over this. */
export interface Commands {
  /** The newest truth known here. */
  state(): State;
  setWeights(service: string, weights: Weights, asking: Asking): Promise<Change>;
  /** Back to `to`, or to the version that last held all traffic before the present split. */
  rollback(service: string, to: string | undefined, asking: Asking): Promise<Change>;
  putVersion(service: string, version: string, body: VersionBody, asking: Asking): Promise<Change>;
  deleteVersion(service: string, version: string, asking: Asking): Promise<Change>;
  /** Says which database schema holds from now on. */
  setSchema(service: string, schema: string, asking: Asking): Promise<Change>;
  /** Begins the journey of a candidate; one that is under way makes way for it. */
  startRollout(service: string, launch: Launch, asking: Asking): Promise<RolloutChange>;
  askRollout(rollout: string, order: Order, asking: Asking): Promise<RolloutChange>;
  /** Lets a build that was rolled back be tried again. */
  releaseQuarantine(service: string, build: string, asking: Asking): Promise<Released>;
  /** Structure follows the file; live weights stay. Seeds services the truth does not know yet. */
  reload(services: Readonly<Record<string, ServiceConfig>>, asking: Asking): Promise<State>;
  /** The newest decisions that moved traffic of a rollout, newest first. */
  decisions(rollout: string): Promise<readonly DecisionRecord[]>;
  /** The replicas of a fleet that have moved a rollout by their verdict, newest first. */
  judges(rollout: string): Promise<readonly string[]>;
  audit(query: AuditQuery): Promise<readonly AuditEntry[]>;
  /** Every accepted change, as it becomes the truth. Returns the function that stops it. */
  subscribe(listener: (event: ControlEvent) => void): () => void;
}

export type ControlEvent =
  | { readonly type: 'change'; readonly entry: AuditEntry; readonly state: State }
  | { readonly type: 'receipt'; readonly receipt: Receipt };

/** The command was understood and is refused; nothing has changed. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly why:
    | 'unknown-service'
    | 'unknown-version'
    | 'unknown-rollout'
    | 'unknown-build'
    | 'forbidden'
    | 'invalid'
    | 'conflict'
    | 'stale'
    | 'unavailable';
  /** The newest revision, where it helps the caller to ask again. */
  readonly revision: number | undefined;

  constructor(why: Refusal['why'], message: string, revision?: number) {
    super(message);
    this.why = why;
    this.revision = revision;
  }
}

/**
 * Whoever serves traffic by the truth: control announces, the workers confirm. Implemented by `process/`.
 */
export interface Serving {
  /** Makes this state the one that is served, as soon as possible. Called in order of revisions. */
  announce(state: State): void;
  /**
   * Which workers serve `revision`, waiting up to `wait` ms for those that do not yet. `left` names versions
   * of `service` that lost all their weight: a worker confirms only when no request chosen for them is still
   * unsent, and tells when it sent the last one.
   */
  receipt(revision: number, wait: number, service?: string, left?: readonly string[]): Promise<Receipt>;
}
