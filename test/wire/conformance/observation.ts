import type { Disagreement } from './agreement.ts';
import { values } from './lines.ts';
import type { Reading, Request, Response, Unfinished } from './messages.ts';
import type { Surplus } from './origin.ts';

/** A harmless request and what came back. */
export interface Asked {
  readonly nonce: string;
  /** The nonce in the answer: whose answer it is. */
  readonly answered: string | undefined;
  readonly status: number | undefined;
  readonly refused: boolean;
}

/** What reached the origin. */
export interface Forwarded {
  /** Requests of the case, that is, none of the harmless ones. */
  readonly requests: readonly Request[];
  readonly unfinished: Unfinished | undefined;
  readonly surplus: readonly Surplus[];
  /** Why the strict reader refuses it. */
  readonly fault: string | undefined;
  readonly disagreements: readonly Disagreement[];
}

/** What the client was given. */
export interface Given {
  readonly bytes: string;
  /** As a lax reader sees it. */
  readonly reading: Reading<Response>;
  /** As the strict reader sees it, and where the lax ones differ. */
  readonly strict: Reading<Response>;
  readonly disagreements: readonly Disagreement[];
  readonly closed: boolean;
  readonly reset: boolean;
}

export interface Observation {
  readonly nonce: string;
  readonly forwarded: Forwarded;
  readonly given: Given;
  /** A further request on the same connection. */
  readonly follow: Asked | undefined;
  /** A request on a connection of its own, which may share one to the origin. */
  readonly victim: Asked;
  /** Whether the proxy listened without a break, and still answers. */
  readonly alive: boolean;
}

/** The real answers among all that came. */
export function finals(reading: Reading<Response>): readonly Response[] {
  return reading.messages.filter((message) => !message.interim);
}

export function isRight(asked: Asked | undefined): boolean {
  return asked !== undefined && asked.answered === asked.nonce;
}

/** The nonce in an answer of the origin: whose answer it is. */
export function nonceOf(answer: Response): string | undefined {
  return values(answer.fields, 'x-nonce')[0] || undefined;
}
