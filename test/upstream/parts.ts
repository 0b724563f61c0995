import type { TestContext } from 'node:test';
import { Deadlines } from '../../src/base/deadlines.ts';
import { silent } from '../../src/base/log.ts';
import type { UpstreamConnection, UpstreamTerms } from '../../src/upstream/connection.ts';
import { Pool, type PoolLimits } from '../../src/upstream/pool.ts';
import { reachable } from '../support/peer.ts';
import { Notebook } from './notebook.ts';

export const TERMS: UpstreamTerms = { connect: 1000, head: 2000, body: 3000, keepAlive: 4000 };
export const LIMITS = { targetBytes: 1000, headBytes: 1000, headers: 10, bufferBytes: 65_536 };
export const GET = 'GET / HTTP/1.1\r\nhost: a\r\n\r\n';

/** A pool of an endpoint, and the deadlines that sweep it. Retired when the test is over. */
export function poolOf(
  t: TestContext,
  address: string,
  pooling: Partial<PoolLimits> = {},
): { pool: Pool; deadlines: Deadlines } {
  const deadlines = new Deadlines(0, 0);
  const pool = new Pool(
    reachable(address),
    deadlines,
    LIMITS,
    { connections: 10, pending: 10, ...pooling },
    silent,
  );
  t.after(() => {
    pool.retire();
    // Whoever is still busy has had time enough.
    deadlines.sweep(Number.MAX_VALUE);
  });
  return { pool, deadlines };
}

export interface Asked {
  readonly notes: Notebook;
  readonly connection: UpstreamConnection;
}

/** Sends a request on whatever connection the pool gives. */
export function ask(
  pool: Pool,
  { request = GET, whole = true, headAsked = false, upgrade = '' } = {},
): Asked {
  const connection = pool.take(TERMS.connect, false);
  if (connection === undefined) throw new Error('the pool has no connection left');
  const notes = new Notebook();
  connection.ask(notes, TERMS, request, whole, headAsked, upgrade || undefined);
  return { notes, connection };
}
