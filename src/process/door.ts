import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';

/**
 * Where connections to the admin API come in. It knows nothing of what is spoken there, so the rooms behind it
 * can be cleared and furnished anew, here or in another process, while whoever comes meanwhile waits at the
 * door instead of being turned away.
 */
export class Door {
  readonly #server = createServer({ pauseOnConnect: true, allowHalfOpen: true, noDelay: true }, (socket) => {
    if (this.#lead === undefined) this.#waiting.push(socket);
    else this.#lead(socket);
  });
  readonly #waiting: Socket[] = [];
  #lead: ((socket: Socket) => void) | undefined;

  /** Listens on this socket. Rejects with the system's error. */
  async listen(handle: object): Promise<void> {
    this.#server.listen(handle);
    await once(this.#server, 'listening');
    // A connection that could not be accepted, for want of a descriptor, is no reason to end.
    this.#server.on('error', () => {});
  }

  /** Leads in everybody who waits, and whoever comes from now on. */
  open(lead: (socket: Socket) => void): void {
    this.#lead = lead;
    for (const socket of this.#waiting.splice(0)) lead(socket);
  }

  /** Has whoever comes wait. */
  shut(): void {
    this.#lead = undefined;
  }

  /** Lets nobody in any more. Returns who waits. */
  close(): Socket[] {
    this.#server.close();
    return this.#waiting.splice(0);
  }
}
