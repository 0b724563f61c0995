import type { Deadlines } from '../base/deadlines.ts';
import type { Log } from '../base/log.ts';
import { parseAddress } from '../model/address.ts';
import type { Outcomes } from '../model/health.ts';
import { limitsOf } from '../model/limits.ts';
import type { Service } from '../model/state.ts';
import type { EndpointTls } from '../model/tls.ts';
import { Pool, type PoolLimits, type WireLimits } from './pool.ts';
import { hostOf, Security } from './security.ts';

/** An endpoint, and one of the addresses that its name was resolved to; left out: where the endpoint says. */
export interface Whereabouts {
  readonly endpoint: string;
  readonly address?: string | undefined;
  /** TLS is spoken there, on these terms. */
  readonly tls?: EndpointTls | undefined;
  /** HTTP/2 is spoken there. */
  readonly http2?: boolean;
  /** Whose connections they are: theirs who have limits of their own. Left out: shared by all others. */
  readonly owner?: string | undefined;
}

/** Whose connections a version uses: its own, its service's, or, undefined, those that services share. */
export function ownerOf(service: string, version: string, doc: Service): string | undefined {
  if (limitsOf(doc, doc.versions[version]!).connections !== undefined) return `${service}/${version}`;
  return doc.limits === undefined ? undefined : service;
}

interface Known extends Whereabouts {
  readonly pool: Pool;
}

/** Every pool of this process, by endpoint and address. */
export class Pools {
  readonly #pools = new Map<string, Known>();
  readonly #deadlines: Deadlines;
  readonly #log: Log;

  constructor(deadlines: Deadlines, log: Log) {
    this.#deadlines = deadlines;
    this.#log = log;
  }

  /** The pool of an endpoint, made if need be. */
  get(where: Whereabouts, limits: WireLimits, pooling: PoolLimits): Pool {
    const { endpoint, address, tls, http2, owner } = where;
    const key = keyOf(where);
    let pool = this.#pools.get(key)?.pool;
    if (pool === undefined) {
      const parsed = parseAddress(address ?? endpoint);
      if (typeof parsed === 'string') throw new RangeError(`endpoint "${endpoint}": ${parsed}`);
      pool = new Pool(
        parsed,
        this.#deadlines,
        limits,
        pooling,
        this.#log,
        tls && new Security(tls, hostOf(endpoint), this.#log),
        http2,
      );
      this.#pools.set(key, { endpoint, address, owner, pool });
    }
    pool.limits = limits;
    pool.pooling = pooling;
    pool.revive();
    return pool;
  }

  /** Lets go of every pool that is not among `named`. Those still busy go when they are done. */
  keepOnly(named: ReadonlySet<Pool>): void {
    for (const [key, { pool }] of this.#pools) {
      if (named.has(pool)) continue;
      pool.retire();
      if (pool.quiet) this.#pools.delete(key);
    }
  }

  /** Connections that are open. */
  get open(): number {
    let open = 0;
    for (const { pool } of this.#pools.values()) open += pool.open;
    return open;
  }

  /** Closes the connections that have nothing to do. */
  rest(): void {
    for (const { pool } of this.#pools.values()) pool.rest();
  }

  /** Reads certificates and keys that have changed. */
  look(): void {
    for (const { pool } of this.#pools.values()) pool.security?.look();
  }

  /** What came of requests since the last call, where somebody wants to know. */
  outcomes(): Outcomes[] {
    const all: Outcomes[] = [];
    for (const { endpoint, address, owner, pool } of this.#pools.values()) {
      if (pool.alarmAt === Number.POSITIVE_INFINITY) continue;
      const seen = pool.outcomes();
      if (seen === undefined) continue;
      const by = { ...(address !== undefined && { address }), ...(owner !== undefined && { owner }) };
      all.push({ endpoint, ...by, ...seen });
    }
    return all;
  }
}

function keyOf({ endpoint, address, tls, http2, owner }: Whereabouts): string {
  const place = address === undefined ? endpoint : `${endpoint} ${address}`;
  const secured = tls === undefined ? place : `${place} ${JSON.stringify(tls)}`;
  const spoken = http2 ? `${secured} http2` : secured;
  return owner === undefined ? spoken : `${spoken} of ${owner}`;
}
