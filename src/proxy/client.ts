import type net from 'node:net';
import type { Expiring } from '../base/deadlines.ts';
import { INLET } from '../base/inlet.ts';
import { outletKept } from '../base/outlet.ts';
import { LF } from '../http/bytes.ts';
import { allowedTrailers, ChunkedDecoder, DONE } from '../http/chunked.ts';
import {
  BAD_CODING,
  BAD_EXPECTATION,
  BAD_METHOD,
  BAD_VERSION,
  Head,
  MORE,
  parseRequest,
  TARGET_TOO_LONG,
  TOO_LARGE,
} from '../http/head.ts';
import { FAULTS, type Fault } from '../model/fault.ts';
import { faultAnswer, optionsAnswer } from './answer.ts';
import { UNIX_PEER } from './clients.ts';
import type { Context } from './context.ts';
import { Exchange } from './exchange.ts';

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

/** One client connection: reads requests, gives each to its exchange, writes what comes back, in order. */
export class Client implements Expiring {
  readonly context: Context;
  readonly socket: ClientSocket;
  /** The peer's address; `unknown` on a Unix socket. */
  readonly address: string;
  /** Whether the peer's X-Forwarded-* and X-Request-Id are believed. */
  readonly trusted: boolean;
  /** https or http, as it goes to endpoints. */
  readonly scheme: string;
  /** What endpoints are told of a client that may not speak for itself. */
  readonly forwarded: string;
  deadline: number;
  /** Lent by the context while there is a request. */
  #exchange: Exchange | undefined;
  #state = HEAD;
  /** The start of a head that has not come whole, or a request that has to wait for the answer before it. */
  #held: Buffer | undefined;
  #decoder: ChunkedDecoder | undefined;
  #left = 0;
  #requests = 0;
  #headBegun = false;
  #blocked = false;
  #paused = false;
  #halfClosed = false;

  constructor(context: Context, socket: ClientSocket, address: string, scheme: string) {
    this.context = context;
    this.socket = socket;
    this.scheme = scheme;
    this.address = address;
    this.forwarded = `x-forwarded-for: ${address}\r\nx-forwarded-proto: ${scheme}\r\n`;
    this.trusted = context.rules.trusted.has(address);
    // A connection that never says anything has as long as a head may take.
    this.deadline = context.deadlines.in(this.#timeouts.head);
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

  /** Whether the next answer must be the last on this connection. */
  get lastRequest(): boolean {
    return (
      this.context.draining ||
      this.#halfClosed ||
      this.#requests >= this.context.rules.settings.limits.requestsPerConnection
    );
  }

  /** Whether the present request has been read to its end. */
  get requestRead(): boolean {
    return this.#state !== LENGTH && this.#state !== CHUNKED;
  }

  get #timeouts() {
    return this.context.rules.settings.timeouts;
  }

  /** `length` bytes have come into INLET. */
  read(length: number): void {
    if (this.#held === undefined) return this.#take(INLET, length);
    const before = this.#held.length - 1;
    const joined = Buffer.allocUnsafeSlow(before + length + 1);
    this.#held.copy(joined, 0, 0, before);
    INLET.copy(joined, before, 0, length);
    // Only a line end can complete a head; parsing sooner would cost a byte-wise sender's square.
    if (
      before + length <= this.context.rules.settings.limits.headBytes &&
      !INLET.subarray(0, length).includes(LF)
    ) {
      this.#held = joined;
    } else {
      this.#held = undefined;
      this.#take(joined, before + length);
    }
  }

  /** Writes to the client. False when more waits to be written than may: then wait for `Exchange.drained`. */
  write(data: string | Buffer): boolean {
    if (typeof data === 'string') this.socket.write(data, 'latin1');
    else this.socket.write(data);
    if (this.#halfClosed) this.deadline = this.context.deadlines.in(HALF_CLOSED_GRACE);
    const waiting = this.socket.writableLength;
    if (waiting > 0 && typeof data !== 'string') outletKept();
    if (waiting < this.context.rules.settings.limits.bufferBytes) return true;
    this.#blocked = true;
    this.deadline = this.context.deadlines.in(this.#timeouts.write);
    return false;
  }

  /** Reads no more of the request until `resume`: whoever it goes to has no room. */
  pause(): void {
    this.#paused = true;
    if (!this.#blocked) this.deadline = Number.POSITIVE_INFINITY;
    this.socket.pause();
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    if (!this.requestRead) this.deadline = this.context.deadlines.in(this.#timeouts.body);
    this.socket.resume();
  }

  /** The exchange waits in a queue, for `ms` at most; Infinity when it waits no more. */
  waitFor(ms: number): void {
    this.deadline = this.context.deadlines.in(ms);
  }

  /** It is `now`, and an answer may still be waited for. */
  wait(now: number): void {
    this.#exchange?.wait(now);
  }

  /** The answer is written. `last`: the connection ends with it. */
  done(last: boolean): void {
    this.#return();
    if (this.#state === DEAD) return;
    // It may have become the last since the answer began.
    if (last || this.lastRequest) return this.#linger();
    this.#state = HEAD;
    this.#headBegun = false;
    // A client that does not take its answers gets no more of them until it does.
    if (!this.#blocked) this.#next();
  }

  /** Reads on. Within `#take` there is nothing held, and it goes on by itself. */
  #next(): void {
    this.deadline = this.context.deadlines.in(this.#timeouts.keepAlive);
    // Before what was held is looked at: whoever then has to pause must not find that undone.
    this.resume();
    if (this.#held === undefined) return;
    const held = this.#held;
    this.#held = undefined;
    this.#take(held, held.length - 1);
  }

  /** Both sides have agreed on another protocol: from now on bytes are passed as they are. */
  tunnel(): void {
    this.#state = TUNNEL;
    this.deadline = Number.POSITIVE_INFINITY;
    if (this.#held !== undefined) {
      const held = this.#held;
      this.#held = undefined;
      this.#exchange!.tunnelled(held, 0, held.length - 1);
    }
    this.resume();
  }

  /** The other side of a tunnel has ended. */
  finish(): void {
    this.#return();
    this.#linger();
  }

  /** Cuts the connection so that the client can tell: an answer broken off must never look whole. */
  cut(): void {
    this.#return();
    if (this.#state === DEAD) return;
    this.#bury();
    this.#reset();
  }

  /** Ends whatever is going on: there is no more time for it. */
  abandon(): void {
    this.#exchange?.abort(FAULTS.draining);
    this.cut();
  }

  /** Closes a connection that waits for nothing. */
  close(): void {
    if (this.idle) this.#linger();
  }

  expire(): void {
    if (this.#blocked) return this.#leave(FAULTS.clientSlow);
    switch (this.#state) {
      case HEAD:
        return this.#headBegun ? this.#refuse(FAULTS.requestTimeout) : this.#linger();
      case LENGTH:
      case CHUNKED:
      case ANSWERING:
        this.deadline = Number.POSITIVE_INFINITY;
        return this.#halfClosed ? this.#leave(FAULTS.clientGone) : this.#exchange!.expired();
      default:
        this.#bury();
        this.#reset();
    }
  }

  /** Works through buffer[0, end). The byte at `end` is there to be written over. */
  #take(buffer: Buffer, end: number): void {
    let at = 0;
    while (at < end) {
      switch (this.#state) {
        case HEAD: {
          if (this.#blocked) {
            this.pause();
            return this.#hold(buffer, at, end);
          }
          buffer[end] = 0;
          const bodyStart = parseRequest(buffer, at, end, head, this.context.rules.settings.limits);
          if (bodyStart === MORE) {
            if (!this.#headBegun) {
              this.#headBegun = true;
              this.deadline = this.context.deadlines.in(this.#timeouts.head);
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
          this.pause();
          return this.#hold(buffer, at, end);
        case TUNNEL:
          return this.#exchange!.tunnelled(buffer, at, end);
        default:
          return;
      }
    }
  }

  #lend(): Exchange {
    this.#exchange = this.context.exchanges.pop() ?? new Exchange(this.context);
    this.#exchange.client = this;
    return this.#exchange;
  }

  /** The exchange is over and recorded; another connection may use it. */
  #return(): void {
    if (this.#exchange === undefined) return;
    this.context.exchanges.push(this.#exchange);
    this.#exchange = undefined;
  }

  /** Keeps what cannot be worked on yet, with room for the byte behind it. */
  #hold(buffer: Buffer, at: number, end: number): void {
    const held = Buffer.allocUnsafeSlow(end - at + 1);
    buffer.copy(held, 0, at, end);
    this.#held = held;
  }

  /** A head is parsed: hands it on with what of the body has come. Returns where the rest begins, or `end`. */
  #begin(buffer: Buffer, bodyStart: number, end: number): number {
    if (head.asterisk) {
      const close = head.close || head.chunked || head.contentLength > 0 || this.lastRequest;
      this.context.countUnrouted(204);
      this.write(optionsAnswer(close));
      this.done(close);
      return close ? end : bodyStart;
    }
    this.deadline = Number.POSITIVE_INFINITY;
    if (head.chunked) {
      this.#decoder ??= new ChunkedDecoder();
      this.#decoder.reset();
      this.#state = CHUNKED;
      const result = this.#decoder.decode(
        buffer,
        bodyStart,
        end,
        trailers,
        this.context.rules.settings.limits,
      );
      if (result < MORE) {
        this.#refuse(FAULTS.badRequest);
        return end;
      }
      const last = result === DONE ? this.#trailerLines() : undefined;
      if (last !== undefined) this.#state = ANSWERING;
      else this.deadline = this.context.deadlines.in(this.#timeouts.body);
      const { from, to, next } = this.#decoder;
      this.#lend().begin(buffer, head, from, to, last);
      return next;
    }
    const length = Math.max(0, head.contentLength);
    const to = Math.min(end, bodyStart + length);
    this.#left = length - (to - bodyStart);
    this.#state = this.#left === 0 ? ANSWERING : LENGTH;
    if (this.#left > 0) this.deadline = this.context.deadlines.in(this.#timeouts.body);
    this.#lend().begin(buffer, head, bodyStart, to, this.#left === 0 ? '' : undefined);
    return to;
  }

  /** More of a body. Returns where the rest begins, or `end`. */
  #more(buffer: Buffer, at: number, end: number): number {
    if (!this.#blocked) this.deadline = this.context.deadlines.in(this.#timeouts.body);
    if (this.#state === LENGTH) {
      const to = Math.min(end, at + this.#left);
      this.#left -= to - at;
      if (this.#left === 0) this.#read();
      this.#exchange!.body(buffer, at, to, this.#left === 0 ? '' : undefined);
      return to;
    }
    const decoder = this.#decoder!;
    const result = decoder.decode(buffer, at, end, trailers, this.context.rules.settings.limits);
    if (result < MORE) {
      this.#exchange!.abort(FAULTS.badRequest);
      return end;
    }
    const { from, to, next } = decoder;
    const last = result === DONE ? this.#trailerLines() : undefined;
    if (last !== undefined) this.#read();
    if (last !== undefined || to > from) this.#exchange!.body(buffer, from, to, last);
    return next;
  }

  /** The request has been read to its end. */
  #read(): void {
    this.#state = ANSWERING;
    if (!this.#blocked) this.deadline = Number.POSITIVE_INFINITY;
  }

  #trailerLines(): string {
    const { trailer } = this.#decoder!;
    return trailer === undefined ? '' : allowedTrailers(trailer, trailers);
  }

  /** Answers something that is no request, and ends. */
  #refuse(fault: Fault): void {
    this.context.countUnrouted(fault.status);
    this.write(faultAnswer(fault, { headOnly: false, close: true, extra: '' }));
    this.#linger();
  }

  #linger(): void {
    if (this.#state === DEAD || this.#state === LINGER) return;
    this.#state = LINGER;
    this.#held = undefined;
    this.#blocked = false;
    const { linger, write } = this.#timeouts;
    this.deadline = this.context.deadlines.in(
      this.socket.writableLength > 0 ? Math.max(write, linger) : linger,
    );
    this.socket.end();
    if (this.#halfClosed) return;
    this.#paused = false;
    this.socket.resume();
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
        if (!this.#blocked) this.deadline = this.context.deadlines.in(HALF_CLOSED_GRACE);
        return;
      case TUNNEL:
        return this.#exchange!.tunnelEnded();
    }
  }

  /** All that was written has gone out. */
  drained(): void {
    if (this.#state === LINGER) return;
    if (this.#blocked) {
      this.#blocked = false;
      if (this.#state === HEAD) return this.#next();
      this.deadline =
        this.requestRead || this.#paused
          ? Number.POSITIVE_INFINITY
          : this.context.deadlines.in(this.#timeouts.body);
    }
    this.#exchange?.drained();
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
    const answering = this.#state !== LINGER;
    this.#bury();
    this.socket.destroy();
    if (answering) this.#exchange?.clientGone(FAULTS.clientGone);
    this.#return();
  }

  /**
   * Ends the connection by a reset if anything is left unsent, since closing it would look like the end of the
   * answer. A socket that is shutting down cannot be reset (Node fails, and spins), nor one of the Unix kind.
   */
  #reset(): void {
    const shutting = this.socket.writableEnded && this.socket.writableLength === 0;
    if (shutting || this.address === UNIX_PEER) this.socket.destroy();
    else this.socket.resetAndDestroy();
  }

  #bury(): void {
    this.#state = DEAD;
    this.#held = undefined;
    this.deadline = Number.POSITIVE_INFINITY;
    this.context.deadlines.delete(this);
    this.context.clients.delete(this);
  }
}

/** What a head was refused for. */
function refusal(result: number): Fault {
  switch (result) {
    case TARGET_TOO_LONG:
      return FAULTS.targetTooLong;
    case TOO_LARGE:
      return FAULTS.headTooLarge;
    case BAD_VERSION:
      return FAULTS.badVersion;
    case BAD_CODING:
      return FAULTS.notImplemented;
    case BAD_EXPECTATION:
      return FAULTS.expectationFailed;
    case BAD_METHOD:
      return FAULTS.methodNotAllowed;
    default:
      return FAULTS.badRequest;
  }
}
