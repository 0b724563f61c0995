/** So many at once, and so many a second after that: what somebody may do who does it for a reason (a token bucket). */
export class Allowance {
  readonly #burst: number;
  readonly #perSecond: number;
  #left: number;
  #since: number;

  /** `now`: monotonic ms. */
  constructor(burst: number, perSecond: number, now: number) {
    this.#burst = burst;
    this.#perSecond = perSecond;
    this.#left = burst;
    this.#since = now;
  }

  /** Uses up `amount` of it. False if that was more than is left. */
  take(amount: number, now: number): boolean {
    const grown = ((now - this.#since) / 1000) * this.#perSecond;
    this.#since = now;
    this.#left = Math.min(this.#burst, this.#left + grown) - amount;
    return this.#left >= 0;
  }
}
