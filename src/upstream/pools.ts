import type { Deadlines } from '../base/deadlines.ts';
import type { Log } from '../base/log.ts';
import { parseAddress } from '../model/address.ts';
import { Pool, type PoolLimits, type WireLimits } from './pool.ts';

/** Every pool of this process, by endpoint address. */
export class Pools {
  readonly #pools = new Map<string, Pool>();
  readonly #deadlines: Deadlines;
  readonly #log: Log;

  constructor(deadlines: Deadlines, log: Log) {
    this.#deadlines = deadlines;
    this.#log = log;
  }

  /** The pool of an endpoint, made if need be. Of two services that name one endpoint, the later sets its limits. */
  get(endpoint: string, limits: WireLimits, pooling: PoolLimits): Pool {
    let pool = this.#pools.get(endpoint);
    if (pool === undefined) {
      const address = parseAddress(endpoint);
      if (typeof address === 'string') throw new RangeError(`endpoint "${endpoint}": ${address}`);
      pool = new Pool(address, this.#deadlines, limits, pooling, this.#log);
      this.#pools.set(endpoint, pool);
    }
    pool.limits = limits;
    pool.pooling = pooling;
    pool.revive();
    return pool;
  }

  /** Lets go of every pool that is not among `named`. Those still busy go when they are done. */
  keepOnly(named: ReadonlySet<string>): void {
    for (const [endpoint, pool] of this.#pools) {
      if (named.has(endpoint)) continue;
      pool.retire();
      if (pool.quiet) this.#pools.delete(endpoint);
    }
  }
}
