import { patiently } from '../support/patience.ts';

/** Counts things that happen, by name, for those who wait for them instead of for the clock. */
export class Tally {
  readonly #counts = new Map<string, number>();
  #waiting: { name: string; count: number; resolve: () => void }[] = [];

  add(name: string): void {
    this.#counts.set(name, this.of(name) + 1);
    const met = this.#waiting.filter((each) => this.of(each.name) >= each.count);
    this.#waiting = this.#waiting.filter((each) => this.of(each.name) < each.count);
    for (const each of met) each.resolve();
  }

  of(name: string): number {
    return this.#counts.get(name) ?? 0;
  }

  /** Resolves once it has happened `count` times. */
  reach(name: string, count: number): Promise<void> {
    if (this.of(name) >= count) return Promise.resolve();
    return patiently(`"${name}" ${count} times`, (resolve) => this.#waiting.push({ name, count, resolve }));
  }
}
