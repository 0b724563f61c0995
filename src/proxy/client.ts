import type net from 'node:net';
import type { Expiring } from '../base/deadlines.ts';
import { INLET } from '../base/inlet.ts';
import { outletKept } from '../base/outlet.ts';
import { allowedTrailers, ChunkedDecoder, DONE } from '../http/chunked.ts';
import { BAD_VERSION, Head, MORE, parseRequest } from '../http/head.ts';
import { hold, join, worthALook } from '../http/held.ts';
import { piece } from '../http/piece.ts';
import type { End as Point } from '../http/proxyprotocol.ts';
import { FAULTS, type Fault } from '../model/fault.ts';
import type { ProxyProtocol } from '../model/tls.ts';
import type { End } from '../upstream/asker.ts';
import type { Pool } from '../upstream/pool.ts';
import { type Asked, askedIn } from './accesslog.ts';
import { CONTINUE } from './answer.ts';
import type { Caller, Client as ClientConnection } from './clients.ts';
import type { Context, Standing } from './context.ts';
import type { Exchange } from './exchange.ts';
import { Introductions } from './introductions.ts';
import type { Manner } from './manner.ts';
import { later } from './pace.ts';
import { refusal } from './refusal.ts';
import type { Requester } from './requester.ts';
import { reset } from './reset.ts';
import { Session, speaksHttp2 } from './session.ts';
import { ownAnswer, refused } from './unrouted.ts';

/** Head and trailers of whatever request is being read: neither outlives the callback it is parsed in. */
const head = new Head();
const trailers = new Head();

/**
 * What the bytes that come next are.
 *
 * HEAD: a request head, or nothing for a while. LENGTH, CHUNKED: the body of the request being exchanged.
 * ANSWERING: nothing is due until the answer is out; what comes is the next request and waits. TUNNEL:
 * another protocol. LINGER: our last answer is written, and what still comes is read and thrown away, since
 * closing on unread bytes would reset the connection and take the answer with it. DEAD: over.
 */
const HEAD = 0;
const LENGTH = 1;
const CHUNKED = 2;
const ANSWERING = 3;
const TUNNEL = 4;
const LINGER = 5;
const DEAD = 6;

/** A client that has closed its side gets this long for an answer to begin, and between pieces of it, ms. */
const HALF_CLOSED_GRACE = 1000;

/**
 * While draining a connection that waits for a request gets this long, ms: one may be on its way, and closing on
 * it would cost the client an answer. The next one is told to be the last.
 */
const LAST_CHANCE = 1000;

/**
 * Why nothing is read: BODY, since there is no room for more of the body or nobody yet to send it to; NEXT,
 * since what came is the next request, and this one is not answered.
 */
const BODY = 1;
const NEXT = 2;

/** A socket that knows its connection: so one set of listeners serves them all, and an idle one costs little. */
export interface ClientSocket extends net.Socket {
  client?: Client;
}

function onEnd(this: ClientSocket): void {
  this.client!.ended();
}
function onClose(this: ClientSocket): void {
  this.client!.closed();
}
function onDrain(this: ClientSocket): void {
  this.client!.drained();
}

/** One HTTP/1.1 connection of a client: reads requests, gives each to its exchange, writes what comes back, in order. */
export class Client implements ClientConnection, Requester, Expiring {
  readonly context: Context;
  readonly socket: ClientSocket;
  readonly address: string;
  readonly listener: string;
  readonly trusted: boolean;
  readonly scheme: string;
  readonly forwarded: string;
  readonly grpc = false;
  readonly standing: Standing;
  readonly credential: string;
  readonly #manner: Manner;
  readonly #port: number;
  readonly #to: Point | undefined;
  #introductions: Introductions | undefined;
  deadline = Number.POSITIVE_INFINITY;
  /** Lent by the context while there is a request. */
  #exchange: Exchange | undefined;
  #state = HEAD;
  /** The start of a head that has not come whole, or a request that has to wait: from `#heldAt` on. */
  #held: Buffer | undefined;
  #heldAt = 0;
  #decoder: ChunkedDecoder | undefined;
  #left = 0;
  #requests = 0;
  /** Something of a head has come. */
  #headBegun = false;
  /** The client was told to wait for 100 Continue, and nothing of its body has come. */
  #expecting = false;
  #paused = 0;
  /** How long the exchange may wait in a queue, ms; 0 while it does not. */
  #queued = 0;
  /** More waits to be written than may. */
  #blocked = false;
  /** How long it may still be behind with its reading when more waits again, ms. */
  #slack = Number.POSITIVE_INFINITY;
  /** Bytes that had gone out when that was last looked at. */
  #taken = 0;
  #halfClosed = false;
  /** Of the present request: it is HTTP/1.0; the connection ends with its answer; that is written in chunks. */
  #old = false;
  #close = false;
  #chunked = false;
  /** The client has said that it is its last. */
  #said = false;

  constructor(context: Context, socket: ClientSocket, caller: Caller, manner: Manner, credential = '') {
    const { scheme, vouches } = manner;
    const { address } = caller;
    this.context = context;
    this.socket = socket;
    this.#manner = manner;
    this.scheme = scheme;
    this.address = address;
    this.listener = caller.listener;
    this.#port = caller.port;
    this.#to = caller.to;
    this.credential = credential;
    this.forwarded = `x-forwarded-for: ${address}\r\nx-forwarded-proto: ${scheme}\r\n${credential}`;
    this.trusted = context.rules.trusted.has(address);
    this.standing = !this.trusted ? 'stranger' : vouches ? 'vouched' : 'trusted';
    this.#watch();
    socket.client = this;
    socket.on('end', onEnd);
    socket.on('error', onClose);
    socket.on('close', onClose);
    socket.on('drain', onDrain);
    context.deadlines.add(this);
    context.clients.add(this);
  }

  /** Whether it waits for a request and nothing of one has come. */
  get idle(): boolean {
    return this.#state === HEAD && !this.#headBegun;
  }

  get protocol() {
    return 'http/1.1' as const;
  }

  get httpsRedirect(): number | undefined {
    return this.#manner.httpsRedirect;
  }

  get hsts(): string {
    return this.#manner.hsts;
  }

  get localHost(): string {
    const { localAddress, localPort } = this.socket;
    if (localAddress === undefined) return 'localhost';
    return localAddress.includes(':') ? `[${localAddress}]:${localPort}` : `${localAddress}:${localPort}`;
  }

  introduction(version: ProxyProtocol, pool: Pool): string {
    const { socket, address } = this;
    this.#introductions ??= new Introductions(socket, { address, port: this.#port }, this.#to);
    return this.#introductions.to(pool, version);
  }

  /**
   * Whether nothing has to be waited for before the connection is closed: the client has said that this was its last
   * request, nothing else came of it, and the answer is written. (The end of TLS has to be said, too.)
   */
  get #settled(): boolean {
    const { socket } = this;
    if (!this.#said || !this.requestRead || socket.writableLength > 0 || this.scheme === 'https')
      return false;
    return this.#held === undefined && this.#paused === 0;
  }

  /** Whether the next answer must be the last on this connection. */
  get #lastRequest(): boolean {
    return (
      this.context.draining ||
      this.context.short ||
      this.#halfClosed ||
      this.#requests >= this.context.rules.settings.limits.requestsPerConnection
    );
  }

  get requestRead(): boolean {
    return this.#state !== LENGTH && this.#state !== CHUNKED;
  }

  // ---- what it may wait for, and how long

  /** Counts the present deadline from now. Called whenever something happens that may change it. */
  #watch(): void {
    // Nothing that a client says or is sent makes up for what it does not take.
    if (this.#blocked) return;
    this.deadline = this.context.deadlines.in(this.#patience());
  }

  /** How long things may stay as they are, ms. The only place that knows. */
  #patience(): number {
    const { timeouts } = this.context.rules.settings;
    if (this.#state === LINGER) {
      if (this.socket.writableLength > 0) return timeouts.write;
      return this.context.draining ? 0 : timeouts.linger;
    }
    if (this.#blocked) return timeouts.write;
    switch (this.#state) {
      case HEAD:
        if (this.context.draining && !this.#headBegun) return LAST_CHANCE;
        // A connection that never says anything has as long as a head may take.
        return this.#headBegun || this.#requests === 0 ? timeouts.head : timeouts.keepAlive;
      case LENGTH:
      case CHUNKED:
        if (this.#queued > 0) return this.#queued;
        // While nothing is read, or a 100 Continue is due, the client's silence is our own doing.
        return this.#paused === BODY || this.#expecting ? Number.POSITIVE_INFINITY : timeouts.body;
      case ANSWERING:
        if (this.#halfClosed) return HALF_CLOSED_GRACE;
        return this.#queued > 0 ? this.#queued : Number.POSITIVE_INFINITY;
      case TUNNEL:
        return this.#halfClosed ? timeouts.write : timeouts.tunnel;
      default:
        return Number.POSITIVE_INFINITY;
    }
  }

  expire(): void {
    if (this.#blocked) return this.#takesEnough() ? undefined : this.#leave(FAULTS.clientSlow);
    switch (this.#state) {
      case HEAD:
        return this.#headBegun ? this.#refuse(FAULTS.requestTimeout) : this.#linger();
      case LENGTH:
      case CHUNKED:
      case ANSWERING:
        return this.#halfClosed ? this.#leave(FAULTS.clientGone) : this.#exchange!.expired();
      case TUNNEL:
        return this.#leave(FAULTS.clientGone);
      default:
        if (this.#takesEnough()) return;
        this.#bury();
        this.#reset();
    }
  }

  /** Whether a slow client has taken so much of what waits for it that it is given more time. */
  #takesEnough(): boolean {
    const { deadlines, rules } = this.context;
    const { response } = this.#exchange?.pace ?? rules.pace;
    this.deadline = later(this.deadline, this.#takes(), response, deadlines.in(this.#patience()));
    return this.deadline > deadlines.now;
  }

  /** More waits to be written than may: from now on what counts is how much the client takes. */
  #block(): void {
    const { deadlines, rules } = this.context;
    this.#blocked = true;
    this.#takes();
    this.deadline = deadlines.in(Math.min(this.#slack, rules.settings.timeouts.write));
  }

  #unblock(): void {
    this.#takesEnough();
    this.#slack = this.deadline - this.context.deadlines.in(0);
    this.#blocked = false;
  }

  /** What the client has taken since this was last asked, bytes. */
  #takes(): number {
    const before = this.#taken;
    this.#taken = this.socket.bytesWritten - this.socket.writableLength;
    return this.#taken - before;
  }

  /** So many bytes of a body have come, and there are more to come. */
  #comes(bytes: number): void {
    if (this.#blocked || this.#queued > 0) return;
    const latest = this.context.deadlines.in(this.#patience());
    this.deadline = later(this.deadline, bytes, this.#exchange!.pace.request, latest);
  }

  waitFor(ms: number): void {
    this.#queued = ms;
    this.#watch();
  }

  visit(look: (exchange: Exchange) => void): void {
    if (this.#exchange !== undefined) look(this.#exchange);
  }

  // ---- reading

  /** `length` bytes have come into INLET. */
  read(length: number): void {
    if (this.#held === undefined) return this.#take(INLET, 0, length);
    const { headBytes } = this.context.rules.settings.limits;
    const joined = join(this.#held, this.#heldAt, INLET, length);
    this.#held = undefined;
    if (worthALook(INLET, length, joined, headBytes)) this.#take(joined, 0, joined.length - 1);
    else this.#hold(joined, 0, joined.length - 1);
  }

  pause(): void {
    this.#stop(BODY);
    this.#watch();
  }

  resume(): void {
    if (this.#paused !== BODY) return;
    this.#go();
    this.#watch();
  }

  #stop(why: number): void {
    if (this.#paused === 0) this.socket.pause();
    this.#paused ||= why;
  }

  #go(): void {
    if (this.#paused === 0) return;
    this.#paused = 0;
    this.socket.resume();
  }

  /** Works through buffer[at, end). The byte at `end` is there to be written over. */
  #take(buffer: Buffer, from: number, end: number): void {
    let at = from;
    while (at < end) {
      switch (this.#state) {
        case HEAD: {
          if (this.#blocked) {
            this.#stop(NEXT);
            return this.#hold(buffer, at, end);
          }
          buffer[end] = 0;
          const bodyStart = parseRequest(buffer, at, end, head, this.context.rules.settings.limits);
          const preface = bodyStart === BAD_VERSION && this.#maySpeakHttp2 && speaksHttp2(buffer, at, end);
          if (preface === true) return this.#handOver(buffer.subarray(at, end));
          if (bodyStart === MORE || preface === undefined) {
            // From its first byte on a head has its time, however it trickles in.
            if (!this.#headBegun) {
              this.#headBegun = true;
              this.#watch();
            }
            return this.#hold(buffer, at, end);
          }
          if (bodyStart < 0) return this.#refuse(refusal(bodyStart));
          this.#requests++;
          at = this.#begin(buffer, bodyStart, end);
          break;
        }
        case LENGTH:
        case CHUNKED:
          at = this.#more(buffer, at, end);
          break;
        case ANSWERING:
          this.#stop(NEXT);
          return this.#hold(buffer, at, end);
        case TUNNEL:
          this.#watch();
          return this.#exchange!.tunnelled(buffer, at, end);
        default:
          return;
      }
    }
  }

  get #maySpeakHttp2(): boolean {
    return this.#manner.http2 && this.#requests === 0;
  }

  /** The connection speaks HTTP/2, and is somebody else's from now on. */
  #handOver(first: Buffer): void {
    const { socket } = this;
    this.#bury();
    socket.off('end', onEnd);
    socket.off('error', onClose);
    socket.off('close', onClose);
    socket.off('drain', onDrain);
    socket.removeAllListeners('data');
    delete socket.client;
    new Session(this.context, socket, this, Buffer.from(first));
  }

  /** Keeps what cannot be worked on yet. What is in a buffer of our own stays there. */
  #hold(buffer: Buffer, at: number, end: number): void {
    const ours = buffer !== INLET;
    this.#held = ours ? buffer : hold(buffer, at, end);
    this.#heldAt = ours ? at : 0;
  }

  /** Goes on with what was kept. */
  #takeHeld(): void {
    if (this.#held === undefined) return;
    const held = this.#held;
    this.#held = undefined;
    this.#take(held, this.#heldAt, held.length - 1);
  }

  /** A head is parsed: hands it on with what of the body has come. Returns where the rest begins, or `end`. */
  #begin(buffer: Buffer, bodyStart: number, end: number): number {
    this.#headBegun = false;
    if (head.asterisk || this.httpsRedirect !== undefined) {
      const own = ownAnswer(this.context, this, buffer, head);
      if (own !== undefined) return this.#answerHere(own) ? end : bodyStart;
    }
    this.#old = head.minor === 0;
    this.#said = head.close;
    this.#close = head.close || this.#lastRequest;
    this.#chunked = false;
    this.#expecting = head.expectContinue;
    if (head.chunked) return this.#beginChunked(buffer, bodyStart, end);
    const length = Math.max(0, head.contentLength);
    const to = Math.min(end, bodyStart + length);
    this.#left = length - (to - bodyStart);
    const whole = this.#left === 0;
    this.#enter(whole ? ANSWERING : LENGTH);
    this.#lend().begin(buffer, head, bodyStart, to, whole ? '' : undefined);
    return to;
  }

  /** Answers a request that goes no further. Returns whether it was the last one. */
  #answerHere(lines: string): boolean {
    this.#close =
      head.close || head.minor === 0 || head.chunked || head.contentLength > 0 || this.#lastRequest;
    this.#say(lines);
    this.done();
    return this.#close;
  }

  #beginChunked(buffer: Buffer, bodyStart: number, end: number): number {
    this.#decoder ??= new ChunkedDecoder();
    this.#decoder.reset();
    const last = this.#decode(this.#decoder, buffer, bodyStart, end);
    if (last === null) {
      this.#refuse(FAULTS.badRequest, askedIn(buffer, head));
      return end;
    }
    const { from, to, next } = this.#decoder;
    this.#enter(last === undefined ? CHUNKED : ANSWERING);
    this.#lend().begin(buffer, head, from, to, last);
    return next;
  }

  /** More of a body. Returns where the rest begins, or `end`. */
  #more(buffer: Buffer, at: number, end: number): number {
    this.#expecting = false;
    if (this.#state === LENGTH) {
      const to = Math.min(end, at + this.#left);
      this.#left -= to - at;
      const whole = this.#left === 0;
      if (whole) this.#enter(ANSWERING);
      else this.#comes(to - at);
      this.#exchange!.body(buffer, at, to, whole ? '' : undefined);
      return to;
    }
    const last = this.#decode(this.#decoder!, buffer, at, end);
    if (last === null) {
      this.#exchange!.abort(FAULTS.badRequest);
      return end;
    }
    const { from, to, next } = this.#decoder!;
    if (last !== undefined) this.#enter(ANSWERING);
    else this.#comes(end - at);
    if (last !== undefined || to > from) this.#exchange!.body(buffer, from, to, last);
    return next;
  }

  /** As `End`; null if the coding is broken. */
  #decode(decoder: ChunkedDecoder, buffer: Buffer, at: number, end: number): End | null {
    const result = decoder.decode(buffer, at, end, trailers, this.context.rules.settings.limits);
    if (result < MORE) return null;
    if (result !== DONE) return undefined;
    return decoder.trailer === undefined ? '' : allowedTrailers(decoder.trailer, trailers);
  }

  #enter(state: number): void {
    this.#state = state;
    this.#watch();
  }

  #lend(): Exchange {
    this.#exchange = this.context.lend(this);
    return this.#exchange;
  }

  /** The exchange is over and recorded; another connection may use it. */
  #return(): void {
    if (this.#exchange === undefined) return;
    this.context.returned(this.#exchange);
    this.#exchange = undefined;
  }

  // ---- writing

  interim(lines: string): void {
    if (this.#old) return;
    this.#write(`${lines}\r\n`);
    if (!this.#expecting || !lines.startsWith(CONTINUE)) return;
    this.#expecting = false;
    this.#watch();
  }

  answer(
    lines: string,
    framed: boolean,
    last: boolean,
    buffer: Buffer,
    from: number,
    to: number,
    end: End,
  ): boolean {
    this.#chunked = !framed && !this.#old;
    // An answer that comes before the request has been read is the last one.
    if (last || !this.requestRead || this.#lastRequest || (!framed && this.#old)) this.#close = true;
    const lead = this.#chunked ? `${lines}transfer-encoding: chunked\r\n` : lines;
    return this.#write(piece(`${lead}${this.#connectionLine}\r\n`, buffer, from, to, this.#chunked, end));
  }

  more(buffer: Buffer, from: number, to: number, end: End): boolean {
    if (from === to && !this.#chunked) return true;
    return this.#write(piece('', buffer, from, to, this.#chunked, end));
  }

  upgraded(lines: string, protocol: string, buffer: Buffer, from: number, to: number): boolean {
    const head = `${lines}connection: upgrade\r\nupgrade: ${protocol}\r\n\r\n`;
    const room = this.#write(piece(head, buffer, from, to, false, undefined));
    this.#enter(TUNNEL);
    this.#go();
    this.#takeHeld();
    return room;
  }

  reply(lines: string, body: string, last: boolean): void {
    if (last || !this.requestRead || this.#lastRequest || this.#old) this.#close = true;
    this.#say(lines, body);
  }

  /** Writes an answer of our own, whole. */
  #say(lines: string, body = ''): void {
    this.#write(`${lines}${this.context.date.line}${this.#connectionLine}\r\n${body}`);
  }

  get #connectionLine(): string {
    if (this.#close) return 'connection: close\r\n';
    return this.#old ? 'connection: keep-alive\r\n' : '';
  }

  /** False when more waits to be written than may. */
  #write(data: string | Buffer): boolean {
    if (typeof data === 'string') this.socket.write(data, 'latin1');
    else this.socket.write(data);
    const waiting = this.socket.writableLength;
    if (waiting > 0 && typeof data !== 'string') outletKept(data);
    if (waiting >= this.context.rules.settings.limits.bufferBytes) {
      if (!this.#blocked) this.#block();
      return false;
    }
    if (this.#halfClosed || this.#state === TUNNEL) this.#watch();
    return true;
  }

  /** All that was written has gone out. */
  drained(): void {
    if (this.#state === LINGER || this.#state === DEAD) return;
    const blocked = this.#blocked;
    if (blocked) this.#unblock();
    if (blocked && this.#state === HEAD) return this.#next();
    this.#watch();
    this.#exchange?.drained();
  }

  done(): void {
    this.#return();
    if (this.#state === DEAD) return;
    // It may have become the last since the answer began.
    if (this.#close || this.#lastRequest) return this.#settled ? this.closed() : this.#linger();
    this.#state = HEAD;
    // A client that does not take its answers gets no more of them until it does.
    if (!this.#blocked) this.#next();
  }

  /** Reads on. Within `#take` there is nothing held, and it goes on by itself. */
  #next(): void {
    this.#watch();
    // Before what was held is looked at: whoever then has to pause must not find that undone.
    this.#go();
    this.#takeHeld();
  }

  // ---- ending

  /** Answers something that is no request, and ends. */
  #refuse(fault: Fault, asked?: Asked): void {
    const { lines, body } = refused(this.context, this, fault, asked);
    this.#close = true;
    this.#say(lines, body);
    this.#linger();
  }

  finish(): void {
    this.#return();
    this.#linger();
  }

  #linger(): void {
    if (this.#state === DEAD || this.#state === LINGER) return;
    this.#held = undefined;
    this.#takes();
    this.#blocked = false;
    this.#enter(LINGER);
    this.socket.end();
    if (!this.#halfClosed) this.#go();
  }

  cut(): void {
    this.#return();
    if (this.#state === DEAD) return;
    this.#bury();
    this.#reset();
  }

  abandon(): void {
    this.#exchange?.abort(FAULTS.draining);
    this.cut();
  }

  close(): void {
    if (this.idle) this.#watch();
  }

  /** The client has closed its sending side. */
  ended(): void {
    this.#halfClosed = true;
    switch (this.#state) {
      case HEAD:
        return this.#headBegun ? this.#refuse(FAULTS.badRequest) : this.#linger();
      case LENGTH:
      case CHUNKED:
        return this.#leave(FAULTS.clientGone);
      case ANSWERING:
        return this.#watch();
      case TUNNEL:
        this.#watch();
        return this.#exchange!.tunnelEnded();
    }
  }

  /** The client is not there any more, or as good as. */
  #leave(fault: Fault): void {
    this.#bury();
    this.#reset();
    this.#exchange?.clientGone(fault);
    this.#return();
  }

  /** The connection is gone, for whatever reason. */
  closed(): void {
    if (this.#state === DEAD) return;
    this.#bury();
    this.socket.destroy();
    this.#exchange?.clientGone(FAULTS.clientGone);
    this.#return();
  }

  /**
   * Ends the connection by a reset, since closing it would look like the end of the answer. Of TLS the end is not
   * sealed then, which says the same.
   */
  #reset(): void {
    if (this.scheme === 'https') this.socket.destroy();
    else reset(this.socket);
  }

  #bury(): void {
    this.#state = DEAD;
    this.#held = undefined;
    this.deadline = Number.POSITIVE_INFINITY;
    this.context.deadlines.delete(this);
    this.context.clients.delete(this);
  }
}
