import type { Socket } from 'node:net';
import type { Pool } from '../upstream/pool.ts';

/**
 * Where the connection of one client was introduced by a PROXY header. What began with that is of use to nobody
 * when the client has gone, so it is closed then, and does not take up room until it has been idle for long enough.
 */
export class Introductions {
  readonly #pools = new Map<string, Set<Pool>>();

  constructor(socket: Socket) {
    socket.once('close', () => {
      for (const [introduction, pools] of this.#pools) for (const pool of pools) pool.dismiss(introduction);
    });
  }

  made(introduction: string, pool: Pool): void {
    const pools = this.#pools.get(introduction);
    if (pools === undefined) this.#pools.set(introduction, new Set([pool]));
    else pools.add(pool);
  }
}
