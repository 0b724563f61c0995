import type { Seat } from '../model/health.ts';
import type { Pool } from './pool.ts';

/** A pool of a version, and whether and since when it is used. */
export interface Place {
  readonly pool: Pool;
  readonly out: Seat['out'];
  /** When it came back into use, monotonic ms; undefined if it takes its full share. */
  readonly back: number | undefined;
}

/** With this part of its share an endpoint begins that comes back. */
const FIRST = 0.1;

/** The part of its share that an endpoint takes so many ms after it came back. */
export function ramp(age: number, slowStart: number): number {
  return age >= slowStart ? 1 : Math.max(FIRST, age / slowStart);
}

/**
 * Chooses an endpoint of a version: the less loaded of two taken at random (Mitzenmacher 2001, "The power of
 * two choices"), which is nearly as even as asking all of them and does not make every worker rush to the
 * same idle one. Which ones are out of use is worked out when that changes, not when a request comes.
 *
 * Ejected endpoints come when those in use have been tried, or have refused a connection a moment ago: that
 * an endpoint is ejected is a suspicion, and may be minutes old. Another version, which is not what was chosen,
 * comes after them.
 */
export class Balancer {
  #pools: readonly Pool[];
  #used: readonly Pool[];
  /** Ejected ones: better than nobody. */
  #last: readonly Pool[] = [];
  /** Since when those have been back that do not yet take their full share; undefined when there are none. */
  #warming: Map<Pool, number> | undefined;
  #slowStart = 0;
  readonly #random: () => number;

  constructor(pools: readonly Pool[], random: () => number = Math.random) {
    this.#pools = pools;
    this.#used = pools;
    this.#random = random;
  }

  /** All of them, used or not. */
  get pools(): readonly Pool[] {
    return this.#pools;
  }

  /** Whether there is none that may be used, not even if need be. */
  get empty(): boolean {
    return this.#used.length === 0 && this.#last.length === 0;
  }

  /** Takes over how the endpoints stand. */
  seat(places: readonly Place[], slowStart: number): void {
    this.#pools = places.map(({ pool }) => pool);
    const used = places.filter(({ out }) => out === false);
    this.#used = used.map(({ pool }) => pool);
    this.#last = places.flatMap(({ pool, out }) => (out === 'ejected' ? [pool] : []));
    this.#slowStart = slowStart;
    const warming = used.flatMap(({ pool, back }) => (back === undefined ? [] : [[pool, back] as const]));
    this.#warming = warming.length === 0 ? undefined : new Map(warming);
  }

  /** A pool that was not tried yet (`tried` has the bits of those that were), or undefined when there is none. */
  pick(tried: number): Pool | undefined {
    if (tried === 0) {
      const choice = this.#lessLoaded(this.#used);
      if (choice !== undefined && !choice.avoided)
        return this.#warming === undefined ? choice : this.#spare(choice, this.#warming);
    }
    const untried = (pool: Pool) => (tried & this.bit(pool)) === 0;
    const used = this.#used.filter(untried);
    const last = this.#last.filter(untried);
    return this.#fit(used) ?? this.#fit(last) ?? this.#lessLoaded(used) ?? this.#lessLoaded(last);
  }

  /** The bit of a pool in `tried`. Endpoints beyond the 31st share one. */
  bit(pool: Pool): number {
    return 1 << Math.min(this.#pools.indexOf(pool), 30);
  }

  #fit(pools: readonly Pool[]): Pool | undefined {
    return this.#lessLoaded(pools.filter((pool) => !pool.avoided));
  }

  #lessLoaded(pools: readonly Pool[]): Pool | undefined {
    const count = pools.length;
    if (count < 2) return pools[0];
    const first = Math.floor(this.#random() * count);
    const second = (first + 1 + Math.floor(this.#random() * (count - 1))) % count;
    return pools[second]!.load < pools[first]!.load ? pools[second] : pools[first];
  }

  /** The choice, or, if it is still warming up and its turn did not come, one that is warm. */
  #spare(choice: Pool, warming: Map<Pool, number>): Pool {
    const back = warming.get(choice);
    if (back === undefined) return choice;
    const share = ramp(choice.deadlines.now - back, this.#slowStart);
    if (share === 1) {
      warming.delete(choice);
      if (warming.size === 0) this.#warming = undefined;
    }
    if (share === 1 || this.#random() < share) return choice;
    return this.#fit(this.#used.filter((pool) => !warming.has(pool))) ?? choice;
  }
}
