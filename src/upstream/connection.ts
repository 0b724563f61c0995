import type net from 'node:net';
import { copyToInlet, INLET, READ_INTO } from '../base/inlet.ts';
import { outletKept } from '../base/outlet.ts';
import { allowedTrailers, ChunkedDecoder, DONE } from '../http/chunked.ts';
import { Head, MORE, parseResponse } from '../http/head.ts';
import { hold, join, worthALook } from '../http/held.ts';
import { KEEP_ALIVE } from '../http/names.ts';
import { chunk, piece } from '../http/piece.ts';
import { FAULTS, type Fault } from '../model/fault.ts';
import type { Asker, End } from './asker.ts';
import type { Channel, Question, UpstreamTerms } from './channel.ts';
import { dial } from './dial.ts';
import { isOurLack } from './lack.ts';
import type { Pool } from './pool.ts';

/** More interim answers than this before the real one are an attack or a fault. */
const MOST_INTERIM = 32;

/**
 * What the connection is waiting for.
 *
 * CONNECTING: a request is already given to the socket, which will send it. IDLE: in the pool, nothing
 * asked; a byte that comes now belongs to no request, and the connection is destroyed. HEAD: asked, nothing
 * of the answer understood yet. LENGTH, CHUNKED, UNTIL_CLOSE: in the body. TUNNEL: after 101. DEAD: over;
 * whatever the socket still says is ignored.
 */
const CONNECTING = 0;
const IDLE = 1;
const HEAD = 2;
const LENGTH = 3;
const CHUNKED = 4;
const UNTIL_CLOSE = 5;
const TUNNEL = 6;
const DEAD = 7;

/** Heads and trailers of all connections of this process: nothing in one outlives the callback it is parsed in. */
const head = new Head();
const trailers = new Head();

/** One HTTP/1.1 connection to an endpoint: sends a request, reads the answer, and goes back to its pool if it is sound. */
export class UpstreamConnection implements Channel {
  readonly pool: Pool;
  readonly socket: net.Socket;
  /** The PROXY header it began with; mostly empty. */
  readonly introduction: string;
  reused = false;
  deadline: number;
  #asker: Asker | undefined;
  #terms: UpstreamTerms | undefined;
  #state = CONNECTING;
  #left = 0;
  #decoder: ChunkedDecoder | undefined;
  #held: Buffer | undefined;
  #keep = false;
  #interim = 0;
  #status = 0;
  /** The request has been handed to the socket to its last byte. */
  #asked = false;
  /** It is the endpoint's turn to say something. */
  #answerDue = false;
  #headAsked = false;
  /** The request's body is sent in chunks. */
  #chunked = false;
  #upgradeAsked: string | undefined;
  /** Connected, and hands are being shaken; what is to be said when that is done. */
  #shaking = false;
  #unsaid = '';
  /** How long the endpoint says it keeps an idle connection, ms. */
  #keepAlive = Number.POSITIVE_INFINITY;

  constructor(pool: Pool, connectTimeout: number, introduction: string) {
    this.pool = pool;
    this.introduction = introduction;
    this.deadline = pool.deadlines.in(connectTimeout);
    const onread = { buffer: READ_INTO, callback: (length: number) => this.#read(length) };
    const { address, security } = pool;
    this.socket = dial(address, { security, protocol: 'http/1.1', introduction }, onread);
    if (security === undefined) {
      this.socket.on('connect', () => this.#connected());
    } else {
      // TLS over a socket that there was before takes no buffer of ours.
      if (introduction !== '') this.socket.on('data', (data: Buffer) => copyToInlet(data, onread.callback));
      this.socket.on('connect', () => {
        this.#shaking = true;
      });
      this.socket.on('secureConnect', () => this.#connected());
    }
    this.socket.on('end', () => this.#ended());
    this.socket.on('error', (error) => this.#broke(error));
    this.socket.on('close', () => this.#broke(undefined));
    this.socket.on('drain', () => this.#drained());
    pool.deadlines.add(this);
  }

  get connected(): boolean {
    return this.#state !== CONNECTING;
  }

  ask(asker: Asker, terms: UpstreamTerms, question: Readonly<Question>): void {
    const { upgrade } = question;
    this.#asker = asker;
    this.#terms = terms;
    this.#headAsked = question.headOnly;
    this.#upgradeAsked = upgrade?.toLowerCase();
    this.#chunked = question.chunked;
    this.#asked = question.end !== undefined;
    // It is also to say something before the rest is sent if the client waits for that.
    this.#answerDue = this.#asked || question.expects;
    this.#interim = 0;
    if (this.#state === IDLE) {
      this.#state = HEAD;
      this.#awaitHead();
    }
    const request = written(question);
    // Nothing is said before it is known to whom.
    if (this.pool.security !== undefined && this.#state === CONNECTING) this.#unsaid = request;
    else this.socket.write(request, 'latin1');
  }

  #awaitHead(): void {
    this.deadline = this.#answerDue ? this.pool.deadlines.in(this.#terms!.head) : Number.POSITIVE_INFINITY;
  }

  write(buffer: Buffer, from: number, to: number, end: End): boolean {
    const data = piece('', buffer, from, to, this.#chunked, end);
    if (typeof data === 'string') this.socket.write(data, 'latin1');
    else this.socket.write(data);
    const waiting = this.socket.writableLength;
    if (waiting > 0 && typeof data !== 'string') outletKept(data);
    const room = waiting < this.pool.limits.bufferBytes;
    if (end !== undefined) {
      this.#asked = true;
      this.#answerDue = true;
      if (this.#state === HEAD) this.#awaitHead();
    } else if (this.#state === HEAD || this.#state === TUNNEL) {
      // With room left it is for the client to go on; without, for the endpoint to take what it was sent.
      this.#answerDue = false;
      if (room) this.deadline = Number.POSITIVE_INFINITY;
      else this.#waitForBody();
    }
    return room;
  }

  pause(): void {
    // While nobody reads, the endpoint's silence is our own doing.
    this.deadline = Number.POSITIVE_INFINITY;
    this.socket.pause();
  }

  resume(): void {
    if (this.#state > HEAD && this.#state < TUNNEL) this.deadline = this.pool.deadlines.in(this.#terms!.body);
    this.socket.resume();
  }

  finish(): void {
    this.socket.end();
  }

  destroy(): void {
    if (this.#state === DEAD) return;
    this.#state = DEAD;
    this.#asker = undefined;
    this.#held = undefined;
    this.deadline = Number.POSITIVE_INFINITY;
    this.pool.deadlines.delete(this);
    this.socket.destroy();
    this.pool.lost(this);
  }

  expire(): void {
    switch (this.#state) {
      case CONNECTING:
        return this.#fail(FAULTS.connectTimeout);
      case HEAD:
        return this.#fail(FAULTS.headTimeout);
      case IDLE:
        return this.destroy();
      default:
        return this.#fail(FAULTS.bodyTimeout);
    }
  }

  #connected(): void {
    if (this.#state !== CONNECTING) return;
    this.pool.reached();
    this.#state = HEAD;
    this.#shaking = false;
    if (this.#unsaid !== '') this.socket.write(this.#unsaid, 'latin1');
    this.#unsaid = '';
    this.#awaitHead();
    this.#asker!.writable();
  }

  #drained(): void {
    if (this.#state === HEAD) this.#awaitHead();
    else if (this.#state === TUNNEL) this.deadline = Number.POSITIVE_INFINITY;
    this.#asker?.writable();
  }

  #read(length: number): boolean {
    if (this.#state === HEAD) {
      if (this.#held !== undefined) this.#readHeld(length);
      else {
        INLET[length] = 0;
        this.#readHead(INLET, length);
      }
    } else if (this.#state === IDLE) {
      this.destroy();
    } else if (this.#state === CONNECTING) {
      this.#fail(FAULTS.badResponse);
    } else {
      this.#readBody(INLET, 0, length);
    }
    return true;
  }

  /** The rest of a head that came in pieces. */
  #readHeld(length: number): void {
    const joined = join(this.#held!, 0, INLET, length);
    if (!worthALook(INLET, length, joined, this.pool.limits.headBytes)) {
      this.#held = joined;
      return;
    }
    this.#held = undefined;
    joined[joined.length - 1] = 0;
    this.#readHead(joined, joined.length - 1);
  }

  #readHead(buffer: Buffer, end: number): void {
    let start = 0;
    while (this.#state === HEAD && start < end) {
      const bodyStart = parseResponse(buffer, start, end, head, this.pool.limits);
      if (bodyStart === MORE) {
        this.#held = hold(buffer, start, end);
        return;
      }
      if (bodyStart < 0) return this.#fail(FAULTS.badResponse);
      if (head.status < 200) {
        if (head.status === 101) return this.#upgrade(buffer, bodyStart, end);
        if (++this.#interim > MOST_INTERIM) return this.#fail(FAULTS.badResponse);
        if (head.status === 100) this.#goAhead();
        this.#asker!.interim(buffer, head);
        start = bodyStart;
      } else {
        this.#answer(buffer, bodyStart, end);
        return;
      }
    }
  }

  /** The rest of the request may come, and until it does it is not for the endpoint to say anything. */
  #goAhead(): void {
    if (!this.#answerDue || this.#asked) return;
    this.#answerDue = false;
    this.#awaitHead();
  }

  #answer(buffer: Buffer, bodyStart: number, end: number): void {
    this.#status = head.status;
    this.#keep = head.minor === 1 ? !head.close : head.keepAlive && !head.close;
    this.#keepAlive = head.has(KEEP_ALIVE) ? keepAliveHint(buffer, head) : Number.POSITIVE_INFINITY;
    const asker = this.#asker!;
    let to = end;
    if (this.#headAsked || head.status === 204 || head.status === 304) {
      to = bodyStart;
      this.#left = 0;
      this.#state = LENGTH;
      // A 204 that announces a body may yet send it.
      if (head.status === 204 && (head.contentLength > 0 || head.chunked)) this.#keep = false;
    } else if (head.chunked) {
      this.#decoder ??= new ChunkedDecoder();
      this.#decoder.reset();
      this.#state = CHUNKED;
      const result = this.#decoder.decode(buffer, bodyStart, end, trailers, this.pool.limits);
      if (result < MORE) return this.#fail(FAULTS.badResponse);
      this.#chunk(result, buffer, end, true);
      return;
    } else if (head.contentLength >= 0) {
      this.#left = head.contentLength;
      this.#state = LENGTH;
      to = Math.min(end, bodyStart + this.#left);
      this.#left -= to - bodyStart;
    } else {
      this.#keep = false;
      this.#state = UNTIL_CLOSE;
      this.#waitForBody();
      asker.answer(buffer, head, bodyStart, end, undefined);
      return;
    }
    const whole = this.#left === 0;
    // Bytes after the answer belong to nothing we asked.
    if (whole) this.#release(to === end);
    else this.#waitForBody();
    asker.answer(buffer, head, bodyStart, to, whole ? '' : undefined);
  }

  #readBody(buffer: Buffer, from: number, end: number): void {
    switch (this.#state) {
      case LENGTH: {
        const asker = this.#asker!;
        const to = Math.min(end, from + this.#left);
        this.#left -= to - from;
        const whole = this.#left === 0;
        if (whole) this.#release(to === end);
        else this.#waitForBody();
        asker.more(buffer, from, to, whole ? '' : undefined);
        return;
      }
      case CHUNKED: {
        const result = this.#decoder!.decode(buffer, from, end, trailers, this.pool.limits);
        if (result < MORE) return this.#fail(FAULTS.truncated);
        this.#chunk(result, buffer, end, false);
        return;
      }
      case UNTIL_CLOSE:
        this.#waitForBody();
        this.#asker!.more(buffer, from, end, undefined);
        return;
      case TUNNEL:
        this.#asker!.more(buffer, from, end, undefined);
    }
  }

  #chunk(result: number, buffer: Buffer, end: number, first: boolean): void {
    const asker = this.#asker!;
    const decoder = this.#decoder!;
    let last: End;
    if (result === DONE) {
      last = decoder.trailer === undefined ? '' : allowedTrailers(decoder.trailer, trailers);
      this.#release(decoder.next === end);
    } else {
      this.#waitForBody();
    }
    if (first) asker.answer(buffer, head, decoder.from, decoder.to, last);
    else if (last !== undefined || decoder.to > decoder.from)
      asker.more(buffer, decoder.from, decoder.to, last);
  }

  #waitForBody(): void {
    this.deadline = this.pool.deadlines.in(this.#terms!.body);
  }

  #upgrade(buffer: Buffer, bodyStart: number, end: number): void {
    // Only what was asked for may be switched to; anything else is an answer to no question.
    const agreed =
      head.upgrade >= 0 && head.upgradeNamed ? head.value(buffer, head.upgrade).toLowerCase() : undefined;
    if (agreed === undefined || !this.#upgradeAsked?.split(',').some((asked) => asked.trim() === agreed))
      return this.#fail(FAULTS.badResponse);
    this.#state = TUNNEL;
    this.#status = 101;
    this.pool.served(101);
    this.deadline = Number.POSITIVE_INFINITY;
    this.#asker!.upgraded(buffer, head, bodyStart, end);
  }

  /** The answer is complete. Back to the pool, if both sides left the connection in a known state. */
  #release(clean: boolean): void {
    this.#asker = undefined;
    this.pool.served(this.#status);
    if (!clean || !this.#keep || !this.#asked) this.destroy();
    else this.#rest();
  }

  #rest(): void {
    this.#state = IDLE;
    this.#asked = false;
    this.reused = true;
    this.deadline = this.pool.deadlines.in(Math.min(this.#keepAlive, this.#terms!.keepAlive));
    this.pool.free(this);
  }

  #ended(): void {
    if (this.#state === UNTIL_CLOSE && !this.#wasReset()) {
      const asker = this.#asker!;
      this.pool.served(this.#status);
      this.destroy();
      asker.more(INLET, 0, 0, '');
    } else if (this.#state === TUNNEL) {
      const asker = this.#asker!;
      this.#asker = undefined;
      asker.more(INLET, 0, 0, '');
    } else {
      this.#broke(undefined);
    }
  }

  /**
   * libuv takes data and a reset that come together for an end. But a connection that was reset has no peer
   * any more, and one that was ended has. (Node remembers the answer, so this is the only place to ask.)
   */
  #wasReset(): boolean {
    return 'port' in this.pool.address && this.socket.remoteAddress === undefined;
  }

  #broke(error: Error | undefined): void {
    switch (this.#state) {
      case DEAD:
        return;
      case CONNECTING:
        if (isOurLack(error)) return this.#fail(FAULTS.exhausted, error);
        return this.#fail(this.#shaking ? FAULTS.insecure : FAULTS.refused, error);
      case HEAD:
        return this.#fail(FAULTS.reset);
      default:
        return this.#fail(FAULTS.truncated);
    }
  }

  #fail(fault: Fault, cause?: Error): void {
    const asker = this.#asker;
    if (this.#state === CONNECTING) this.pool.unreachable(cause);
    // Once a byte of an answer was read, the endpoint has seen the request.
    const seen = this.#held !== undefined || this.#interim > 0;
    // A connection that went stale in the pool is nobody's fault.
    const counts = asker !== undefined && this.#state !== TUNNEL && fault.side === 'upstream';
    if (counts && !(fault === FAULTS.reset && this.reused && !seen)) this.pool.faulted();
    this.destroy();
    asker?.failed(seen && fault === FAULTS.reset ? FAULTS.badResponse : fault);
  }
}

/** A request as its first bytes on the wire: head, framing that is our own, and what came of the body. */
function written({ lines, chunked, payload, end, expects, upgrade }: Readonly<Question>): string {
  let out = lines;
  if (chunked) out += 'transfer-encoding: chunked\r\n';
  if (expects) out += 'expect: 100-continue\r\n';
  if (upgrade !== undefined) out += `connection: upgrade\r\nupgrade: ${upgrade}\r\n`;
  out += '\r\n';
  return chunked ? out + chunk(payload, end) : out + payload;
}

/** `Keep-Alive: timeout=5` → 4000: a second less than the endpoint's own, so that we hang up first. Infinity if it says nothing. */
function keepAliveHint(buffer: Buffer, head: Head): number {
  const index = head.find(KEEP_ALIVE);
  const seconds =
    index < 0 ? undefined : /(?:^|[,;\s])timeout=(\d{1,6})/i.exec(head.value(buffer, index))?.[1];
  return seconds === undefined ? Number.POSITIVE_INFINITY : Math.max(500, Number(seconds) * 1000 - 1000);
}
