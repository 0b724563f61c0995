import { connect as connectTo, type Socket } from 'node:net';
import { type Address, parseAddress } from '../../src/model/address.ts';
import { reset } from '../../src/proxy/reset.ts';
import { once, patiently } from './patience.ts';

/** A message as its reader sees it. Field names are in lower case. */
export interface Message {
  /** Request line or status line. */
  readonly line: string;
  readonly fields: readonly (readonly [name: string, value: string])[];
  /** The value of a field; undefined where there is none, or nothing in it. Several are joined by ` | `, so that no test overlooks them. */
  field(name: string): string | undefined;
  readonly body: string;
  /** Trailer lines of a chunked body. */
  readonly trailers: string;
}

/** One end of a raw connection, at an origin or at a client. What it says and hears is text, a character a byte. */
export class Peer {
  readonly socket: Socket;
  /** Everything heard so far that was not taken. */
  heard = '';
  /** How the other side left: `end` politely, `reset` not. Undefined while it is there. */
  left: 'end' | 'reset' | undefined;
  #waiting: (() => void)[] = [];

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (data: Buffer) => {
      this.heard += data.toString('latin1');
      this.#wake();
    });
    socket.on('end', () => this.#leave('end'));
    socket.on('error', () => this.#leave('reset'));
    socket.on('close', () => this.#leave('reset'));
  }

  say(text: string): void {
    this.socket.write(text, 'latin1');
  }

  /** Takes everything heard up to and with the first match, waiting for it. */
  async take(what: string | RegExp): Promise<string> {
    for (;;) {
      const at =
        typeof what === 'string' ? endOf(this.heard.indexOf(what), what) : matchEnd(what.exec(this.heard));
      if (at >= 0) return this.#shift(at);
      if (this.left !== undefined)
        throw new Error(`${this.left} before ${what}; heard: ${JSON.stringify(this.heard.slice(0, 500))}`);
      await this.#change(`${what}`);
    }
  }

  /** Takes one message by its framing. `bodiless`: the answer to a HEAD request. */
  async message(bodiless = false): Promise<Message> {
    const [line = '', ...lines] = (await this.take('\r\n\r\n')).slice(0, -4).split('\r\n');
    const fields = lines.map((each): [string, string] => {
      const colon = each.indexOf(':');
      return [each.slice(0, colon).toLowerCase(), each.slice(colon + 1).trim()];
    });
    const field = (name: string) =>
      fields
        .filter(([each]) => each === name)
        .map(([, value]) => value)
        .join(' | ') || undefined;
    let body = '';
    let trailers = '';
    if (!bodiless && field('transfer-encoding') === 'chunked') {
      for (let size = await this.#size(); size > 0; size = await this.#size()) {
        body += await this.bytes(size);
        await this.take(/^\r\n/);
      }
      trailers = await this.take(/^(?:[^\r]+\r\n)*\r\n/);
    } else if (!bodiless && !/^HTTP\/1\.1 (1|204|304)/.test(line)) {
      body = await this.bytes(Number(field('content-length') ?? 0));
    }
    return { line, fields, field, body, trailers: trailers.slice(0, -2) };
  }

  /** Takes exactly so many bytes. */
  async bytes(count: number): Promise<string> {
    while (this.heard.length < count) {
      if (this.left !== undefined)
        throw new Error(`${this.left} after ${this.heard.length} of ${count} bytes`);
      await this.#change(`${count} bytes`);
    }
    return this.#shift(count);
  }

  /** Waits until the other side has left, and says how. */
  async gone(): Promise<'end' | 'reset'> {
    while (this.left === undefined) await this.#change('the other side to leave');
    return this.left;
  }

  /** Says nothing more, and goes on listening. */
  end(): void {
    this.socket.end();
  }

  /** Leaves rudely. */
  reset(): void {
    reset(this.socket);
  }

  async #size(): Promise<number> {
    return Number.parseInt(await this.take(/^[^\r]*\r\n/), 16);
  }

  #shift(count: number): string {
    const taken = this.heard.slice(0, count);
    this.heard = this.heard.slice(count);
    return taken;
  }

  #leave(how: 'end' | 'reset'): void {
    this.left ??= how;
    this.#wake();
  }

  #change(awaited: string): Promise<void> {
    return patiently(`${awaited}; heard ${JSON.stringify(this.heard.slice(0, 500))}`, (resolve) =>
      this.#waiting.push(resolve),
    );
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }
}

/** What `net` wants to be told of an address. */
export function reachable(text: string): Address {
  const address = parseAddress(text);
  if (typeof address === 'string') throw new RangeError(`${text}: ${address}`);
  return address;
}

/** A raw client, connected. */
export async function connect(to: string): Promise<Peer> {
  const socket = connectTo({ ...reachable(to), allowHalfOpen: true, noDelay: true });
  const peer = new Peer(socket);
  await once(socket, 'connect');
  return peer;
}

function endOf(index: number, what: string): number {
  return index < 0 ? -1 : index + what.length;
}

function matchEnd(match: RegExpExecArray | null): number {
  return match === null ? -1 : match.index + match[0].length;
}
