import type { Clock } from '../../src/base/clock.ts';

/** A clock that stands still until it is wound. */
export class HandClock implements Clock {
  #elapsed = 0;

  /** Noon of the first day of 2026, and what has been wound since. */
  now(): number {
    return Date.UTC(2026, 0, 1, 12) + this.#elapsed;
  }

  monotonic(): number {
    return this.#elapsed;
  }

  wind(ms: number): void {
    this.#elapsed += ms;
  }
}
