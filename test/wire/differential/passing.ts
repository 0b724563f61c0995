import { text } from '../../../src/http/bytes.ts';
import { allowedTrailers, ChunkedDecoder, DONE } from '../../../src/http/chunked.ts';
import { BAD, dropNominated, Head, MORE, parseRequest, parseResponse } from '../../../src/http/head.ts';
import { piece } from '../../../src/http/piece.ts';
import {
  type Drops,
  RESPONSE_DROPS,
  requestDrops,
  requestLines,
  responseLines,
  withoutHost,
} from '../../../src/http/rewrite.ts';
import type { Message, Reading } from './message.ts';

/**
 * Spillway's codec put together as the proxy puts it together, without sockets: what it reads in a stream that
 * comes in these packets, and the bytes it passes on for that.
 */
export interface Passage extends Reading {
  /** All that is passed on. */
  readonly bytes: string;
  /** The stream was taken to its end, and a message ends there. */
  readonly complete: boolean;
}

const LIMITS = { targetBytes: 16_384, headBytes: 32_768, headers: 100 };
const DROPS = requestDrops({ trusted: false, underscores: 'drop' });
const DROPS_AND_HOST = withoutHost(DROPS);

const head = new Head();
const trailers = new Head();

/** Passes on the requests in the stream of a client; `host` is for those of HTTP/1.0 that name none. */
export function passRequests(packets: readonly string[], host = 'localhost'): Passage {
  return pass(packets, new RequestPassing(host));
}

/** Passes on what an origin answers to a request with this method, up to the end of its connection. */
export function passResponse(packets: readonly string[], method: string): Passage {
  return pass(packets, new ResponsePassing(method));
}

function pass(packets: readonly string[], passing: Passing): Passage {
  for (const packet of packets) passing.take(packet);
  return passing.ended();
}

/** What comes next in the stream. */
type Expecting = 'head' | 'length' | 'chunks' | 'close' | 'nothing';

abstract class Passing {
  protected expecting: Expecting = 'head';
  protected left = 0;
  /** Whether bodies go on in chunks. */
  protected chunked = false;
  readonly #decoder = new ChunkedDecoder();
  readonly #done: Message[] = [];
  #bytes = '';
  #open: { line: string; fields: string[]; body: string } | undefined;
  #refused: string | undefined;
  #held = '';
  /** There were bytes after the last message that is taken. */
  #surplus = false;

  /** Parses the head at `at`. What it returns is as of `parseRequest`. */
  protected abstract parse(buffer: Buffer, at: number, end: number): number;
  /** A head is parsed: begins its message. */
  protected abstract accept(buffer: Buffer): void;
  /** A message came to its end. */
  protected abstract afterMessage(): void;

  take(packet: string): void {
    const bytes = this.#held + packet;
    const end = bytes.length;
    const buffer = Buffer.from(`${bytes}\0`, 'latin1');
    this.#held = '';
    let at = 0;
    while (at < end && this.expecting !== 'nothing' && this.#refused === undefined)
      at = this.#step(buffer, at, end);
    this.#surplus ||= at < end;
  }

  ended(): Passage {
    if (this.expecting === 'close') this.#pass(Buffer.alloc(0), 0, 0, '');
    const open = this.#open ? [{ ...this.#open, trailers: [], whole: false }] : [];
    const complete = open.length === 0 && this.#held === '' && !this.#surplus && this.#refused === undefined;
    return { messages: [...this.#done, ...open], refused: this.#refused, bytes: this.#bytes, complete };
  }

  protected begin(line: string, fields: string[], lines: string): void {
    this.#open = { line, fields, body: '' };
    this.#bytes += `${lines}\r\n`;
  }

  protected finish(end: string): void {
    const fields = end.split('\r\n').filter((line) => line !== '');
    const names = fields.flatMap((line) => [
      line.slice(0, line.indexOf(':')),
      line.slice(line.indexOf(':') + 2),
    ]);
    this.#done.push({ ...this.#open!, trailers: this.chunked ? names : [], whole: true });
    this.#open = undefined;
    this.expecting = 'head';
    this.afterMessage();
  }

  #step(buffer: Buffer, at: number, end: number): number {
    if (this.expecting === 'head') return this.#head(buffer, at, end);
    if (this.expecting === 'chunks') return this.#chunks(buffer, at, end);
    const to = this.expecting === 'close' ? end : Math.min(end, at + this.left);
    this.left -= to - at;
    const last = this.expecting === 'length' && this.left === 0;
    this.#pass(buffer, at, to, last ? '' : undefined);
    return to;
  }

  #head(buffer: Buffer, at: number, end: number): number {
    buffer[end] = 0;
    const bodyStart = this.parse(buffer, at, end);
    if (bodyStart === MORE) {
      this.#held = text(buffer, at, end);
      return end;
    }
    if (bodyStart < 0) {
      this.#refused = `head ${bodyStart}`;
      return end;
    }
    this.#decoder.reset();
    this.accept(buffer);
    return bodyStart;
  }

  #chunks(buffer: Buffer, at: number, end: number): number {
    const decoder = this.#decoder;
    const result = decoder.decode(buffer, at, end, trailers, LIMITS);
    if (result < MORE) {
      this.#refused = `chunks ${result}`;
      return end;
    }
    this.#pass(buffer, decoder.from, decoder.to, result === DONE ? trailerLines(decoder) : undefined);
    return decoder.next;
  }

  #pass(buffer: Buffer, from: number, to: number, end: string | undefined): void {
    const out = piece('', buffer, from, to, this.chunked, end);
    this.#bytes += typeof out === 'string' ? out : out.toString('latin1');
    this.#open!.body += text(buffer, from, to);
    if (end !== undefined) this.finish(end);
  }
}

class RequestPassing extends Passing {
  readonly #ownHost: string;
  #last = false;

  constructor(ownHost: string) {
    super();
    this.#ownHost = ownHost;
  }

  protected parse(buffer: Buffer, at: number, end: number): number {
    const bodyStart = parseRequest(buffer, at, end, head, LIMITS);
    // Asked of the proxy itself, and not passed on.
    return bodyStart > 0 && head.asterisk ? BAD : bodyStart;
  }

  protected accept(buffer: Buffer): void {
    const own = head.absolute || head.hostStart === 0;
    const drops = own ? DROPS_AND_HOST : DROPS;
    if (head.nominates) dropNominated(buffer, head, undefined);
    const host = head.absolute ? text(buffer, head.hostStart, head.authorityEnd) : this.#ownHost;
    const ours = [...(own ? ['host', host] : []), ...requestFraming()];
    if (
      head.upgradeNamed &&
      head.upgrade >= 0 &&
      head.minor === 1 &&
      head.contentLength <= 0 &&
      !head.chunked
    )
      ours.push('connection', 'upgrade', 'upgrade', head.value(buffer, head.upgrade));
    const path = text(buffer, head.targetStart, head.targetEnd);
    const line = `${text(buffer, head.start, head.methodEnd)} ${path.startsWith('/') ? path : `/${path}`}`;
    this.chunked = head.chunked;
    this.left = Math.max(0, head.contentLength);
    this.expecting = head.chunked ? 'chunks' : 'length';
    this.#last = head.close || ours.includes('upgrade');
    this.begin(line, [...kept(buffer, drops), ...ours], requestLines(buffer, head, drops) + linesOf(ours));
    if (!head.chunked && this.left === 0) this.finish('');
  }

  protected afterMessage(): void {
    if (this.#last) this.expecting = 'nothing';
  }
}

function trailerLines({ trailer }: ChunkedDecoder): string {
  return trailer === undefined ? '' : allowedTrailers(trailer, trailers);
}

function requestFraming(): string[] {
  if (head.chunked) return ['transfer-encoding', 'chunked'];
  return head.contentLength >= 0 ? ['content-length', `${head.contentLength}`] : [];
}

class ResponsePassing extends Passing {
  readonly #method: string;
  #interim = false;

  constructor(method: string) {
    super();
    this.#method = method;
  }

  protected parse(buffer: Buffer, at: number, end: number): number {
    const bodyStart = parseResponse(buffer, at, end, head, LIMITS);
    // Nobody asked for another protocol.
    return bodyStart > 0 && head.status === 101 ? BAD : bodyStart;
  }

  protected accept(buffer: Buffer): void {
    const { status, contentLength } = head;
    this.#interim = status < 200;
    const bodiless = this.#interim || this.#method === 'HEAD' || status === 204 || status === 304;
    // First, since it marks what is not to be kept.
    const lines = responseLines(buffer, head);
    const ours: string[] = [];
    if (contentLength >= 0 && status >= 200 && status !== 204)
      ours.push('content-length', `${contentLength}`);
    else if (!bodiless) ours.push('transfer-encoding', 'chunked');
    this.chunked = !bodiless && contentLength < 0;
    this.left = bodiless ? 0 : Math.max(0, contentLength);
    this.expecting = head.chunked ? 'chunks' : contentLength >= 0 ? 'length' : 'close';
    this.begin(`${status}`, [...kept(buffer, RESPONSE_DROPS), ...ours], lines + linesOf(ours));
    if (bodiless || (contentLength === 0 && !head.chunked)) this.finish('');
  }

  protected afterMessage(): void {
    if (!this.#interim) this.expecting = 'nothing';
  }
}

/** Names and values of the fields of `head` that are passed on. */
function kept(buffer: Buffer, drops: Drops): string[] {
  return Array.from({ length: head.count }, (_, i) => i)
    .filter((i) => drops[head.kinds[i]!] === 0)
    .flatMap((i) => [text(buffer, head.spans[4 * i]!, head.spans[4 * i + 1]!), head.value(buffer, i)]);
}

function linesOf(fields: readonly string[]): string {
  return fields.map((each, i) => (i % 2 ? `${each}\r\n` : `${each}: `)).join('');
}
