import http2 from 'node:http2';
import { Readable } from 'node:stream';
import type { Expiring } from '../base/deadlines.ts';
import { GRPC_STATUS, statusIn, statusOfCall } from '../http/grpc.ts';
import { Head } from '../http/head.ts';
import { parseResponseList, requestFields, trailerFields, trailerLines } from '../http/list.ts';
import { FAULTS, type Fault } from '../model/fault.ts';
import { cancel } from './abort.ts';
import type { Asker, End } from './asker.ts';
import type { Channel, Question, UpstreamTerms } from './channel.ts';
import type { UpstreamSession } from './session.ts';

/** As for connections: nothing in one outlives the callback it is parsed in. */
const head = new Head();
const trailers = new Head();
const scratch = Buffer.alloc(65_537);
const NOTHING = Buffer.alloc(0);

/** More interim answers than this before the real one are an attack or a fault. */
const MOST_INTERIM = 32;

const { NGHTTP2_FLAG_END_STREAM, NGHTTP2_REFUSED_STREAM } = http2.constants;

type Carrier = http2.ClientHttp2Stream & { answer?: UpstreamStream };

/**
 * Node ends what is read in the same way whether the endpoint has ended it or has reset the stream with NO_ERROR.
 * But only then is the stream closed before.
 */
function push(this: Carrier, chunk: unknown, encoding?: BufferEncoding): boolean {
  if (chunk === null && !this.closed) this.answer!.whole();
  return Readable.prototype.push.call(this, chunk, encoding);
}

function onInterim(this: Carrier, _fields: object, _flags: number, list: readonly string[]): void {
  this.answer!.interim(list);
}
function onResponse(this: Carrier, _fields: object, flags: number, list: readonly string[]): void {
  this.answer!.head(list, (flags & NGHTTP2_FLAG_END_STREAM) !== 0);
}
function onTrailers(this: Carrier, _fields: object, _flags: number, list: readonly string[]): void {
  this.answer!.trailed(list);
}
function onData(this: Carrier, data: Buffer): void {
  this.answer!.more(data);
}
function onEnd(this: Carrier): void {
  this.answer!.ended();
}
function onDrain(this: Carrier): void {
  this.answer!.drained();
}
function onWantTrailers(this: Carrier): void {
  this.answer!.trail();
}
function onClose(this: Carrier): void {
  this.answer!.closed();
}

/** One request to an endpoint that speaks HTTP/2, and its answer, written as HTTP/1.1 to be judged. */
export class UpstreamStream implements Channel, Expiring {
  deadline = Number.POSITIVE_INFINITY;
  readonly reused: boolean;
  readonly #session: UpstreamSession;
  #carrier: Carrier | undefined;
  #asker: Asker | undefined;
  #terms: UpstreamTerms | undefined;
  #headOnly = false;
  /** The request has been handed over to its last byte. */
  #asked = false;
  #answerDue = false;
  #answered = false;
  #paused = false;
  #interim = 0;
  #status = 0;
  /** What is still to come of a body whose length was announced. */
  #left = Number.POSITIVE_INFINITY;
  /** Trailers of the answer; undefined if they are not sound. And of the request. */
  #trailers: string | undefined = '';
  #closing = '';
  /** The endpoint has ended the stream. */
  #whole = false;

  constructor(session: UpstreamSession) {
    this.#session = session;
    this.reused = session.connected && session.requests > 0;
    session.requests++;
    session.pool.deadlines.add(this);
  }

  get connected(): boolean {
    return this.#session.connected;
  }

  ask(asker: Asker, terms: UpstreamTerms, question: Readonly<Question>): void {
    const { payload, end, expects } = question;
    this.#asker = asker;
    this.#terms = terms;
    this.#headOnly = question.headOnly;
    this.#asked = end !== undefined;
    this.#answerDue = this.#asked || expects;
    const fields = requestFields(question.lines, this.#session.scheme);
    // Trailers are passed on whoever asks; gRPC will not speak without being told so.
    fields['te'] = 'trailers';
    if (expects) fields['expect'] = '100-continue';
    const trailing = end === undefined ? question.chunked : end !== '';
    const carrier: Carrier = this.#session.http2.request(fields, {
      endStream: payload === '' && end === '',
      waitForTrailers: trailing,
    });
    this.#carrier = carrier;
    carrier.answer = this;
    carrier.push = push;
    carrier.on('error', () => {});
    carrier.on('headers', onInterim);
    carrier.on('response', onResponse);
    carrier.on('close', onClose);
    carrier.on('drain', onDrain);
    if (trailing) carrier.on('wantTrailers', onWantTrailers);
    this.#closing = end ?? '';
    if (payload !== '') carrier.write(payload, 'latin1');
    if (end !== undefined && !carrier.writableEnded) carrier.end();
    this.#awaitHead();
  }

  #awaitHead(): void {
    if (this.#answered) return;
    const wait = this.#answerDue && this.connected;
    this.deadline = wait ? this.#session.pool.deadlines.in(this.#terms!.head) : Number.POSITIVE_INFINITY;
  }

  #awaitBody(): void {
    this.deadline = this.#session.pool.deadlines.in(this.#terms!.body);
  }

  write(buffer: Buffer, from: number, to: number, end: End): boolean {
    const carrier = this.#carrier!;
    if (carrier.destroyed || carrier.writableEnded) return true;
    let room = true;
    if (to > from) {
      const data = Buffer.allocUnsafe(to - from);
      buffer.copy(data, 0, from, to);
      const { bufferBytes } = this.#session.pool.limits;
      room = carrier.write(data) || carrier.writableLength < bufferBytes;
    }
    if (end !== undefined) {
      this.#closing = end;
      this.#asked = true;
      this.#answerDue = true;
      carrier.end();
      this.#awaitHead();
    } else if (!this.#answered) {
      // With room left it is for the client to go on; without, for the endpoint to take what it was sent.
      this.#answerDue = false;
      if (room) this.deadline = Number.POSITIVE_INFINITY;
      else this.#awaitBody();
    }
    return room;
  }

  pause(): void {
    this.#paused = true;
    this.deadline = Number.POSITIVE_INFINITY;
    this.#carrier!.pause();
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#awaitBody();
    this.#carrier!.resume();
  }

  finish(): void {
    this.destroy();
  }

  destroy(): void {
    this.#over();
    if (this.#carrier) cancel(this.#carrier);
  }

  // ---- what the endpoint does

  interim(list: readonly string[]): void {
    if (this.#asker === undefined || this.#answered) return;
    const sound = parseResponseList(list, scratch, head, this.#session.pool.limits) > 0 && head.status < 200;
    if (!sound || head.status === 101 || ++this.#interim > MOST_INTERIM)
      return this.#break(FAULTS.badResponse);
    if (head.status === 100) this.#goAhead();
    this.#asker.interim(scratch, head);
  }

  /** The rest of the request may come, and until it does it is not for the endpoint to say anything. */
  #goAhead(): void {
    if (!this.#answerDue || this.#asked) return;
    this.#answerDue = false;
    this.#awaitHead();
  }

  head(list: readonly string[], ended: boolean): void {
    const asker = this.#asker;
    if (asker === undefined) return;
    const bodyStart = parseResponseList(list, scratch, head, this.#session.pool.limits);
    if (bodyStart < 0 || head.status < 200) return this.#break(FAULTS.badResponse);
    this.#answered = true;
    this.#status = head.status;
    const bare = this.#headOnly || head.status === 204 || head.status === 304;
    if (head.contentLength >= 0 && !bare) this.#left = head.contentLength;
    if (ended || bare || this.#left === 0) {
      const status = head.findName(scratch, GRPC_STATUS);
      this.#release(status < 0 ? '' : head.value(scratch, status));
      return asker.answer(scratch, head, bodyStart, bodyStart, '');
    }
    const carrier = this.#carrier!;
    carrier.on('trailers', onTrailers);
    carrier.on('end', onEnd);
    this.#awaitBody();
    asker.answer(scratch, head, bodyStart, bodyStart, undefined);
    if (this.#asker === undefined) return;
    carrier.on('data', onData);
    if (this.#paused) carrier.pause();
  }

  more(data: Buffer): void {
    const asker = this.#asker;
    if (asker === undefined) return;
    this.#left -= data.length;
    if (this.#left > 0) {
      this.#awaitBody();
      return asker.more(data, 0, data.length, undefined);
    }
    this.#release('');
    asker.more(data, 0, data.length, '');
  }

  trailed(list: readonly string[]): void {
    this.#trailers = trailerLines(list, trailers, this.#session.pool.limits);
  }

  ended(): void {
    const asker = this.#asker;
    // Otherwise the close that follows tells the truth.
    if (asker === undefined || !this.#whole) return;
    if (this.#trailers === undefined || Number.isFinite(this.#left)) return this.#break(FAULTS.truncated);
    this.#release(statusIn(this.#trailers));
    asker.more(NOTHING, 0, 0, this.#trailers);
  }

  whole(): void {
    this.#whole = true;
  }

  /** Connected, or what was written has gone out. */
  drained(): void {
    this.#awaitHead();
    this.#asker?.writable();
  }

  trail(): void {
    const carrier = this.#carrier!;
    if (!carrier.destroyed && !carrier.closed) carrier.sendTrailers(trailerFields(this.#closing));
  }

  closed(): void {
    if (this.#asker === undefined) return this.#over();
    const refused = this.#carrier?.rstCode === NGHTTP2_REFUSED_STREAM;
    if (this.#answered) this.fail(FAULTS.truncated);
    else this.fail(refused && this.#interim === 0 ? FAULTS.streamRefused : this.#session.fault);
  }

  expire(): void {
    if (this.#answered || !this.#asked) return this.#break(FAULTS.bodyTimeout);
    this.#break(FAULTS.headTimeout);
    // It may lead nowhere, and nobody else shall wait to find that out.
    this.#session.close();
  }

  // ---- the end

  /** The answer is complete; what is left of the request nobody needs. `call`: the `grpc-status`, if it has one. */
  #release(call: string): void {
    this.#session.pool.served(call === '' ? this.#status : statusOfCall(call));
    this.#over();
    if (!this.#asked) cancel(this.#carrier!);
  }

  #break(fault: Fault): void {
    cancel(this.#carrier!);
    this.fail(fault);
  }

  fail(fault: Fault): void {
    const asker = this.#asker;
    if (asker !== undefined && this.#counts(fault)) this.#session.pool.faulted();
    this.#over();
    asker?.failed(fault);
  }

  /** Whether it speaks against the endpoint. A connection that went stale, has no room or was never tried does not. */
  #counts(fault: Fault): boolean {
    if (fault === FAULTS.streamRefused || fault === FAULTS.exhausted) return false;
    const seen = this.#answered || this.#interim > 0;
    return seen || fault !== FAULTS.reset || !this.reused || !this.#session.lost;
  }

  #over(): void {
    this.#asker = undefined;
    this.deadline = Number.POSITIVE_INFINITY;
    this.#session.pool.deadlines.delete(this);
    this.#session.left(this, this.#terms?.keepAlive ?? 0);
  }
}
