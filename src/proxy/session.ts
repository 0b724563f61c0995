import http2 from 'node:http2';
import type { Socket } from 'node:net';
import { Allowance } from '../base/allowance.ts';
import type { Expiring } from '../base/deadlines.ts';
import type { Client } from './clients.ts';
import type { Context } from './context.ts';
import type { Exchange } from './exchange.ts';
import type { Requester } from './requester.ts';
import { type Carrier, Stream } from './stream.ts';

const {
  NGHTTP2_ENHANCE_YOUR_CALM,
  NGHTTP2_FLAG_END_STREAM,
  NGHTTP2_FLOW_CONTROL_ERROR,
  NGHTTP2_NO_ERROR,
  NGHTTP2_PROTOCOL_ERROR,
  NGHTTP2_STREAM_CLOSED,
} = http2.constants;

/** What a connection that will speak HTTP/2 begins with (RFC 9113 §3.4). */
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

/** Whether buffer[start, end) begins as HTTP/2 does: undefined if it may yet, once there is more of it. */
export function speaksHttp2(buffer: Buffer, start: number, end: number): boolean | undefined {
  const length = Math.min(end - start, PREFACE.length);
  if (buffer.compare(PREFACE, 0, length, start, start + length) !== 0) return false;
  return length === PREFACE.length ? true : undefined;
}

/** What all streams of a connection together may send before somebody reads it. */
const CONNECTION_WINDOW = 1 << 20;
const STREAM_WINDOW = 65_535;

/**
 * What a client may do that leads to nothing: streams that are reset, by the client or by its faults, before
 * they were answered (a page that is left resets some dozen at once); pings and settings; bytes that are
 * neither head nor body. The work that is given up is ours and the endpoint's, the frames cost the client
 * nothing, so above this the connection ends.
 */
const RESETS = { burst: 200, perSecond: 50 };
const CONTROLS = { burst: 200, perSecond: 20 };
const IDLE_BYTES = { burst: 131_072, perSecond: 32_768 };
/** Frames that are wrong but harmless, such as empty ones. */
const INVALID_FRAMES = 100;
/** Of what we send, so much may come back in permissions to send more. */
const WINDOW_SHARE = 1 / 64;

/** Nobody sees it; but without one Node takes the code for none. */
const CALM = new Error('more than is allowed that leads to nothing');

/** What a client did wrong, by the number that Node's error has, and how the client is told (RFC 9113 §7). */
const WRONGS = new Map([
  [-505, NGHTTP2_PROTOCOL_ERROR],
  [-510, NGHTTP2_STREAM_CLOSED],
  [-524, NGHTTP2_FLOW_CONTROL_ERROR],
  // No settings after the preface.
  [-536, NGHTTP2_PROTOCOL_ERROR],
]);

/** Nobody sees it either. */
const FAILED = new Error('the session has failed, and said so');

/** So many turns of the loop what a client is told may take to go out before its connection ends. */
const TURNS = 10;

/** How often it is looked at what a connection was used for, ms. */
const LOOK = 1000;
/** How long a client that was told to go may go on opening streams, ms: what was on its way is still served. */
const NOTICE = 1000;
/** A ping, as bytes. */
const ACK_BYTES = 17;
const EVERY_STREAM = 0x7fff_ffff;

/** Does something once all frames have gone out, or have had turns enough to. */
function whenSaid(session: http2.Http2Session, turns: number, task: () => void): void {
  if (turns === 0 || !session.state.outboundQueueSize) task();
  else setImmediate(whenSaid, session, turns - 1, task);
}

/** The connection as it was before it spoke HTTP/2. */
type Peer = Requester & Pick<Client, 'listener'>;

/** What reads a socket for a session, and writes to it. */
interface Handle {
  /** Whether it wants to do either. */
  hasPendingData?(): boolean;
}

/**
 * Node lets go of it when the session is over, and may read on: if it is collected between the moment when a read is
 * given its buffer and that when it has come, a socket that was told to read into another one (`readingInline`) finds
 * that it was not, and ends the process. So the socket has to hold it.
 */
function handleOf(session: http2.Http2Session): Handle | undefined {
  const name = Object.getOwnPropertySymbols(session).find(({ description }) => description === 'kHandle');
  return name && (Reflect.get(session, name) as Handle);
}

/** One HTTP/2 connection of a client. Its streams make requests; this counts them, and sees to its good conduct. */
export class Session implements Client, Expiring {
  readonly context: Context;
  /** Who it is: what streams say of themselves. */
  readonly peer: Peer;
  readonly address: string;
  readonly protocol = 'h2';
  deadline: number;
  readonly #socket: Socket & { session?: Handle | undefined };
  readonly #http2: http2.ServerHttp2Session;
  readonly #streams = new Set<Stream>();
  readonly #resets: Allowance;
  readonly #controls: Allowance;
  readonly #idleBytes: Allowance;
  #requests = 0;
  /** Monotonic ms since when there is no stream. */
  #idleSince: number;
  /** Bytes of heads and bodies, as far as that is known. */
  useful = 0;
  #accounted = 0;
  /** When it was asked whether it is there, monotonic ms; and bytes read when that was last looked at. */
  #probed = Number.POSITIVE_INFINITY;
  #heard = 0;
  /** When the client was told to go, monotonic ms. */
  #noticed = Number.POSITIVE_INFINITY;
  /** When it was seen to be over, monotonic ms; and whether it was ended by an error. */
  #over = Number.POSITIVE_INFINITY;
  #failed = false;

  /** `first`: what was read of it already, preface and all. The socket is nobody else's any more. */
  constructor(context: Context, socket: Socket, peer: Peer, first: Buffer) {
    this.context = context;
    this.peer = peer;
    this.address = peer.address;
    this.#socket = socket;
    const { now } = context.deadlines;
    this.#idleSince = now;
    this.#resets = new Allowance(RESETS.burst, RESETS.perSecond, now);
    this.#controls = new Allowance(CONTROLS.burst, CONTROLS.perSecond, now);
    this.#idleBytes = new Allowance(IDLE_BYTES.burst, IDLE_BYTES.perSecond, now);
    this.deadline = now + LOOK;
    socket.on('error', () => {});
    // A client that says no more cannot even take what it is sent: that needs frames of its own.
    socket.on('end', () => this.#http2.destroy());
    socket.pause();
    socket.unshift(first);
    this.#http2 = this.#open(socket);
    this.#socket.session = handleOf(this.#http2);
    context.deadlines.add(this);
    context.clients.add(this);
    if (context.draining) this.close();
  }

  #open(socket: Socket): http2.ServerHttp2Session {
    const { limits } = this.context.rules.settings;
    const session = http2.performServerHandshake(socket, {
      // Every cookie may be a field of its own; how many fields there are is counted when they are one again.
      maxHeaderListPairs: 2 * limits.headers + 8,
      maxSessionInvalidFrames: INVALID_FRAMES,
      maxSessionRejectedStreams: INVALID_FRAMES,
      settings: {
        maxConcurrentStreams: limits.streams,
        initialWindowSize: STREAM_WINDOW,
        // A field counts for 32 bytes more than it has (RFC 9113 §6.5.2).
        maxHeaderListSize: limits.headBytes + 32 * (2 * limits.headers + 8),
      },
    } as http2.ServerOptions);
    session.setLocalWindowSize(CONNECTION_WINDOW);
    const { destroy } = session;
    const end = (error?: Error, code?: number) => {
      if (error instanceof Error) this.#fail(session);
      destroy.call(session, error, code);
    };
    session.destroy = (error?: NodeJS.ErrnoException, code?: number) => {
      const wrong = code === undefined ? WRONGS.get(error?.errno ?? 0) : undefined;
      if (wrong === undefined) return end(error, code);
      // Left alone Node says INTERNAL_ERROR of it, and nothing while it has something else to write.
      setImmediate(whenSaid, session, TURNS, () => end(error, wrong));
    };
    session.on('stream', (carrier: Carrier, _fields: object, flags: number, list: readonly string[]) =>
      this.#begin(carrier, (flags & NGHTTP2_FLAG_END_STREAM) !== 0, list),
    );
    const control = () => this.#spend(this.#controls, 1);
    session.on('ping', control);
    session.on('remoteSettings', control);
    // What is wrong with a session ends it, and that is all there is to know.
    session.on('error', () => {});
    session.on('close', () => this.#closed());
    return session;
  }

  /**
   * It ends by an error. Node would close the socket with what is unread of it, which is a reset, and takes the GOAWAY
   * with it; of a session that was closed it reads on until the client has heard. So this one looks like that.
   */
  #fail(session: http2.Http2Session): void {
    if (this.#failed) return;
    this.#failed = true;
    Object.defineProperty(session, 'closed', { value: true });
  }

  get listener(): string {
    return this.peer.listener;
  }

  get streams(): number {
    return this.#streams.size;
  }

  /** Bytes sent so far. */
  get written(): number {
    return this.#socket.bytesWritten;
  }

  #begin(carrier: Carrier, ended: boolean, list: readonly string[]): void {
    carrier.on('error', () => {});
    this.#requests++;
    // Reset in the very bytes that opened it: nobody need hear of it.
    if (carrier.destroyed || carrier.closed) return this.reset();
    if (this.#requests >= this.context.rules.settings.limits.requestsPerConnection) this.close();
    const stream = new Stream(this, carrier);
    this.#streams.add(stream);
    stream.begin(list, ended);
  }

  /** A stream is over. */
  left(stream: Stream): void {
    this.#streams.delete(stream);
    if (this.#streams.size === 0) this.#idleSince = this.context.deadlines.now;
  }

  /** A stream was reset before it was answered, on whoever's account. */
  reset(): void {
    this.#spend(this.#resets, 1);
  }

  #spend(allowance: Allowance, amount: number): void {
    if (this.#http2.destroyed || allowance.take(amount, this.context.clock.monotonic())) return;
    this.#http2.destroy(CALM, NGHTTP2_ENHANCE_YOUR_CALM);
  }

  visit(look: (exchange: Exchange) => void): void {
    for (const stream of [...this.#streams]) stream.visit(look);
  }

  expire(): void {
    const { now } = this.context.deadlines;
    this.deadline = now + LOOK;
    if (this.#http2.destroyed) return this.#endSocket(now);
    this.#account();
    if (this.#http2.destroyed) return;
    if (this.#hasFailed) return this.#http2.destroy(FAILED);
    this.#probe(now);
    if (now - this.#noticed > NOTICE) this.#http2.close();
    if (this.#streams.size > 0) return;
    const { timeouts } = this.context.rules.settings;
    const idle = now - this.#idleSince;
    if (idle > (this.#requests === 0 ? timeouts.head : timeouts.keepAlive)) this.#http2.close();
    // Told to go, with nothing left to do, and it will not.
    if (idle > timeouts.keepAlive + timeouts.linger + LOOK) this.#http2.destroy();
  }

  /**
   * Node 20 does not tell when the session has failed and said its GOAWAY: streams stay as they are, and nothing is
   * read any more. But nobody else wants nothing without having said goodbye.
   */
  get #hasFailed(): boolean {
    if (this.#http2.closed || this.#noticed !== Number.POSITIVE_INFINITY) return false;
    return this.#socket.session?.hasPendingData?.() === false;
  }

  /** Who was heard of since the last look, and may have gone without a word, is asked whether it is there. */
  #probe(now: number): void {
    const { bytesRead } = this.#socket;
    if (now - this.#probed > this.context.rules.settings.timeouts.write) return this.#http2.destroy();
    if (bytesRead === this.#heard || this.#probed !== Number.POSITIVE_INFINITY || this.#http2.closed) return;
    this.#probed = now;
    this.#heard = bytesRead;
    this.#http2.ping(() => {
      this.#probed = Number.POSITIVE_INFINITY;
      // The answer is nothing new.
      this.#heard += ACK_BYTES;
    });
  }

  /** Node ends the socket of a session that is over once all it said was taken: who takes nothing would keep it. */
  #endSocket(now: number): void {
    const { context } = this;
    const { write, linger } = context.rules.settings.timeouts;
    this.#over = Math.min(this.#over, now);
    const patience = !this.#failed ? write : context.draining ? 0 : linger;
    if (now - this.#over > patience) this.#socket.destroy();
  }

  /** What has come since the last look, and was of no use to any request, is taken from what is allowed of it. */
  #account(): void {
    const { bytesRead, bytesWritten } = this.#socket;
    const idle = bytesRead - this.useful - bytesWritten * WINDOW_SHARE;
    if (idle <= this.#accounted) return;
    this.#spend(this.#idleBytes, idle - this.#accounted);
    this.#accounted = idle;
  }

  /** Lets the client know, and goes when what it has begun, or is beginning, is done. */
  close(): void {
    if (this.#http2.destroyed || this.#http2.closed || this.#noticed !== Number.POSITIVE_INFINITY) return;
    if (this.#streams.size === 0) return this.#http2.close();
    this.#noticed = this.context.deadlines.now;
    // What is on its way to us is not told from what never came, unless it is let in (RFC 9113 §6.8).
    this.#http2.goaway(NGHTTP2_NO_ERROR, EVERY_STREAM);
  }

  abandon(): void {
    for (const stream of [...this.#streams]) stream.abandon();
    if (this.#http2.destroyed) this.#socket.destroy();
    else this.#http2.destroy();
  }

  #closed(): void {
    this.context.deadlines.delete(this);
    this.context.clients.delete(this);
    for (const stream of [...this.#streams]) stream.closed();
    this.#socket.destroy();
  }
}
