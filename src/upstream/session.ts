import http2 from 'node:http2';
import type net from 'node:net';
import type { Expiring } from '../base/deadlines.ts';
import { FAULTS, type Fault } from '../model/fault.ts';
import { dial } from './dial.ts';
import { isOurLack } from './lack.ts';
import type { Pool } from './pool.ts';
import { UpstreamStream } from './stream.ts';

/** Streams that may be under way until the endpoint has said how many (RFC 9113 §6.5.2 recommends no fewer). */
const UNTIL_TOLD = 100;
/** However many the endpoint allows, a connection is given no more. */
const MOST_STREAMS = 1000;
/** What all answers of a connection together may send before somebody reads them, and each of them. */
const CONNECTION_WINDOW = 1 << 20;
const STREAM_WINDOW = 1 << 18;

/** A connection that has nothing more to do has so many ms to be closed from both ends. */
const FAREWELL = 1000;

/** One HTTP/2 connection to an endpoint: as many requests at once as the endpoint allows. */
export class UpstreamSession implements Expiring {
  readonly pool: Pool;
  readonly http2: http2.ClientHttp2Session;
  /** The PROXY header it began with; mostly empty. */
  readonly introduction: string;
  connected = false;
  /** Requests that have been sent on it. */
  requests = 0;
  deadline: number;
  readonly #socket: net.Socket;
  readonly #streams = new Set<UpstreamStream>();
  #most = UNTIL_TOLD;
  #leaving = false;
  /** The client that it was opened for has gone. */
  #dismissed = false;
  #cause: Error | undefined;
  /** Connected, and hands are being shaken. */
  #shaking = false;

  constructor(pool: Pool, connectTimeout: number, introduction: string) {
    this.pool = pool;
    this.introduction = introduction;
    this.deadline = pool.deadlines.in(connectTimeout);
    const { headBytes, headers } = pool.limits;
    const { address, security } = pool;
    const socket = dial(address, { security, protocol: 'h2', introduction });
    this.#socket = socket;
    socket.on('connect', () => {
      this.#shaking = security !== undefined;
    });
    this.http2 = http2.connect(`${this.scheme}://endpoint`, {
      createConnection: () => socket,
      maxHeaderListPairs: headers + 8,
      settings: {
        enablePush: false,
        initialWindowSize: STREAM_WINDOW,
        maxHeaderListSize: headBytes + 32 * headers,
      },
    });
    this.http2.on('connect', () => this.#connected());
    this.http2.on('remoteSettings', ({ maxConcurrentStreams = UNTIL_TOLD }) => {
      this.#most = Math.min(maxConcurrentStreams, MOST_STREAMS);
      this.pool.roomIn();
    });
    this.http2.on('goaway', () => {
      this.#leaving = true;
    });
    this.http2.on('error', (error) => {
      this.#cause = error;
    });
    this.http2.on('close', () => this.#closed());
    pool.deadlines.add(this);
  }

  get scheme(): string {
    return this.pool.security === undefined ? 'http' : 'https';
  }

  /** Whether one more request may be sent on it. */
  get room(): boolean {
    return !this.#leaving && !this.http2.closed && !this.http2.destroyed && this.#streams.size < this.#most;
  }

  /** Requests under way. */
  get load(): number {
    return this.#streams.size;
  }

  /** Whether it is there and has nothing to do. */
  get idle(): boolean {
    return this.connected && this.#streams.size === 0;
  }

  /** Whether the endpoint can still be heard. */
  get lost(): boolean {
    return this.http2.destroyed;
  }

  /** A stream for one request. */
  open(): UpstreamStream {
    const stream = new UpstreamStream(this);
    this.#streams.add(stream);
    if (this.connected) this.deadline = Number.POSITIVE_INFINITY;
    return stream;
  }

  /** A stream is over. `keepAlive`: how long an idle connection is kept, ms. */
  left(stream: UpstreamStream, keepAlive: number): void {
    if (!this.#streams.delete(stream)) return;
    if (this.#streams.size === 0 && this.connected) {
      if (this.#dismissed) this.close();
      else this.deadline = this.pool.deadlines.in(this.#leaving ? FAREWELL : keepAlive);
    }
    this.pool.roomIn();
  }

  /** Why a stream that got no answer got none. */
  get fault(): Fault {
    if (this.connected) return FAULTS.reset;
    if (isOurLack(this.#cause)) return FAULTS.exhausted;
    return this.#shaking ? FAULTS.insecure : FAULTS.refused;
  }

  expire(): void {
    // One that is frozen does not say farewell.
    if (this.connected) return this.#leaving ? this.destroy() : this.close();
    const streams = [...this.#streams];
    this.#streams.clear();
    this.pool.unreachable(undefined);
    this.http2.destroy();
    for (const stream of streams) stream.fail(FAULTS.connectTimeout);
  }

  /** Goes as soon as it has nothing to do. */
  dismiss(): void {
    this.#dismissed = true;
    if (this.idle) this.close();
  }

  /** Takes no more requests, and goes when those under way are done. */
  close(): void {
    this.#leaving = true;
    if (this.#streams.size === 0) this.deadline = this.pool.deadlines.in(FAREWELL);
    this.http2.close();
  }

  /** Goes at once. */
  destroy(): void {
    this.#leaving = true;
    this.#socket.destroy();
  }

  #connected(): void {
    this.connected = true;
    this.deadline = Number.POSITIVE_INFINITY;
    this.http2.setLocalWindowSize(CONNECTION_WINDOW);
    this.pool.reached();
    for (const stream of this.#streams) stream.drained();
    // Whoever it was opened for did not wait for it.
    if (this.idle) this.close();
  }

  #closed(): void {
    this.#leaving = true;
    this.pool.deadlines.delete(this);
    if (!this.connected) this.pool.unreachable(this.#cause);
    for (const stream of [...this.#streams]) stream.closed();
    this.pool.sessionLost(this);
  }
}
