import type { ConnectionOptions } from 'node:tls';
import { eventually, once } from '../support/patience.ts';
import { connect, type Peer } from '../support/peer.ts';
import { connectSecurely } from '../support/secure.ts';

/** Connections that always have a request under way. */
export const CLIENTS = 16;

/** How clients come: how many, how many ms from an answer to the next request, by TLS or not, and what for. */
interface Way {
  readonly clients?: number;
  readonly pace?: number;
  readonly secure?: ConnectionOptions;
  readonly host?: string;
}

/** Keep-alive clients with a new key for every request. */
export class Load {
  total = 0;
  readonly versions = new Map<string, number>();
  readonly failures: string[] = [];
  readonly #address: string;
  readonly #clients: number;
  readonly #pace: number;
  readonly #secure: ConnectionOptions | undefined;
  readonly #host: string;
  #stopped = false;
  #running: Promise<void>[] = [];

  constructor(url: string, { clients = CLIENTS, pace = 0, secure, host = 'shop' }: Way = {}) {
    this.#address = new URL(url).host;
    this.#clients = clients;
    this.#pace = pace;
    this.#secure = secure;
    this.#host = host;
  }

  async start(): Promise<void> {
    const peers = await Promise.all(
      Array.from({ length: this.#clients }, () =>
        this.#secure === undefined ? connect(this.#address) : connectSecurely(this.#address, this.#secure),
      ),
    );
    this.#running = peers.map((peer, client) => this.#ask(peer, client));
  }

  async answered(count: number): Promise<void> {
    await eventually(`${count} answers`, () => this.total >= count || this.failures.length > 0);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#running);
  }

  async #ask(peer: Peer, client: number): Promise<void> {
    for (let turn = 0; !this.#stopped; turn++) {
      peer.say(
        `GET / HTTP/1.1\r\nhost: ${this.#host}\r\ncookie: spillway_key=user-${client}-${turn}\r\n\r\n`,
      );
      try {
        const { line, body, field } = await peer.message();
        if (!line.includes(' 200 ')) this.failures.push(line);
        const version = field('x-spillway-version') ?? body;
        this.versions.set(version, (this.versions.get(version) ?? 0) + 1);
      } catch (fault) {
        this.failures.push(String(fault));
        break;
      }
      this.total++;
      if (this.#pace > 0) await new Promise((resolve) => setTimeout(resolve, this.#pace));
    }
    peer.socket.destroy();
    if (!peer.socket.closed) await once(peer.socket, 'close');
  }
}
