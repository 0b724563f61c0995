import type { Connections } from '../model/connections.ts';
import type { LedgerCounts } from '../model/counts.ts';
import type { TrialCounts } from '../model/evidence.ts';
import type { Outcomes, Standing } from '../model/health.ts';
import type { Pressure, Resource } from '../model/overload.ts';
import type { Listener, ProxySettings } from '../model/settings.ts';
import type { Service, State } from '../model/state.ts';
import type { Speeches } from '../model/tls.ts';

/**
 * What the primary and its workers say to each other. State goes down, evidence comes up. The line keeps
 * order, so a worker that is asked about a revision has been told of it before.
 */

/** From the primary to a worker. */
export type Down =
  /** Always the first: what to be, and what to serve. */
  | {
      readonly type: 'start';
      readonly settings: ProxySettings;
      /** What is spoken at the listeners, with what their files hold. */
      readonly speeches: Speeches;
      readonly logLevel: string;
      readonly state: State;
      readonly standings: readonly Standing[];
    }
  /** Accept connections from the socket that comes along. The address is the one really bound. */
  | { readonly type: 'listen'; readonly listener: Listener }
  /** Accept no more from there; connections that are open stay. */
  | { readonly type: 'unlisten'; readonly address: string }
  | { readonly type: 'patch'; readonly patch: Patch }
  /** Endpoints of these versions stand otherwise than before. */
  | { readonly type: 'stand'; readonly standings: readonly Standing[] }
  | {
      readonly type: 'configure';
      readonly settings: ProxySettings;
      readonly speeches: Speeches;
      readonly logLevel: string;
    }
  /** Asks for a `settled` with the same `ask`, as soon as no request to these versions is unsent. */
  | {
      readonly type: 'settle';
      readonly ask: number;
      readonly service: string | undefined;
      readonly versions: readonly string[];
    }
  /** The access log was moved away; open it anew. */
  | { readonly type: 'reopen' }
  /** Stop accepting, finish what is in flight for up to `ms` milliseconds, leave. */
  | { readonly type: 'drain'; readonly ms: number };

/** From a worker to the primary. */
export type Up =
  /** Connections are accepted there. */
  | { readonly type: 'listening'; readonly address: string }
  | { readonly type: 'adopted'; readonly revision: number }
  | {
      readonly type: 'settled';
      readonly ask: number;
      readonly revision: number;
      /** Wall-clock milliseconds. */
      readonly lastRequestAt: number | undefined;
    }
  | {
      readonly type: 'counts';
      readonly counts: readonly LedgerCounts[];
      readonly unrouted: Readonly<Record<string, number>>;
      /** TLS handshakes by how they ended. */
      readonly handshakes: Readonly<Record<string, number>>;
      /** Connections that were turned away, by what there was too much of. */
      readonly shed: Readonly<Record<string, number>>;
    }
  /** What came of requests, by endpoint, where there is a choice between them. */
  | { readonly type: 'outcomes'; readonly outcomes: readonly Outcomes[] }
  /** Comes as often as trials are under way, even if nothing was counted: who is silent is missing. */
  | { readonly type: 'trials'; readonly counts: readonly TrialCounts[] }
  /** Comes several times a second, whatever happens: who is silent hangs. */
  | {
      readonly type: 'alive';
      readonly pressure: Pressure;
      readonly cause: Resource | undefined;
      readonly connections: Connections;
    }
  /** The last word; `fault` says why if the worker leaves without having been asked to. */
  | { readonly type: 'leaving'; readonly fault: string | undefined };

/** What changed from one state to the next. */
export interface Patch {
  readonly revision: number;
  /** New services, and those that are no longer the same object. */
  readonly changed: Readonly<Record<string, Service>>;
  readonly removed: readonly string[];
}

/**
 * Compares services by identity, which is enough because a state shares with its forerunner whatever stayed
 * as it was: a weight that moves among ten thousand services costs one service on the line.
 */
export function diffState(previous: State, next: State): Patch {
  const before = previous.services;
  const after = next.services;
  return {
    revision: next.revision,
    changed: Object.fromEntries(
      Object.entries(after).filter(
        ([name, service]) => !Object.hasOwn(before, name) || before[name] !== service,
      ),
    ),
    removed: Object.keys(before).filter((name) => !Object.hasOwn(after, name)),
  };
}

/** The next state, again sharing with the previous one every service that the patch does not name. */
export function applyState(previous: State, { revision, changed, removed }: Patch): State {
  if (removed.length === 0) return { revision, services: { ...previous.services, ...changed } };
  const gone = new Set(removed);
  const kept = Object.entries(previous.services).filter(([name]) => !gone.has(name));
  return { revision, services: { ...Object.fromEntries(kept), ...changed } };
}
