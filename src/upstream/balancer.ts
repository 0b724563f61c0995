import type { Seat } from '../model/health.ts';
import type { Pool } from './pool.ts';

/** A pool of a version, and whether and since when it is used. */
export interface Place {
  readonly pool: Pool;
  readonly out: Seat['out'];
  /** When it came back into use, monotonic ms; undefined if it takes its full share. */
  readonly back: number | undefined;
}

/** A pool that may be used. It belongs to one balancer, while a pool may be in several. */
export interface Choice {
  readonly pool: Pool;
  /** It alone in `tried`; those beyond the 31st of the version share one. */
  readonly bit: number;
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
  #pools: readonly Pool[] = [];
  #used: readonly Choice[] = [];
  /** Ejected ones: better than nobody. */
  #last: readonly Choice[] = [];
  /** Since when those have been back that do not yet take their full share; undefined when there are none. */
  #warming: Map<Choice, number> | undefined;
  #slowStart = 0;
  readonly #random: () => number;

  constructor(pools: readonly Pool[], random: () => number = Math.random) {
    this.#random = random;
    const used = (pool: Pool): Place => ({ pool, out: false, back: undefined });
    this.seat(pools.map(used), 0);
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
    this.#slowStart = slowStart;
    const used: Choice[] = [];
    const last: Choice[] = [];
    const warming = new Map<Choice, number>();
    for (const [index, { pool, out, back }] of places.entries()) {
      const choice = { pool, bit: 1 << Math.min(index, 30) };
      if (out === 'ejected') last.push(choice);
      if (out !== false) continue;
      used.push(choice);
      if (back !== undefined) warming.set(choice, back);
    }
    this.#used = used;
    this.#last = last;
    this.#warming = warming.size === 0 ? undefined : warming;
  }

  /** One that was not tried yet (`tried` has the bits of those that were), or undefined when there is none. */
  pick(tried: number): Choice | undefined {
    if (tried === 0) {
      const choice = this.#lessLoaded(this.#used);
      if (choice !== undefined && !choice.pool.avoided)
        return this.#warming === undefined ? choice : this.#spare(choice, this.#warming);
    }
    const untried = ({ bit }: Choice) => (tried & bit) === 0;
    const used = this.#used.filter(untried);
    const last = this.#last.filter(untried);
    return this.#fit(used) ?? this.#fit(last) ?? this.#lessLoaded(used) ?? this.#lessLoaded(last);
  }

  #fit(choices: readonly Choice[]): Choice | undefined {
    return this.#lessLoaded(choices.filter(({ pool }) => !pool.avoided));
  }

  #lessLoaded(choices: readonly Choice[]): Choice | undefined {
    const count = choices.length;
    if (count < 2) return choices[0];
    const first = Math.floor(this.#random() * count);
    const second = (first + 1 + Math.floor(this.#random() * (count - 1))) % count;
    return choices[second]!.pool.load < choices[first]!.pool.load ? choices[second] : choices[first];
  }

  /** The choice, or, if it is still warming up and its turn did not come, one that is warm. */
  #spare(choice: Choice, warming: Map<Choice, number>): Choice {
    const back = warming.get(choice);
    if (back === undefined) return choice;
    const share = ramp(choice.pool.deadlines.now - back, this.#slowStart);
    if (share === 1) {
      warming.delete(choice);
      if (warming.size === 0) this.#warming = undefined;
    }
    if (share === 1 || this.#random() < share) return choice;
    return this.#fit(this.#used.filter((each) => !warming.has(each))) ?? choice;
  }
}
