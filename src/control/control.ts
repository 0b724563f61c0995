import type { Clock } from '../base/clock.ts';
import { Listeners } from '../base/listeners.ts';
import type { Log } from '../base/log.ts';
import { own } from '../base/own.ts';
import type { Timers } from '../base/timers.ts';
import { Turns } from '../base/turns.ts';
import type { DecisionRecord } from '../model/decision.ts';
import type { AuditEntry, Change, Released, RolloutChange } from '../model/record.ts';
import type { ServiceConfig, State } from '../model/state.ts';
import { type Weights, wholeVersion } from '../model/weights.ts';
import { type AuditQuery, Fenced, type Store, StoreUnavailable } from '../store/store.ts';
import { nodeTimers } from '../store/timers.ts';
import type { ServiceCommand, VersionBody } from './change.ts';
import {
  type Asking,
  type Commands,
  type ControlEvent,
  type Order,
  Refusal,
  type Serving,
} from './commands.ts';
import { Debts } from './debts.ts';
import { type Circumstances, type Command, type Decision, decide, partsOf, signature } from './decide.ts';
import type { Launch } from './launch.ts';
import { rolloutOf, serviceOf } from './lookup.ts';
import { confirmed } from './resplit.ts';
import type { Happening, Marks } from './rollouts.ts';

export interface ControlParts {
  readonly store: Store;
  readonly serving: Serving;
  readonly clock: Clock;
  /** A salt that was never used before. */
  readonly newSalt: () => string;
  /** Where the latencies of a version count as slow. Default: not known. */
  readonly marks?: (service: string, version: string) => Marks | undefined;
  /** Default: those of Node. */
  readonly timers?: Timers;
  readonly log: Log;
}

/** The control plane of one process. */
export interface Control extends Commands {
  /** What the controller has seen happen to a rollout. Undefined if nothing has come of it. */
  happen(rollout: string, happening: Happening, asking: Asking): Promise<RolloutChange | undefined>;
  /** Stops following the store, after a last attempt to write what it does not hold yet. */
  close(): Promise<void>;
}

/**
 * Announces what the store holds, and follows it from then on. Throws StoreUnavailable if it cannot be read, and
 * nothing is known from before.
 */
export async function createControl(parts: ControlParts): Promise<Control> {
  const { store } = parts;
  const control = new StoreControl(parts, store.known?.() ?? (await store.read()));
  await control.start();
  return control;
}

/** How often a command is decided anew when others change the truth under it. A rollback never gives up. */
const ATTEMPTS = 5;

/** Newest entries of the audit log among which a rollout's decisions are looked for, and most that are shown. */
const LOOKED_THROUGH = 5000;
const SHOWN = 100;

/** What a command came to. */
interface Outcome {
  readonly before: State;
  /** The same object as `before` if nothing changed. */
  readonly after: State;
  readonly durable: boolean;
}

/**
 * Commands have their turns one after another: decide, write to the store, announce, tell. The truth is written
 * first, so that nothing is served that a restart would forget. A rollback is the one exception: when the store
 * cannot be written it is announced all the same, and owed to the store until it recovers.
 */
class StoreControl implements Control {
  readonly #store: Store;
  readonly #serving: Serving;
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #newSalt: () => string;
  readonly #marks: Circumstances['marks'];
  readonly #log: Log;
  readonly #turns = new Turns();
  readonly #debts: Debts;
  readonly #listeners: Listeners<ControlEvent>;
  #unwatch = (): void => {};
  /** Stops waiting for the store to take what is owed to it; undefined while nobody waits. */
  #repaying: (() => void) | undefined;
  #closed = false;
  /** The newest truth known here, and announced. Ahead of the store only by what is owed to it. */
  #state: State;

  constructor(
    { store, serving, clock, newSalt, marks, timers = nodeTimers, log }: ControlParts,
    state: State,
  ) {
    this.#store = store;
    this.#serving = serving;
    this.#clock = clock;
    this.#timers = timers;
    this.#newSalt = newSalt;
    this.#marks = marks;
    this.#log = log;
    this.#debts = new Debts(store);
    this.#listeners = new Listeners(log);
    this.#state = state;
  }

  async start(): Promise<void> {
    if (this.#state.revision > 0) this.#serving.announce(this.#state);
    this.#unwatch = this.#store.watch((state) => {
      if (state.revision <= this.#state.revision) return;
      this.#turns
        .take(() => (this.#debts.any ? this.#follow() : this.#catchUp(state)))
        .catch((err) => this.#log.warn({ err }, 'the store tells of a change, but cannot be read'));
    });
    // Somebody may have been faster than the watch.
    await this.#turns
      .take(() => this.#follow())
      .catch((err: unknown) => {
        if (this.#state.revision === 0 || !(err instanceof StoreUnavailable)) throw err;
        this.#log.warn({ err }, 'the store cannot be read; what is known from before is served');
      });
  }

  state(): State {
    return this.#state;
  }

  setWeights(service: string, weights: Weights, asking: Asking): Promise<Change> {
    return this.#change({ type: 'weights', service, weights }, asking);
  }

  rollback(service: string, to: string | undefined, asking: Asking): Promise<Change> {
    return this.#change({ type: 'rollback', service, to }, asking);
  }

  putVersion(service: string, version: string, body: VersionBody, asking: Asking): Promise<Change> {
    return this.#change({ type: 'version.put', service, version, body }, asking);
  }

  deleteVersion(service: string, version: string, asking: Asking): Promise<Change> {
    return this.#change({ type: 'version.delete', service, version }, asking);
  }

  setSchema(service: string, schema: string, asking: Asking): Promise<Change> {
    return this.#change({ type: 'schema', service, schema }, asking);
  }

  async startRollout(service: string, launch: Launch, asking: Asking): Promise<RolloutChange> {
    // Ids sort by time, and no two of them are alike.
    const id = `${service}-${this.#clock.now().toString(36)}-${this.#newSalt().slice(0, 6)}`;
    const command: Command = { type: 'rollout.start', service, id, launch };
    return this.#told(id, await this.#turns.take(() => this.#obey(command, asking)));
  }

  async askRollout(rollout: string, event: Order, asking: Asking): Promise<RolloutChange> {
    const command: Command = {
      type: 'rollout.ask',
      rollout,
      event: {
        ...event,
        by: asking.actor.name,
        ...(asking.reason !== undefined && { says: asking.reason }),
      },
    };
    return this.#told(rollout, await this.#turns.take(() => this.#obey(command, asking)));
  }

  async happen(rollout: string, happening: Happening, asking: Asking): Promise<RolloutChange | undefined> {
    const command: Command = { type: 'rollout.happen', rollout, happening };
    const outcome = await this.#turns.take(() => this.#obey(command, asking));
    return outcome.after === outcome.before ? undefined : this.#told(rollout, outcome);
  }

  async releaseQuarantine(service: string, build: string, asking: Asking): Promise<Released> {
    const command: Command = { type: 'quarantine.release', service, build };
    const { after, durable } = await this.#turns.take(() => this.#obey(command, asking));
    return { service, build, revision: after.revision, durable };
  }

  async reload(services: Readonly<Record<string, ServiceConfig>>, asking: Asking): Promise<State> {
    const { after } = await this.#turns.take(() => this.#obey({ type: 'reload', services }, asking));
    if (asking.wait > 0)
      this.#listeners.tell({
        type: 'receipt',
        receipt: await this.#serving.receipt(after.revision, asking.wait),
      });
    return after;
  }

  async audit(query: AuditQuery): Promise<readonly AuditEntry[]> {
    try {
      return await this.#store.audit(query);
    } catch (error) {
      throw error instanceof StoreUnavailable ? unavailable(error, this.#state) : error;
    }
  }

  async decisions(id: string): Promise<readonly DecisionRecord[]> {
    const entries = await this.#entriesOf(id);
    return entries.flatMap(({ decisions = [] }) => decisions.toReversed()).slice(0, SHOWN);
  }

  async judges(id: string): Promise<readonly string[]> {
    const entries = await this.#entriesOf(id);
    const judging = entries.filter(({ action }) => action === 'rollout');
    return [...new Set(judging.flatMap(({ replica }) => replica ?? []))];
  }

  subscribe(listener: (event: ControlEvent) => void): () => void {
    return this.#listeners.add(listener);
  }

  async close(): Promise<void> {
    this.#unwatch();
    this.#closed = true;
    this.#repaying?.();
    try {
      await this.#turns.take(() => this.#debts.repay());
    } catch (err) {
      this.#log.error({ err }, 'rollbacks that were served could not be written; a restart will forget them');
    }
  }

  /** What happened to a rollout, newest first. */
  async #entriesOf(id: string): Promise<readonly AuditEntry[]> {
    const { service } = rolloutOf(this.#state, id);
    const entries = await this.audit({ service, limit: LOOKED_THROUGH });
    return entries.filter(({ rollout }) => rollout === id);
  }

  #told(id: string, { after, durable }: Outcome): RolloutChange {
    return { revision: after.revision, rollout: rolloutOf(after, id), durable };
  }

  /** Carries a command out and tells what has come of it, and of the workers, if the caller wants to wait. */
  async #change(command: ServiceCommand, asking: Asking): Promise<Change> {
    const { before, after, durable } = await this.#turns.take(() => this.#obey(command, asking));
    const { split } = serviceOf(after, command.service);
    const was = serviceOf(before, command.service).split.weights;
    const from = Object.keys(was).filter((version) => (own(split.weights, version) ?? 0) < was[version]!);
    const left = from.filter((version) => own(split.weights, version) === 0);
    const to = command.type === 'rollback' ? wholeVersion(split.weights) : undefined;
    const change: Change = {
      service: command.service,
      revision: after.revision,
      changed: after !== before,
      split,
      ...(from.length > 0 && { from }),
      ...(to !== undefined && { to }),
      durable,
      ...(!durable && this.#store.link && { local: true }),
    };
    if (asking.wait <= 0) return change;
    const receipt = await this.#serving.receipt(after.revision, asking.wait, command.service, left);
    this.#listeners.tell({ type: 'receipt', receipt });
    return { ...change, receipt };
  }

  async #obey(command: Command, asking: Asking): Promise<Outcome> {
    const circumstances = this.#circumstances(asking);
    // While the store is known to fail, a rollback does not wait to hear so again.
    if (command.type === 'rollback' && this.#debts.any)
      return this.#anticipate(command, circumstances, asking);
    try {
      if (this.#debts.any) await this.#follow();
      return await this.#persist(command, circumstances, asking);
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error;
      return this.#anticipate(command, circumstances, asking, error);
    }
  }

  async #persist(command: Command, circumstances: Circumstances, asking: Asking): Promise<Outcome> {
    for (let attempt = 1; ; attempt++) {
      const before = this.#state;
      const decision = this.#decide(command, circumstances, asking);
      const wanted = decision ?? this.#insistence(command, circumstances);
      if (wanted === undefined) return { before, after: before, durable: true };
      const { entry, urgent } = wanted;
      const writing = this.#store.replace(before.revision, partsOf(wanted), entry, asking.fence);
      const after = await (urgent ? this.#inHaste(writing) : writing).catch(refuseFenced);
      if (after !== undefined) {
        this.#serve(after);
        this.#tell(after, [{ ...entry, revision: after.revision }]);
        return { before: decision === undefined ? after : before, after, durable: true };
      }
      await this.#catchUp();
      if (command.type === 'weights') this.#yieldToRollback(command.service, before);
      if (attempt === ATTEMPTS && !urgent)
        throw new Refusal(
          'conflict',
          `others changed the truth ${ATTEMPTS} times while this was tried; ask again`,
          this.#state.revision,
        );
    }
  }

  /** Whoever is in a hurry waits so long for the store, and not longer: what is written late is no harm. */
  async #inHaste<T>(answer: Promise<T>): Promise<T> {
    const { patience } = this.#store;
    if (patience === undefined) return answer;
    answer.catch(() => {});
    let stop = (): void => {};
    const tooLong = new Promise<never>((_resolve, reject) => {
      stop = this.#timers.after(patience, () =>
        reject(new StoreUnavailable(`the store has not answered within ${patience} ms`)),
      );
    });
    return Promise.race([answer, tooLong]).finally(stop);
  }

  /** Whoever set weights did not know of the rollback that was faster, and would undo it. */
  #yieldToRollback(service: string, before: State): void {
    const was = own(before.services, service)?.split;
    const is = own(this.#state.services, service)?.split;
    if (is?.cause !== 'rollback' || wholeVersion(is.weights) === undefined || is === was) return;
    throw new Refusal(
      'stale',
      `service "${service}" was rolled back while this was tried; see what holds now, and ask again`,
      this.#state.revision,
    );
  }

  /** Serves what takes traffic back although the store cannot take it now. All else waits for the store. */
  #anticipate(
    command: Command,
    circumstances: Circumstances,
    asking: Asking,
    error?: StoreUnavailable,
  ): Outcome {
    const before = this.#state;
    const decision = this.#decide(command, circumstances, asking);
    if (decision === undefined)
      return { before, after: before, durable: !this.#insist(command, circumstances) };
    if (error !== undefined && !decision.urgent) throw unavailable(error, before);
    const { entry } = decision;
    const after: State = { ...partsOf(decision), revision: before.revision + 1 };
    this.#debts.owe({ command: pinned(command, after), circumstances, entry });
    this.#serve(after);
    this.#tell(after, [{ ...entry, revision: after.revision }]);
    this.#repayLater(0);
    return { before, after, durable: false };
  }

  /**
   * Where others write as well a rollback is written even if it changes nothing here: there may be a shift that has
   * not been heard of, or one that was given up and is still on its way. Of either it takes the place.
   */
  #insistence(command: Command, circumstances: Circumstances): Decision | undefined {
    if (this.#store.link === undefined || command.type !== 'rollback') return undefined;
    const services = confirmed(this.#state, command.service, circumstances.now);
    const entry = { ...signature('rollback', circumstances), service: command.service };
    return { ...partsOf({ ...this.#state, services }), entry, urgent: true };
  }

  /** Owes what a rollback insists on, unless it is owed. Whether anything is owed now. */
  #insist(command: Command, circumstances: Circumstances): boolean {
    const insistence = this.#insistence(command, circumstances);
    const owed = pinned(command, this.#state);
    if (insistence !== undefined && !this.#debts.again(owed, circumstances.now)) {
      this.#debts.owe({ command: owed, circumstances, entry: insistence.entry });
      this.#repayLater(0);
    }
    return this.#debts.any;
  }

  #decide(command: Command, circumstances: Circumstances, { ifRevision }: Asking): Decision | undefined {
    const { revision } = this.#state;
    if (ifRevision !== undefined && ifRevision !== revision)
      throw new Refusal(
        'stale',
        `this was asked of revision ${ifRevision}, but the newest is ${revision}; read it and ask again`,
        revision,
      );
    return decide(this.#state, command, circumstances);
  }

  #circumstances({ actor, reason }: Asking): Circumstances {
    const replica = this.#store.link?.names.replica;
    return { actor, reason, replica, now: this.#clock.now(), salt: this.#newSalt(), marks: this.#marks };
  }

  /** Gives the store what is owed to it, then takes over what is newer than what is known, whoever wrote it. */
  async #follow(): Promise<void> {
    await this.#debts.repay();
    await this.#catchUp();
  }

  async #catchUp(newest?: State): Promise<void> {
    const known = this.#state.revision;
    const state = newest ?? (await this.#store.read());
    if (state.revision <= known) return;
    this.#serve(state);
    const entries = await this.#store.audit({ limit: state.revision - known });
    this.#tell(state, entries.filter(({ revision }) => revision > known).reverse());
  }

  #serve(state: State): void {
    this.#state = state;
    this.#serving.announce(state);
  }

  /** Tells of the changes, oldest first, that led to a state. */
  #tell(state: State, entries: readonly AuditEntry[]): void {
    for (const entry of entries) {
      const { revision, action, service, actor } = entry;
      this.#log.info({ revision, action, service, actor: actor.name }, 'the truth has changed');
      this.#listeners.tell({ type: 'change', entry, state });
    }
  }

  /** Tries to write what is owed, again and again, until the store has taken it or control is closed. */
  #repayLater(attempt: number): void {
    if (this.#repaying !== undefined || this.#closed) return;
    this.#repaying = this.#timers.after(retryDelay(attempt), () => {
      this.#turns
        .take(() => this.#follow())
        .catch((err) => this.#log.warn({ err }, 'a rollback is served, but cannot be written yet'))
        .then(() => {
          this.#repaying = undefined;
          if (this.#debts.any) this.#repayLater(attempt + 1);
        });
    });
  }
}

/** A rollback names where it went, so that it goes there too when it is decided anew. */
function pinned(command: Command, after: State): Command {
  if (command.type !== 'rollback') return command;
  return { ...command, to: wholeVersion(serviceOf(after, command.service).split.weights) };
}

/** Milliseconds until the store is tried again: twice as long each time, up to five seconds. */
export function retryDelay(attempt: number): number {
  return Math.min(100 * 2 ** attempt, 5_000);
}

/** Decided by a leader that leads no more: whoever leads by now decides. */
function refuseFenced(error: unknown): never {
  throw error instanceof Fenced ? new Refusal('conflict', error.message) : error;
}

function unavailable(error: StoreUnavailable, { revision }: State): Refusal {
  return new Refusal('unavailable', `${error.message}; only rollbacks work until the store does`, revision);
}
