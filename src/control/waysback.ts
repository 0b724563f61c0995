import { setMaxListeners } from 'node:events';
import type { Clock } from '../base/clock.ts';
import { own } from '../base/own.ts';
import type { RolloutEvent } from '../model/event.ts';
import type { Rollout } from '../model/rollout.ts';
import type { State } from '../model/state.ts';
import { isEnded } from '../rollout/move.ts';
import type { Roster } from '../upstream/roster.ts';

export interface WaysBackParts {
  state(): State;
  /** Whether something accepts connections at an endpoint. */
  readonly reaches: (endpoint: string, ms: number, signal: AbortSignal) => Promise<boolean>;
  readonly roster: Pick<Roster, 'goneFor'>;
  readonly clock: Pick<Clock, 'monotonic'>;
}

/** Between two knocks at a baseline, and for an answer, ms. */
const EVERY = 5000;
const PATIENCE = 2000;
/** So many knocks in a row without an answer shut a way: a restart of an endpoint is no news. */
const KNOCKS = 2;
/** A version of which probes have found no endpoint that serves for so long is gone, ms: a restart takes less. */
export const GONE = 5000;

interface Way {
  due: number;
  unanswered: number;
  /** Undefined before the first answer. */
  open: boolean | undefined;
}

/**
 * Whether there is anybody to go back to. While a rollout is under way somebody knocks at the endpoints of its
 * baseline every few seconds, since a version with little or no traffic is not heard of otherwise. One that
 * accepts connections is enough, unless the service has its endpoints probed and none of them passes.
 */
export class WaysBack {
  readonly #parts: WaysBackParts;
  /** By rollout. */
  readonly #ways = new Map<string, Way>();
  readonly #closing = new AbortController();
  readonly #knocking = new Set<Promise<void>>();

  constructor(parts: WaysBackParts) {
    this.#parts = parts;
    // Every knock under way hears of the end.
    setMaxListeners(0, this.#closing.signal);
  }

  /** Knocks wherever it is time to. */
  attend(): void {
    const { services, rollouts = {} } = this.#parts.state();
    const now = this.#parts.clock.monotonic();
    for (const { id, service, baseline, phase } of Object.values(rollouts)) {
      if (isEnded(phase)) continue;
      const way = this.#ways.get(id) ?? { due: 0, unanswered: 0, open: undefined };
      this.#ways.set(id, way);
      if (now < way.due) continue;
      way.due = now + EVERY;
      const endpoints = own(own(services, service)?.versions ?? {}, baseline)?.endpoints ?? [];
      const knock: Promise<void> = this.#knock(way, endpoints).finally(() => this.#knocking.delete(knock));
      this.#knocking.add(knock);
    }
    for (const id of this.#ways.keys()) {
      const rollout = own(rollouts, id);
      if (rollout === undefined || isEnded(rollout.phase)) this.#ways.delete(id);
    }
  }

  /** What there is to tell a rollout of its way back: nothing, unless that is not as it believes. */
  news({ id, service, baseline, stranded }: Rollout): readonly RolloutEvent[] {
    const way = this.#ways.get(id);
    const isGone = (this.#parts.roster.goneFor(service, baseline) ?? 0) >= GONE;
    const open = isGone ? false : way?.open;
    if (open === undefined || open === (stranded === undefined)) return [];
    if (open) return [{ type: 'way' }];
    const lacks = way?.open === false ? 'accepts connections' : 'passes its probes';
    return [{ type: 'way', shut: `no endpoint of version "${baseline}" ${lacks}` }];
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.all(this.#knocking);
  }

  async #knock(way: Way, endpoints: readonly string[]): Promise<void> {
    const { signal } = this.#closing;
    const answers = endpoints.map((endpoint) => this.#parts.reaches(endpoint, PATIENCE, signal));
    const answered = (await Promise.all(answers)).some((reached) => reached);
    way.unanswered = answered ? 0 : way.unanswered + 1;
    if (answered) way.open = true;
    else if (way.unanswered >= KNOCKS) way.open = false;
  }
}
