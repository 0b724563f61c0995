/** Something that must not go on for ever. `deadline` is in monotonic ms; Infinity while there is none. */
export interface Expiring {
  readonly deadline: number;
  /** Called by a sweep that finds the deadline passed. */
  expire(): void;
}

/**
 * Deadlines of thousands of connections without a timer each: setting one is storing a number, and a sweep a
 * few times a second looks at them all. So they are late by up to one sweep, never early.
 */
export class Deadlines {
  /** The time of the last sweep, monotonic ms: good enough to count deadlines from, and free. */
  now: number;
  readonly #items = new Set<Expiring>();

  constructor(now: number) {
    this.now = now;
  }

  add(item: Expiring): void {
    this.#items.add(item);
  }

  delete(item: Expiring): void {
    this.#items.delete(item);
  }

  /** The deadline `ms` from now. */
  in(ms: number): number {
    return this.now + ms;
  }

  sweep(now: number): void {
    this.now = now;
    for (const item of this.#items) if (item.deadline <= now) item.expire();
  }
}
