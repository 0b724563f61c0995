import type { Head } from '../http/head.ts';
import type { Fault } from '../model/fault.ts';

/** Whether that was all: undefined if not, else the trailer lines to pass on, which are nearly always ''. */
export type End = string | undefined;

/**
 * Whoever sent a request to an endpoint and wants the answer: the attempts of `proxy/`, one floor up.
 * Positions are in the buffer given, which is good only until the call returns.
 */
export interface Asker {
  /** A request that had to wait for a connection may take one now. */
  granted(): void;
  /** An interim answer, 1xx but 101. */
  interim(buffer: Buffer, head: Head): void;
  /** The head of the answer, with what of its body has come: buffer[from, to). */
  answer(buffer: Buffer, head: Head, from: number, to: number, end: End): void;
  /** More of the body. */
  more(buffer: Buffer, from: number, to: number, end: End): void;
  /** The endpoint agreed to the upgrade; from now on every byte goes through `more`. */
  upgraded(buffer: Buffer, head: Head, from: number, to: number): void;
  /** No answer, or no more of it. The connection is gone. */
  failed(fault: Fault): void;
  /** Connected, or what was written has drained: there is room for more of the request. */
  writable(): void;
}
