/** Something that must not go on for ever. `deadline` is in monotonic ms; Infinity while there is none. */
export interface Expiring {
  readonly deadline: number;
  /** Called by a sweep that finds the deadline passed. */
  expire(): void;
}

/**
 * Deadlines of thousands of connections without a timer each: setting one is storing a number, and a sweep a
 * few times a second looks at them all. They count from the last sweep, which may be nearly one period ago,
 * so a period is added: they are late by up to two, never early while sweeps come in time.
 */
export class Deadlines {
  /** The time of the last sweep or look at the clock, monotonic ms: what deadlines are counted from, for free. */
  now: number;
  readonly #period: number;
  readonly #items = new Set<Expiring>();

  /** `period`: ms from sweep to sweep. */
  constructor(now: number, period: number) {
    this.now = now;
    this.#period = period;
  }

  add(item: Expiring): void {
    this.#items.add(item);
  }

  delete(item: Expiring): void {
    this.#items.delete(item);
  }

  /** The deadline `ms` from now. */
  in(ms: number): number {
    return this.now + ms + this.#period;
  }

  sweep(now: number): void {
    this.now = now;
    for (const item of this.#items) if (item.deadline <= now) item.expire();
  }
}
