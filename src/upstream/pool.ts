import type { Deadlines } from '../base/deadlines.ts';
import type { Log } from '../base/log.ts';
import type { HeadLimits } from '../http/head.ts';
import { type Address, formatAddress } from '../model/address.ts';
import type { Asker } from './asker.ts';
import type { Channel } from './channel.ts';
import { UpstreamConnection } from './connection.ts';
import { isOurLack } from './lack.ts';
import type { Security } from './security.ts';
import { UpstreamSession } from './session.ts';

export interface PoolLimits {
  /** Connections to the endpoint, of this process. */
  readonly connections: number;
  /** Requests that may be under way. */
  readonly requests: number;
  /** Requests that may wait for one. */
  readonly pending: number;
}

/** Limits on one connection to an endpoint. */
export interface WireLimits extends HeadLimits {
  /** Bytes of a request that may wait to be written. */
  readonly bufferBytes: number;
}

/** An endpoint that refused a connection is left alone this long while there are others, ms. */
const AVOID = 1000;

/**
 * The connections to one endpoint. It belongs to the address, not to a table: open sockets and what was
 * learnt of a server should not be forgotten when a percentage moves, so a pool outlives every table that
 * names it until its last exchange ends.
 */
export class Pool {
  readonly address: Address;
  /** The address as it is written. */
  readonly name: string;
  /** Undefined if the endpoint speaks plainly. */
  readonly security: Security | undefined;
  /** So many faults in a row are told at once. */
  alarmAt = Number.POSITIVE_INFINITY;
  /** Whom they are told. */
  alarm: () => void = () => {};
  readonly deadlines: Deadlines;
  readonly log: Log;
  limits: WireLimits;
  pooling: PoolLimits;
  /** Exchanges that have or await a connection: what load is measured by. */
  load = 0;
  #avoidUntil = Number.NEGATIVE_INFINITY;
  #requests = 0;
  #errors = 0;
  #streak = 0;
  #used = true;
  #open = 0;
  #retired = false;
  readonly #idle: UpstreamConnection[] = [];
  /** HTTP/2 is spoken there, over these connections. */
  readonly #http2: boolean;
  readonly #sessions: UpstreamSession[] = [];
  /** Those who wait, first come first, and the PROXY header that each needs. */
  readonly #waiting = new Map<Asker, string>();

  constructor(
    address: Address,
    deadlines: Deadlines,
    limits: WireLimits,
    pooling: PoolLimits,
    log: Log,
    security?: Security,
    http2 = false,
  ) {
    this.address = address;
    this.name = formatAddress(address);
    this.security = security;
    this.#http2 = http2;
    this.deadlines = deadlines;
    this.limits = limits;
    this.pooling = pooling;
    this.log = log;
  }

  /** Whether the endpoint refused a connection a moment ago. */
  get avoided(): boolean {
    return this.deadlines.now < this.#avoidUntil;
  }

  /** Connections that are open, or about to be. */
  get open(): number {
    return this.#open;
  }

  /** Nothing open, nobody waiting. */
  get quiet(): boolean {
    return this.#open === 0 && this.#waiting.size === 0;
  }

  /**
   * A connection for a request: an idle one, or a new one (`fresh` insists on that), which sends as soon as
   * it is connected. Undefined when as many are open as may be: the asker can `enqueue`. `introduction`: the PROXY
   * header that the connection must have begun with.
   */
  take(connectTimeout: number, fresh: boolean, introduction = ''): Channel | undefined {
    if (this.#http2) return this.#stream(connectTimeout, fresh, introduction);
    const idle = fresh ? undefined : this.#reusable(introduction);
    if (idle !== undefined) return idle;
    if (this.#open >= this.#most) {
      // It would be of use to others at best; and it counts until it is gone, so that nobody else takes its place.
      const oldest = this.#idle.shift();
      if (oldest === undefined) return undefined;
      this.#open++;
      oldest.destroy();
    } else {
      this.#open++;
    }
    return new UpstreamConnection(this, connectTimeout, introduction);
  }

  /** The idle connection used last of those that began so. */
  #reusable(introduction: string): UpstreamConnection | undefined {
    const last = this.#idle.pop();
    if (last === undefined || last.introduction === introduction) return last;
    this.#idle.push(last);
    const index = this.#idle.findLastIndex((each) => each.introduction === introduction);
    return index < 0 ? undefined : this.#idle.splice(index, 1)[0];
  }

  /** A connection of HTTP/1.1 has one request at a time. */
  get #most(): number {
    return Math.min(this.pooling.connections, this.pooling.requests);
  }

  /**
   * A stream of the first connection that has room; `fresh`: one on which nothing was sent yet. Requests that lost
   * their connection together meet again on the next one.
   */
  #stream(connectTimeout: number, fresh: boolean, introduction: string): Channel | undefined {
    if (this.#streams >= this.pooling.requests) return undefined;
    let session = this.#sessions.find(
      (each) =>
        each.introduction === introduction && each.room && !(fresh && each.connected && each.requests > 0),
    );
    if (session === undefined) {
      if (this.#open >= this.pooling.connections && !this.#evict()) return undefined;
      this.#open++;
      session = new UpstreamSession(this, connectTimeout, introduction);
      this.#sessions.push(session);
    }
    return session.open();
  }

  /** Gives up an HTTP/2 connection that has nothing to do: the oldest one. */
  #evict(): boolean {
    const oldest = this.#sessions.find(({ idle }) => idle);
    if (oldest === undefined) return false;
    this.#forgo(oldest);
    oldest.destroy();
    return true;
  }

  #forgo(session: UpstreamSession): boolean {
    const index = this.#sessions.indexOf(session);
    if (index < 0) return false;
    this.#open--;
    this.#sessions.splice(index, 1);
    return true;
  }

  get #streams(): number {
    let load = 0;
    for (const session of this.#sessions) load += session.load;
    return load;
  }

  /** There is room for another stream. */
  roomIn(): void {
    if (this.#retired && this.#waiting.size === 0) return this.#closeSessions();
    this.#grant();
  }

  sessionLost(session: UpstreamSession): void {
    if (this.#forgo(session)) this.#grant();
  }

  #closeSessions(): void {
    for (const session of [...this.#sessions]) session.close();
  }

  /** Lets an asker wait until it is `granted` another try. False when too many wait already. */
  enqueue(asker: Asker, introduction = ''): boolean {
    if (this.#waiting.size >= this.pooling.pending) return false;
    this.#waiting.set(asker, introduction);
    return true;
  }

  /** The asker waits no longer. */
  forget(asker: Asker): void {
    this.#waiting.delete(asker);
  }

  /** A connection has nothing to do. */
  free(connection: UpstreamConnection): void {
    if (this.#retired && this.#waiting.size === 0) return connection.destroy();
    this.#idle.push(connection);
    this.#grant();
  }

  /** A connection is gone; its place may be somebody else's. */
  lost(connection: UpstreamConnection): void {
    this.#open--;
    const index = this.#idle.indexOf(connection);
    if (index >= 0) this.#idle.splice(index, 1);
    this.#grant();
  }

  reached(): void {
    this.#avoidUntil = Number.NEGATIVE_INFINITY;
  }

  unreachable(cause: Error | undefined): void {
    // It was not even tried.
    if (isOurLack(cause)) return;
    if (!this.avoided)
      this.log.warn(
        { endpoint: this.name, cause: cause?.message ?? 'timeout' },
        'endpoint cannot be connected to',
      );
    this.#avoidUntil = this.deadlines.now + AVOID;
  }

  /** A request was answered to its end. */
  served(status: number): void {
    this.#requests++;
    if (status >= 500) this.#errors++;
    if (status < 502 || status > 504) this.#streak = 0;
    else if (++this.#streak === this.alarmAt) this.alarm();
  }

  /** A request was not answered, or not to its end, and that was the endpoint's doing. */
  faulted(): void {
    this.#requests++;
    this.#errors++;
    if (++this.#streak === this.alarmAt) this.alarm();
  }

  /** What came of requests since the last call; undefined if there were none. */
  outcomes(): { readonly requests: number; readonly errors: number; readonly streak: number } | undefined {
    if (this.#requests === 0) return undefined;
    const outcomes = { requests: this.#requests, errors: this.#errors, streak: this.#streak };
    this.#requests = 0;
    this.#errors = 0;
    return outcomes;
  }

  /** Whether requests are sent here. What was met before a change says nothing of what is met after it. */
  use(used: boolean): void {
    if (used !== this.#used) this.#streak = 0;
    this.#used = used;
  }

  /** No table names it any more: idle connections close, busy ones when they are done. */
  retire(): void {
    this.#retired = true;
    this.rest();
    this.#closeSessions();
  }

  /** Whoever this PROXY header tells of has gone: nobody can use what began with it. */
  dismiss(introduction: string): void {
    for (const connection of this.#idle.filter((each) => each.introduction === introduction))
      connection.destroy();
    for (const session of this.#sessions) if (session.introduction === introduction) session.dismiss();
  }

  /** Closes the connections that have nothing to do. */
  rest(): void {
    for (const connection of [...this.#idle]) connection.destroy();
  }

  /** Leaves whatever is open, at once. */
  destroy(): void {
    this.rest();
    for (const session of [...this.#sessions]) session.destroy();
  }

  /** A table names it again. */
  revive(): void {
    this.#retired = false;
  }

  /** Lets those who wait have what there is, the first one first. */
  #grant(): void {
    let left = this.#waiting.size;
    if (left === 0) return;
    for (const [asker, introduction] of this.#waiting) {
      // Whoever comes to nothing waits again, behind all others.
      if (left-- === 0 || this.#full) return;
      if (this.#http2 && !this.#fits(introduction)) continue;
      this.#waiting.delete(asker);
      asker.granted();
    }
  }

  /** Whether no request can be sent, whosever it is. */
  get #full(): boolean {
    if (!this.#http2) return this.#idle.length === 0 && this.#open >= this.#most;
    if (this.#streams >= this.pooling.requests) return true;
    return this.#open >= this.pooling.connections && !this.#sessions.some(({ idle, room }) => idle || room);
  }

  /** Whether there is a stream for such a request, while it is not all full. */
  #fits(introduction: string): boolean {
    if (this.#open < this.pooling.connections) return true;
    return this.#sessions.some((each) => each.idle || (each.room && each.introduction === introduction));
  }
}
