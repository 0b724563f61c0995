import type { Pool } from './pool.ts';

/**
 * Chooses an endpoint of a version: the less loaded of two taken at random (Mitzenmacher 2001, "The power of
 * two choices"), which is nearly as even as asking all of them and does not make every worker rush to the
 * same idle one. Endpoints that refused a connection a moment ago are left out while there are others.
 */
export class Balancer {
  readonly pools: readonly Pool[];
  readonly #random: () => number;

  constructor(pools: readonly Pool[], random: () => number = Math.random) {
    this.pools = pools;
    this.#random = random;
  }

  /** A pool that was not tried yet (`tried` has the bits of those that were), or undefined when there is none. */
  pick(tried: number): Pool | undefined {
    if (tried === 0) {
      const choice = this.#lessLoaded(this.pools);
      if (choice === undefined || !choice.avoided) return choice;
    }
    const untried = this.pools.filter((pool) => (tried & this.bit(pool)) === 0);
    const fit = untried.filter((pool) => !pool.avoided);
    return this.#lessLoaded(fit.length > 0 ? fit : untried);
  }

  /** The bit of a pool in `tried`. Endpoints beyond the 31st share one. */
  bit(pool: Pool): number {
    return 1 << Math.min(this.pools.indexOf(pool), 30);
  }

  #lessLoaded(pools: readonly Pool[]): Pool | undefined {
    const count = pools.length;
    if (count < 2) return pools[0];
    const first = Math.floor(this.#random() * count);
    const second = (first + 1 + Math.floor(this.#random() * (count - 1))) % count;
    return pools[second]!.load < pools[first]!.load ? pools[second] : pools[first];
  }
}
