import type { ProxyProtocol } from '../model/tls.ts';
import type { End } from '../upstream/asker.ts';
import type { Pool } from '../upstream/pool.ts';
import type { Standing } from './context.ts';

/**
 * Whose request an exchange has: an HTTP/1.1 connection, or a stream of an HTTP/2 one. The exchange says what
 * is answered, as canonical lines (`name: value\r\n`, latin1, after a status line) and pieces of a body; how
 * that is framed, and whether anything comes after it, is the requester's own.
 */
export interface Requester {
  /** The peer's address; `unknown` on a Unix socket. */
  readonly address: string;
  /** Whether the peer's X-Forwarded-* and X-Request-Id are believed. */
  readonly trusted: boolean;
  /** What its fields may say. */
  readonly standing: Standing;
  /** https or http, as it goes to endpoints. */
  readonly scheme: string;
  /** What endpoints are told of a client that may not speak for itself, as lines. */
  readonly forwarded: string;
  /** What endpoints are told of the client's certificate, as lines; mostly empty. Part of `forwarded`. */
  readonly credential: string;
  /** The port of https that every request is sent to; undefined if they are served. */
  readonly httpsRedirect: number | undefined;
  /** The line that is added to answers without Strict-Transport-Security; mostly empty. */
  readonly hsts: string;
  /** The PROXY header that tells an endpoint of the client's connection, on a connection of this pool. */
  introduction(version: ProxyProtocol, pool: Pool): string;
  /** The address the client connected to: what a request without a host can only have meant. */
  readonly localHost: string;
  /** Whether the request has been read to its end. */
  readonly requestRead: boolean;
  /** Whether it speaks gRPC, and so takes no answer but one of that kind. */
  readonly grpc: boolean;

  // ---- the request

  /** Reads no more of the request's body until `resume`: whoever it goes to has no room. */
  pause(): void;
  resume(): void;
  /** The exchange waits in a queue, for `ms` at most; 0 when it waits no more. Then `Exchange.expired`. */
  waitFor(ms: number): void;

  // ---- the answer: each says false when more waits to be written than may; then wait for `Exchange.drained`

  interim(lines: string): void;
  /**
   * The head of the answer, and buffer[from, to) of its body. `framed`: the lines tell where the body ends, or
   * there is none. `last`: whatever follows the request on this connection may not be another.
   */
  answer(
    lines: string,
    framed: boolean,
    last: boolean,
    buffer: Buffer,
    from: number,
    to: number,
    end: End,
  ): boolean;
  /** More of the body. */
  more(buffer: Buffer, from: number, to: number, end: End): boolean;
  /** The endpoint agreed to `protocol`: from now on bytes are passed as they are. */
  upgraded(lines: string, protocol: string, buffer: Buffer, from: number, to: number): boolean;
  /** An answer of our own, whole. `last` as in `answer`. */
  reply(lines: string, body: string, last: boolean): void;

  // ---- the end, after which the exchange belongs to somebody else

  /** The answer is complete. */
  done(): void;
  /** The other side of a tunnel has ended. */
  finish(): void;
  /** Breaks the answer off so that the client can tell. */
  cut(): void;
}
