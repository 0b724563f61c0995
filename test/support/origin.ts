import { createServer, type Server } from 'node:net';
import type { TestContext } from 'node:test';
import { formatAddress } from '../../src/model/address.ts';
import { atEnd } from './end.ts';
import { patiently } from './patience.ts';
import { type Message, Peer, reachable } from './peer.ts';

/** What an origin does with every request; without one the test takes connections with `next` and plays it itself. */
export type Script = (peer: Peer, request: Message) => void;

/** A raw server on a port of its own. */
export class Origin {
  /** Where it can be reached. */
  address = '';
  /** Every connection that was made to it, oldest first. */
  readonly peers: Peer[] = [];
  /** Requests that its script has answered. */
  requests = 0;
  readonly #server: Server;
  readonly #unseen: Peer[] = [];
  readonly #waiting: ((peer: Peer) => void)[] = [];

  private constructor(script: Script | undefined) {
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      const peer = new Peer(socket);
      this.peers.push(peer);
      if (script) void this.#play(peer, script);
      else this.#hand(peer);
    });
  }

  /** Listens until the test is over. */
  static async open(t: TestContext, script?: Script, at = '127.0.0.1:0'): Promise<Origin> {
    const origin = new Origin(script);
    const address = reachable(at);
    await new Promise<void>((resolve) => origin.#server.listen(address, resolve));
    const bound = origin.#server.address();
    origin.address =
      bound === null || typeof bound === 'string'
        ? at
        : formatAddress({ host: bound.address, port: bound.port });
    atEnd(t, () => origin.close());
    return origin;
  }

  /** The next connection that no test has been given yet. */
  next(): Promise<Peer> {
    const peer = this.#unseen.shift();
    return peer ? Promise.resolve(peer) : patiently('a connection', (resolve) => this.#waiting.push(resolve));
  }

  /** Stops listening and leaves every connection. */
  close(): void {
    this.#server.close();
    for (const peer of this.peers) peer.socket.destroy();
  }

  #hand(peer: Peer): void {
    const waiting = this.#waiting.shift();
    if (waiting) waiting(peer);
    else this.#unseen.push(peer);
  }

  async #play(peer: Peer, script: Script): Promise<void> {
    try {
      for (;;) {
        const request = await peer.message();
        this.requests++;
        script(peer, request);
      }
    } catch {
      // The connection is over, or the request was broken off: nothing more to answer.
      peer.end();
    }
  }
}

/** An answer with a body of known length. */
export function ok(body: string, fields = ''): string {
  return `HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n${fields}\r\n${body}`;
}

/** Answers every request with the same body. */
export function always(body: string): Script {
  return (peer) => peer.say(ok(body));
}
