import type { TestContext } from 'node:test';
import { Deadlines } from '../../src/base/deadlines.ts';
import { silent } from '../../src/base/log.ts';
import type { End } from '../../src/upstream/asker.ts';
import type { Channel, Question, UpstreamTerms } from '../../src/upstream/channel.ts';
import { Pool, type PoolLimits } from '../../src/upstream/pool.ts';
import { atEnd } from '../support/end.ts';
import { reachable } from '../support/peer.ts';
import { Notebook } from './notebook.ts';

export const TERMS: UpstreamTerms = { connect: 1000, head: 2000, body: 3000, keepAlive: 4000 };
export const LIMITS = { targetBytes: 1000, headBytes: 1000, headers: 10, bufferBytes: 65_536 };

/** A request without a body, but for what is said otherwise. */
export function question(asked: Partial<Question> = {}): Question {
  const lines = 'GET / HTTP/1.1\r\nhost: a\r\n';
  return {
    lines,
    chunked: false,
    payload: '',
    end: '',
    headOnly: false,
    expects: false,
    upgrade: undefined,
    ...asked,
  };
}

/** Sends more of a body. */
export function send(channel: Channel, data: string, end?: End): boolean {
  return channel.write(Buffer.from(data, 'latin1'), 0, data.length, end);
}

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
    { connections: 10, requests: 10, pending: 10, ...pooling },
    silent,
  );
  atEnd(t, () => {
    pool.retire();
    // Whoever is still busy has had time enough.
    deadlines.sweep(Number.MAX_VALUE);
  });
  return { pool, deadlines };
}

export interface Asked {
  readonly notes: Notebook;
  readonly channel: Channel;
}

/** Sends a request on whatever connection the pool gives. */
export function ask(pool: Pool, asked: Partial<Question> = {}): Asked {
  const channel = pool.take(TERMS.connect, false);
  if (channel === undefined) throw new Error('the pool has no connection left');
  const notes = new Notebook();
  channel.ask(notes, TERMS, question(asked));
  return { notes, channel };
}
