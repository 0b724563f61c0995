import type { Asker, End } from './asker.ts';

/** Times and limits of one request, in ms and bytes, as its service has them. */
export interface UpstreamTerms {
  readonly connect: number;
  readonly head: number;
  readonly body: number;
  readonly keepAlive: number;
}

/**
 * A request as it is sent: what is asked, without anything that belongs to the wire. It is written over by the
 * asker's next one, so a channel reads it within `ask` and keeps none of it.
 */
export interface Question {
  /** Request line and fields, canonical, as HTTP/1.1; content-length among them, other framing and Connection not. */
  lines: string;
  /** There is a body whose length the lines do not tell. */
  chunked: boolean;
  /** What has come of the body, as latin1. */
  payload: string;
  /** Whether that was all of it. */
  end: End;
  /** The method is HEAD, so the answer has no body whatever it says. */
  headOnly: boolean;
  /** The client waits for 100 Continue before it sends the rest. */
  expects: boolean;
  /** The protocols asked for, as they were written; undefined if none. */
  upgrade: string | undefined;
}

/** The way to an endpoint and back for one request: a connection of its own, or a stream of a shared one. */
export interface Channel {
  /** Whether it is connected, so that what is written is on its way. */
  readonly connected: boolean;
  /** Whether it has served a request before: then it may have gone stale without our knowing. */
  readonly reused: boolean;
  ask(asker: Asker, terms: UpstreamTerms, question: Readonly<Question>): void;
  /** More of the request's body, or of a tunnel. False when more waits to be written than may: then wait for `writable`. */
  write(buffer: Buffer, from: number, to: number, end: End): boolean;
  /** Reads no more of the answer until `resume`. */
  pause(): void;
  resume(): void;
  /** The other side of a tunnel has said its last. */
  finish(): void;
  /** Ends it; the asker is told nothing. */
  destroy(): void;
}
