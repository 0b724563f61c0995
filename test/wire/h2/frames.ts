import { connect as connectTo, type Socket } from 'node:net';
import { connect as connectSecurely } from 'node:tls';
import { once, patiently } from '../../support/patience.ts';
import { reachable } from '../../support/peer.ts';

/** Kinds of frames (RFC 9113 §6). */
export const DATA = 0;
export const HEADERS = 1;
export const PRIORITY = 2;
export const RST_STREAM = 3;
export const SETTINGS = 4;
export const PUSH_PROMISE = 5;
export const PING = 6;
export const GOAWAY = 7;
export const WINDOW_UPDATE = 8;
export const CONTINUATION = 9;

export const END_STREAM = 1;
export const ACK = 1;
export const END_HEADERS = 4;
export const PADDED = 8;
export const PRIORITISED = 0x20;

/** Error codes (RFC 9113 §7). */
export const NO_ERROR = 0;
export const PROTOCOL_ERROR = 1;
export const INTERNAL_ERROR = 2;
export const FLOW_CONTROL_ERROR = 3;
export const STREAM_CLOSED = 5;
export const FRAME_SIZE_ERROR = 6;
export const REFUSED_STREAM = 7;
export const CANCEL = 8;
export const COMPRESSION_ERROR = 9;
export const ENHANCE_YOUR_CALM = 11;

export const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';

export type Fields = readonly (readonly [name: string, value: string])[];

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

/** One frame as its bytes. */
export function frame(type: number, flags: number, stream: number, payload: Buffer | string = ''): Buffer {
  const body = typeof payload === 'string' ? Buffer.from(payload, 'latin1') : payload;
  const head = Buffer.alloc(9);
  head.writeUIntBE(body.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, body]);
}

/** A block of fields: each literal, never indexed, without Huffman coding (RFC 7541 §6.2.2), whatever they hold. */
export function block(fields: Fields): Buffer {
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.from([0]), literal(name), literal(value)]));
}

function literal(text: string): Buffer {
  return Buffer.concat([integer(text.length), Buffer.from(text, 'latin1')]);
}

/** A length with a prefix of 7 bits (RFC 7541 §5.1). */
function integer(value: number): Buffer {
  if (value < 127) return Buffer.from([value]);
  const bytes = [127];
  for (let left = value - 127; ; left = Math.floor(left / 128)) {
    bytes.push(left < 128 ? left : (left % 128) + 128);
    if (left < 128) return Buffer.from(bytes);
  }
}

export function uint32(value: number): Buffer {
  const out = Buffer.alloc(4);
  out.writeUInt32BE(value);
  return out;
}

/** The fields every request has, and others in place of them or besides. */
export function request(over: Fields = [], without: readonly string[] = []): Fields {
  const given = new Set([...over.map(([name]) => name), ...without]);
  const usual: Fields = [
    [':method', 'GET'],
    [':scheme', 'http'],
    [':path', '/'],
    [':authority', 'shop.test'],
  ];
  return [...usual.filter(([name]) => !given.has(name)), ...over];
}

/** A client that speaks in frames, well or badly. */
export class Framed {
  readonly socket: Socket;
  /** Everything heard, in order. */
  readonly frames: Frame[] = [];
  left = false;
  #read = 0;
  #heard = Buffer.alloc(0);
  #waiting: (() => void)[] = [];

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (data: Buffer) => this.#take(data));
    socket.on('error', () => this.#leave());
    socket.on('end', () => this.#leave());
    socket.on('close', () => this.#leave());
  }

  /** Connected, with nothing said. By TLS, if there is an authority to believe. */
  static async connect(address: string, ca?: string): Promise<Framed> {
    const to = reachable(address);
    const socket =
      ca === undefined
        ? connectTo(to)
        : connectSecurely({ ...to, ca, servername: 'shop.test', ALPNProtocols: ['h2'] });
    await once(socket, ca === undefined ? 'connect' : 'secureConnect');
    socket.setNoDelay();
    return new Framed(socket);
  }

  /** Connected, with preface and settings said, and theirs acknowledged or not. */
  static async open(
    address: string,
    settings: Buffer | string = '',
    agrees = true,
    ca?: string,
  ): Promise<Framed> {
    const framed = await Framed.connect(address, ca);
    framed.say(Buffer.from(PREFACE, 'latin1'), frame(SETTINGS, 0, 0, settings));
    if (agrees) framed.say(frame(SETTINGS, ACK, 0));
    return framed;
  }

  say(...frames: Buffer[]): void {
    if (!this.socket.destroyed) this.socket.write(Buffer.concat(frames));
  }

  /** The first frame, heard or to come, of which this is true; undefined if the other side leaves before. */
  async find(awaited: string, fits: (frame: Frame) => boolean): Promise<Frame | undefined> {
    for (;;) {
      const found = this.frames.find(fits);
      if (found !== undefined || this.left) return found;
      await patiently<void>(awaited, (resolve) => this.#waiting.push(resolve));
    }
  }

  /** Frames one after the other, as they come; undefined once the other side has left. */
  async next(awaited: string): Promise<Frame | undefined> {
    const nth = this.#read++;
    await this.find(awaited, () => this.frames.length > nth);
    return this.frames[nth];
  }

  /** How a stream ends: its status, or the code it was reset with. */
  async outcome(stream: number): Promise<{ status?: string; reset?: number; goaway?: number }> {
    const head = await this.find(
      `an outcome of stream ${stream}`,
      (each) =>
        (each.stream === stream && (each.type === HEADERS || each.type === RST_STREAM)) ||
        each.type === GOAWAY,
    );
    if (head === undefined) return {};
    if (head.type === RST_STREAM) return { reset: head.payload.readUInt32BE() };
    if (head.type === GOAWAY) return { goaway: head.payload.readUInt32BE(4) };
    return { status: statusOf(head.payload) };
  }

  /** The code that the connection was ended with, once it has been. */
  async goaway(): Promise<number | undefined> {
    const found = await this.find('a GOAWAY', ({ type }) => type === GOAWAY);
    return found?.payload.readUInt32BE(4);
  }

  /** Told to go, because of what it said, or left. */
  async refused(): Promise<void> {
    const code = await this.goaway();
    if (code === NO_ERROR) throw new Error('the other side ended the connection as if all were well');
  }

  async gone(): Promise<void> {
    while (!this.left)
      await patiently<void>('the other side to leave', (resolve) => this.#waiting.push(resolve));
  }

  #take(data: Buffer): void {
    this.#heard = Buffer.concat([this.#heard, data]);
    for (;;) {
      if (this.#heard.length < 9) break;
      const size = this.#heard.readUIntBE(0, 3);
      if (this.#heard.length < 9 + size) break;
      const heard = {
        type: this.#heard[3]!,
        flags: this.#heard[4]!,
        stream: this.#heard.readUInt32BE(5) & 0x7fff_ffff,
        payload: this.#heard.subarray(9, 9 + size),
      };
      this.frames.push(heard);
      // Whatever it does, it is there.
      if (heard.type === PING && heard.flags === 0) this.say(frame(PING, ACK, 0, heard.payload));
      this.#heard = this.#heard.subarray(9 + size);
    }
    this.#wake();
  }

  #leave(): void {
    this.left = true;
    this.#wake();
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }
}

/** Statuses that have an entry of their own in the static table (RFC 7541 appendix A); of others it is only known that they are others. */
export function statusOf(block: Buffer): string {
  const indexed = ['200', '204', '206', '304', '400', '404', '500'];
  return indexed[block[0]! - 0x88] ?? 'another';
}
