import type { Service } from '../model/state.ts';

/** What a service says of it. */
export interface Leaving {
  readonly split: Pick<Service['split'], 'cause'>;
  readonly streams?: Service['streams'];
}

/**
 * When the streams of a version that lost its weight end: after a rollback from now on, after a shift of weight
 * only once they have had time to end by themselves; then evenly over a while, so that their clients do not all
 * come back at once. Times in monotonic ms.
 */
export class Departure {
  readonly rolledBack: boolean;
  /** There is nothing left to close. */
  done = false;
  readonly #from: number;
  readonly #until: number;
  #last: number;
  #owed = 0;

  constructor({ split, streams }: Leaving, now: number) {
    const { evictOver = 10_000, drainFor = 3_600_000 } = streams ?? {};
    this.rolledBack = split.cause === 'rollback';
    this.#from = this.rolledBack ? now : now + drainFor;
    this.#until = this.#from + evictOver;
    this.#last = this.#from;
  }

  begun(now: number): boolean {
    return now >= this.#from && !this.done;
  }

  over(now: number): boolean {
    return now >= this.#until;
  }

  /** How many of the streams that are left are to be closed now. */
  due(left: number, now: number): number {
    if (this.over(now)) return left;
    // Of the time that was left when this was last asked, so much has gone by.
    this.#owed += (left * (now - this.#last)) / (this.#until - this.#last);
    this.#last = now;
    const due = Math.floor(this.#owed);
    this.#owed -= due;
    return due;
  }
}
