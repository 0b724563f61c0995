import { connect, type Socket, type TcpNetConnectOpts } from 'node:net';
import { type ConnectionOptions, connect as connectSecurely } from 'node:tls';
import { reset } from '../../src/proxy/reset.ts';

/** Where a proxy listens; by TLS, if there is an authority to believe. */
export type Target = TcpNetConnectOpts & { readonly host: string; readonly ca?: string | undefined };

/** A client that sends raw bytes, by TLS or as they are, and keeps whatever comes back. One character is one byte. */
export class Client {
  received = '';
  /** The other side has ended, or the connection is gone. */
  done = false;
  /** The connection is gone. */
  closed = false;
  error: string | undefined;
  /** When something last came or the connection changed, on the clock of `performance.now()`. */
  lastAt = performance.now();
  readonly socket: Socket;
  /** What the socket goes by: itself, or the one below TLS. */
  readonly #wire: Socket;
  readonly #opens: 'connect' | 'secureConnect';
  #wake: () => void = () => {};

  constructor({ ca, ...to }: Target) {
    this.#wire = connect({ ...to, allowHalfOpen: true, noDelay: true });
    this.socket =
      ca === undefined
        ? this.#wire
        : connectSecurely({
            ca,
            host: to.host,
            socket: this.#wire,
            allowHalfOpen: true,
          } as ConnectionOptions);
    this.#opens = ca === undefined ? 'connect' : 'secureConnect';
    this.socket.on('data', (bytes) => {
      this.received += bytes.toString('latin1');
      this.lastAt = performance.now();
      this.#wake();
    });
    this.socket.on('error', (error: NodeJS.ErrnoException) => {
      this.error = error.code;
    });
    this.socket.on('end', () => {
      this.done = true;
      this.#wake();
    });
    this.socket.on('close', () => {
      this.done = true;
      this.closed = true;
      this.#wake();
    });
  }

  /** Whether somebody listens there. */
  connected(): Promise<boolean> {
    return new Promise((resolve) => {
      this.socket.once(this.#opens, () => resolve(true));
      this.socket.once('error', () => resolve(false));
    });
  }

  send(bytes: string): void {
    if (this.socket.writable) this.socket.write(bytes, 'latin1');
  }

  /** Waits until `true()` holds, looking whenever something has come. False if it does not within `ms`. */
  async until(holds: () => boolean, ms: number): Promise<boolean> {
    const deadline = performance.now() + ms;
    for (;;) {
      if (holds()) return true;
      const left = deadline - performance.now();
      if (left <= 0) return false;
      await this.changed(left);
    }
  }

  /** Resolves when something has come, or after `ms`. */
  changed(ms: number): Promise<void> {
    return new Promise((resolve) => {
      // A timer that is late on a busy machine must not overtake bytes that already wait to be read.
      const timer = setTimeout(() => setImmediate(() => setImmediate(resolve)), ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  leave(): void {
    this.socket.destroy();
  }

  /** Leaves as a crash does. */
  reset(): void {
    reset(this.#wire);
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
