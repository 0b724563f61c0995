import { randomFrom } from '../../../bench/statistics.ts';

interface Event {
  readonly at: number;
  readonly order: number;
  readonly task: () => void;
}

/** When it begins, by the clock of Redis. */
export const EPOCH = Date.UTC(2026, 0, 1);

/**
 * Time and chance, the same for the same seed. What is to happen stands in a row, and nothing else happens: after each
 * event all promises have their turn before the next.
 */
export class World {
  /** Milliseconds since the beginning. */
  now = 0;
  readonly random: () => number;
  /** A heap by moment, and by order of coming at the same one. */
  readonly #events: Event[] = [];
  #order = 0;

  constructor(seed: number) {
    this.random = randomFrom(seed);
  }

  at(moment: number, task: () => void): void {
    const event = { at: Math.max(moment, this.now), order: this.#order++, task };
    const heap = this.#events;
    let i = heap.push(event) - 1;
    for (let up = (i - 1) >> 1; i > 0 && isBefore(event, heap[up]!); i = up, up = (i - 1) >> 1)
      heap[i] = heap[up]!;
    heap[i] = event;
  }

  /** Lets time pass. `seen` is called after each event. */
  async pass(ms: number, seen: () => void): Promise<void> {
    const end = this.now + ms;
    for (let next = this.#events[0]; next !== undefined && next.at <= end; next = this.#events[0]) {
      this.#shift();
      this.now = next.at;
      next.task();
      await settled();
      seen();
    }
    this.now = end;
  }

  chance(p: number): boolean {
    return this.random() < p;
  }

  /** From `least` to below `most`. */
  between(least: number, most: number): number {
    return least + this.random() * (most - least);
  }

  pick<T>(things: readonly T[]): T {
    return things[Math.floor(this.random() * things.length)]!;
  }

  /** By shares. */
  draw<T extends string>(shares: Readonly<Record<T, number>>): T {
    const names = Object.keys(shares) as T[];
    let left = this.random() * names.reduce((sum, name) => sum + shares[name], 0);
    for (const name of names) {
      left -= shares[name];
      if (left < 0) return name;
    }
    return names[0]!;
  }

  #shift(): void {
    const heap = this.#events;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let i = 0;
    for (;;) {
      let down = 2 * i + 1;
      if (down >= heap.length) break;
      if (down + 1 < heap.length && isBefore(heap[down + 1]!, heap[down]!)) down++;
      if (!isBefore(heap[down]!, last)) break;
      heap[i] = heap[down]!;
      i = down;
    }
    heap[i] = last;
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

/** Everything that waits for nothing but promises has happened. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
