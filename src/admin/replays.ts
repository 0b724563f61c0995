import { createHash } from 'node:crypto';
import type { Clock } from '../base/clock.ts';
import { Problem, problemOf } from './problem.ts';

interface Kept<T> {
  readonly fingerprint: string;
  readonly answer: Promise<T>;
  /** Monotonic milliseconds. */
  readonly until: number;
}

/** Answers kept per Idempotency-Key at most. The oldest go first. */
const MOST = 10_000;
/** How long an answer is kept, in milliseconds: a day. */
const KEPT = 24 * 60 * 60 * 1000;

/**
 * The answers already given, by the client's Idempotency-Key (draft-ietf-httpapi-idempotency-key-header-07),
 * so that a client who never got the answer may send the same request again without asking for it twice.
 * Refusals are answers too. A failure on our side is none: nothing was done, and the key may be used again.
 */
export class Replays<T> {
  readonly #kept = new Map<string, Kept<T>>();
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Does the work, unless it was done, or is being done, for the same key: then its answer is given again.
   * Throws a 422 if the key was used for a request with another fingerprint.
   */
  async once(
    key: string,
    fingerprint: string,
    work: () => Promise<T>,
  ): Promise<{ answer: T; replayed: boolean }> {
    const now = this.#clock.monotonic();
    const known = this.#kept.get(key);
    if (known !== undefined && known.until > now) {
      if (known.fingerprint !== fingerprint)
        throw new Problem(422, `The Idempotency-Key "${key}" was used for another request; take a new one.`, {
          kind: 'key-reused',
        });
      return { answer: await known.answer, replayed: true };
    }
    this.#kept.delete(key);
    this.#forgetOld(now);
    const kept = { fingerprint, answer: work(), until: now + KEPT };
    this.#kept.set(key, kept);
    try {
      return { answer: await kept.answer, replayed: false };
    } catch (err) {
      if (problemOf(err).status >= 500 && this.#kept.get(key) === kept) this.#kept.delete(key);
      throw err;
    }
  }

  /** Keys stand in the order they came in, so those to go are in front. */
  #forgetOld(now: number): void {
    for (const [key, { until }] of this.#kept) {
      if (until > now && this.#kept.size < MOST) return;
      this.#kept.delete(key);
    }
  }
}

/** The key in an Idempotency-Key header, in quotes as the draft wants it or bare as most send it. */
export function idempotencyKey(header: string | undefined): string | undefined {
  if (header === undefined) return undefined;
  const key = /^("?)([!#-[\]-~]{1,255})\1$/.exec(header)?.[2];
  if (key === undefined)
    throw new Problem(400, 'Idempotency-Key must be 1 to 255 visible ASCII characters, such as a UUID.');
  return key;
}

/** What makes two requests the same. */
export function fingerprintOf(...parts: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('base64');
}
