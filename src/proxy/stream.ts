import http2 from 'node:http2';
import type { Expiring } from '../base/deadlines.ts';
import { Head } from '../http/head.ts';
import { parseRequestList, responseFields, trailerFields, trailerLines } from '../http/list.ts';
import { FAULTS, type Fault } from '../model/fault.ts';
import type { ProxyProtocol } from '../model/tls.ts';
import { cancel } from '../upstream/abort.ts';
import type { End } from '../upstream/asker.ts';
import type { Pool } from '../upstream/pool.ts';
import { CONTINUE } from './answer.ts';
import type { Context, Standing } from './context.ts';
import type { Exchange } from './exchange.ts';
import { later } from './pace.ts';
import { refusal } from './refusal.ts';
import type { Requester } from './requester.ts';
import type { Session } from './session.ts';
import { ownAnswer, refused } from './unrouted.ts';

/** Heads and trailers of whatever request is being read: neither outlives the callback it is parsed in. */
const head = new Head();
const trailers = new Head();
/** Where heads are written to be parsed, with the beginning of a body behind them. */
const scratch = Buffer.alloc(131_073);
const NOTHING = Buffer.alloc(0);

const { NGHTTP2_NO_ERROR } = http2.constants;
const BROKEN = new Error('the answer broke off');

/** A stream that knows its request: so one set of listeners serves them all. */
export type Carrier = http2.ServerHttp2Stream & { request?: Stream };

function onData(this: Carrier, data: Buffer): void {
  this.request!.read(data);
}
function onEnd(this: Carrier): void {
  this.request!.ended();
}
function onTrailers(this: Carrier, _fields: object, _flags: number, list: readonly string[]): void {
  this.request!.trailed(list);
}
function onWantTrailers(this: Carrier): void {
  this.request!.trail();
}
function onDrain(this: Carrier): void {
  this.request!.drained();
}
function onFinish(this: Carrier): void {
  this.request!.finished();
}
function onClose(this: Carrier): void {
  this.request!.closed();
}

/** One request of an HTTP/2 connection: written as HTTP/1.1 to be judged, given to an exchange, and answered. */
export class Stream implements Requester, Expiring {
  grpc = false;
  deadline = Number.POSITIVE_INFINITY;
  requestRead = false;
  readonly #session: Session;
  readonly #carrier: Carrier;
  readonly #context: Context;
  #exchange: Exchange | undefined;
  /** What is still to come of a body whose length was announced. */
  #left = Number.POSITIVE_INFINITY;
  /** Trailers of the request, as they may be passed on; undefined if they are not sound. */
  #trailers: string | undefined = '';
  /** Trailers of the answer. */
  #closing = '';
  #paused = false;
  #blocked = false;
  #queued = 0;
  /** The client was told to wait for 100 Continue, and nothing of its body has come. */
  #expecting = false;
  /** How long the client may still be behind when more waits again, ms. */
  #slack = Number.POSITIVE_INFINITY;
  #written = 0;
  /** What had gone out when that was last looked at: of this stream, and of all. */
  #taken = 0;
  #sent = 0;
  /** The answer is complete, or will never be. */
  #over = false;

  constructor(session: Session, carrier: Carrier) {
    this.#session = session;
    this.#carrier = carrier;
    this.#context = session.context;
    carrier.request = this;
    // Who answers says what time it is.
    (carrier as { sendDate?: boolean }).sendDate = false;
    carrier.on('drain', onDrain);
    carrier.on('close', onClose);
    this.#context.deadlines.add(this);
  }

  get address(): string {
    return this.#session.address;
  }

  get trusted(): boolean {
    return this.#session.peer.trusted;
  }

  get standing(): Standing {
    return this.#session.peer.standing;
  }

  get credential(): string {
    return this.#session.peer.credential;
  }

  get httpsRedirect(): number | undefined {
    return this.#session.peer.httpsRedirect;
  }

  get hsts(): string {
    return this.#session.peer.hsts;
  }

  get scheme(): string {
    return this.#session.peer.scheme;
  }

  get forwarded(): string {
    return this.#session.peer.forwarded;
  }

  introduction(version: ProxyProtocol, pool: Pool): string {
    return this.#session.peer.introduction(version, pool);
  }

  get localHost(): string {
    return this.#session.peer.localHost;
  }

  // ---- the request

  /** `ended`: there is no body. */
  begin(list: readonly string[], ended: boolean): void {
    const { limits } = this.#context.rules.settings;
    for (let i = 0; i < list.length; i++) this.#session.useful += list[i]!.length + 16;
    const bodyStart = parseRequestList(list, ended, scratch.subarray(0, 65_537), head, limits);
    this.requestRead = ended;
    if (bodyStart < 0) return this.#refuse(refusal(bodyStart));
    const own = ownAnswer(this.#context, this, scratch, head);
    if (own !== undefined) {
      this.reply(own, '');
      return this.done();
    }
    this.grpc = isGrpc(list);
    let to = bodyStart;
    if (!ended) {
      if (head.contentLength >= 0) this.#left = head.contentLength;
      this.#expecting = head.expectContinue;
      to += this.#first(bodyStart);
    }
    this.#exchange = this.#context.lend(this);
    this.#watch();
    this.#exchange.begin(scratch, head, bodyStart, to, this.requestRead ? '' : undefined);
  }

  /** What has come of the body along with the head is put behind it. Returns how much. */
  #first(at: number): number {
    const carrier = this.#carrier;
    const data = carrier.readableLength <= scratch.length - at ? (carrier.read() as Buffer | null) : null;
    if (data !== null) {
      data.copy(scratch, at);
      this.#count(data);
    }
    carrier.on('trailers', onTrailers);
    carrier.on('end', onEnd);
    carrier.on('data', onData);
    return data?.length ?? 0;
  }

  #count(data: Buffer): void {
    this.#session.useful += data.length + 9;
    this.#left -= data.length;
    // No more can come: a longer body is a fault that ends the stream before we are told of it.
    if (this.#left === 0) this.requestRead = true;
  }

  /** More of the body has come. */
  read(data: Buffer): void {
    if (this.requestRead) return;
    this.#expecting = false;
    this.#count(data);
    if (this.#over) return;
    if (this.requestRead) this.#watch();
    else this.#comes(data.length);
    this.#exchange?.body(data, 0, data.length, this.requestRead ? '' : undefined);
  }

  trailed(list: readonly string[]): void {
    this.#trailers = trailerLines(list, trailers, this.#context.rules.settings.limits);
  }

  /** The client has said all. */
  ended(): void {
    const carrier = this.#carrier;
    // Node says so, too, when the stream was reset or the connection broke; the close that follows tells the truth.
    const broken = carrier.destroyed || carrier.aborted || carrier.rstCode !== NGHTTP2_NO_ERROR;
    if (this.requestRead || this.#over || broken) return;
    const short = Number.isFinite(this.#left) && this.#left > 0;
    if (this.#trailers === undefined || short) return this.#exchange?.abort(FAULTS.badRequest);
    this.requestRead = true;
    this.#watch();
    this.#exchange?.body(NOTHING, 0, 0, this.#trailers);
  }

  pause(): void {
    if (this.#paused || this.requestRead) return;
    this.#paused = true;
    this.#carrier.pause();
    this.#watch();
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#carrier.resume();
    this.#watch();
  }

  waitFor(ms: number): void {
    this.#queued = ms;
    this.#watch();
  }

  visit(look: (exchange: Exchange) => void): void {
    if (this.#exchange !== undefined) look(this.#exchange);
  }

  // ---- what it may wait for, and how long

  #watch(): void {
    if (this.#blocked) return;
    this.deadline = this.#context.deadlines.in(this.#patience());
  }

  /** How long things may stay as they are, ms. */
  #patience(): number {
    const { timeouts } = this.#context.rules.settings;
    if (this.#over && this.#carrier.writableFinished) return this.#context.draining ? 0 : timeouts.linger;
    if (this.#blocked || this.#over) return timeouts.write;
    if (this.#queued > 0) return this.#queued;
    return this.requestRead || this.#paused || this.#expecting ? Number.POSITIVE_INFINITY : timeouts.body;
  }

  expire(): void {
    if (!this.#blocked && !this.#over) return this.#exchange!.expired();
    // The answer has gone out, and is good though there was more to come of the request (RFC 9113 §8.1).
    if (this.#over && this.#carrier.writableFinished) return this.#carrier.close(NGHTTP2_NO_ERROR);
    if (this.#takesEnough()) return;
    cancel(this.#carrier);
    this.#leave(FAULTS.clientSlow);
  }

  #takesEnough(): boolean {
    const { deadlines, rules } = this.#context;
    const { response } = this.#exchange?.pace ?? rules.pace;
    this.deadline = later(this.deadline, this.#takes(response), response, deadlines.in(this.#patience()));
    return this.deadline > deadlines.now;
  }

  /**
   * What the client has taken since this was last asked, bytes: of this stream, or as much as was its share of what
   * all have got. A piece that waits its turn shows nothing before it is all out. Where any byte is enough it has
   * to be one of the answer, or a ping would do.
   */
  #takes(worth = 0): number {
    const { written, streams } = this.#session;
    const taken = this.#written - this.#carrier.writableLength;
    const own = taken - this.#taken;
    const share = worth === Number.POSITIVE_INFINITY ? 0 : (written - this.#sent) / streams;
    this.#taken = taken;
    this.#sent = written;
    return Math.max(own, share);
  }

  /** So many bytes of the body have come, and there are more to come. */
  #comes(bytes: number): void {
    if (this.#blocked || this.#queued > 0 || this.#exchange === undefined) return;
    // What a call says comes when there is something to say.
    const worth = this.grpc ? Number.POSITIVE_INFINITY : this.#exchange.pace.request;
    this.deadline = later(this.deadline, bytes, worth, this.#context.deadlines.in(this.#patience()));
  }

  // ---- the answer

  interim(lines: string): void {
    if (this.#gone) return;
    this.#carrier.additionalHeaders(responseFields(lines));
    if (!this.#expecting || !lines.startsWith(CONTINUE)) return;
    this.#expecting = false;
    this.#watch();
  }

  answer(
    lines: string,
    framed: boolean,
    _last: boolean,
    buffer: Buffer,
    from: number,
    to: number,
    end: End,
  ): boolean {
    const whole = end === '' || (end !== undefined && framed);
    this.#respond(lines, whole && from === to, !whole && !framed);
    return this.more(buffer, from, to, end);
  }

  more(buffer: Buffer, from: number, to: number, end: End): boolean {
    const carrier = this.#carrier;
    if (this.#gone || carrier.writableEnded) return true;
    if (end !== undefined) this.#closing = end;
    if (from === to) {
      if (end !== undefined) carrier.end();
      return true;
    }
    const data = Buffer.allocUnsafe(to - from);
    buffer.copy(data, 0, from, to);
    this.#written += data.length;
    if (end !== undefined) {
      carrier.end(data);
      return true;
    }
    // When it says so all must have gone before it tells of it; until then there may be more for the lively.
    const wait = !carrier.write(data) && carrier.writableLength >= this.#share;
    if (wait && !this.#blocked) this.#block();
    return !wait;
  }

  /** What may wait to be written here: the streams of a connection share what one connection may have. */
  get #share(): number {
    return this.#context.rules.settings.limits.bufferBytes / this.#session.streams;
  }

  upgraded(): boolean {
    // Nobody asks for it on a stream (RFC 9113 §8.6).
    this.cut();
    return true;
  }

  reply(lines: string, body: string): void {
    if (this.#gone) return;
    this.#respond(lines + this.#context.date.line, body === '', false);
    if (!this.#carrier.writableEnded) this.#carrier.end(body, 'latin1');
  }

  #respond(lines: string, endStream: boolean, waitForTrailers: boolean): void {
    if (this.#gone) return;
    if (waitForTrailers) this.#carrier.on('wantTrailers', onWantTrailers);
    this.#carrier.respond(responseFields(lines), { endStream, waitForTrailers });
  }

  /** The body has gone out, and the trailers may. */
  trail(): void {
    if (!this.#gone) this.#carrier.sendTrailers(trailerFields(this.#closing));
  }

  #block(): void {
    const { deadlines, rules } = this.#context;
    this.#blocked = true;
    this.#takes();
    this.deadline = deadlines.in(Math.min(this.#slack, rules.settings.timeouts.write));
  }

  drained(): void {
    if (!this.#blocked) return;
    this.#takesEnough();
    this.#slack = this.deadline - this.#context.deadlines.in(0);
    this.#blocked = false;
    this.#watch();
    this.#exchange?.drained();
  }

  get #gone(): boolean {
    return this.#carrier.destroyed || this.#carrier.closed;
  }

  // ---- the end

  done(): void {
    this.#return();
    this.#takes();
    this.#watch();
    if (!this.requestRead && !this.#gone) this.#linger();
  }

  /**
   * The rest of the request is not needed, but looked at for a while: it may be on its way, and what is wrong with
   * it be an error that the client has to hear of.
   */
  #linger(): void {
    const carrier = this.#carrier;
    carrier.once('finish', onFinish);
    this.resume();
    if (carrier.readableFlowing === null) carrier.on('data', onData);
  }

  /** All of the answer has gone out. */
  finished(): void {
    this.#watch();
  }

  finish(): void {
    this.cut();
  }

  cut(): void {
    this.#return();
    // With an error it is reset as INTERNAL_ERROR; `close` would end the answer first, and make it look whole.
    this.#carrier.destroy(BROKEN);
  }

  /** There is no more time for it. */
  abandon(): void {
    this.#exchange?.abort(FAULTS.draining);
    this.cut();
  }

  /** The stream is gone, for whatever reason. */
  closed(): void {
    this.#context.deadlines.delete(this);
    if (!this.#over) {
      this.#session.reset();
      this.#leave(FAULTS.clientGone);
    }
    this.#session.left(this);
  }

  #leave(fault: Fault): void {
    this.#exchange?.clientGone(fault);
    this.#return();
  }

  #return(): void {
    this.#over = true;
    if (this.#exchange === undefined) return;
    this.#context.returned(this.#exchange);
    this.#exchange = undefined;
  }

  /** Answers something that is no request. */
  #refuse(fault: Fault): void {
    const { lines, body } = refused(this.#context, this, fault);
    this.reply(lines, body);
    this.done();
  }
}

/** gRPC says so by its content-type, and is not the gRPC-Web that browsers speak. */
function isGrpc(list: readonly string[]): boolean {
  for (let i = 0; i < list.length; i += 2)
    if (list[i] === 'content-type') return /^application\/grpc($|[+;])/.test(list[i + 1]!);
  return false;
}
