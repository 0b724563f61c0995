import type { Marked } from '../analysis/evidence.ts';
import { middleValue, type ValueScale, valueMark, valueScale } from '../analysis/value.ts';

/** Values of the baseline that it takes to know what is usual. */
const ENOUGH = 50;

/**
 * What is usual for one business value, by those of the baseline. It is frozen before anything is judged by
 * it: an epoch begins with what the one before has shown; where that is too little, the first values of the
 * epoch show it, and are themselves not judged. Either way it depends on the past alone, as a bet has to.
 */
export class Usual {
  readonly #worse: ValueScale['worse'];
  readonly #counts = new Map<number, number>();
  #scale: ValueScale | undefined;

  /** `before`: the same of the epoch before. */
  constructor(worse: ValueScale['worse'], before?: Usual) {
    this.#worse = worse;
    this.#scale = before?.next;
  }

  /** The marks of values, which are given by bucket; none while nobody knows what is usual. */
  mark(values: Marked): Marked {
    const scale = this.#scale;
    if (scale === undefined) return [];
    return values.map(([bucket, canary, all]) => [valueMark(middleValue(bucket), scale), canary, all]);
  }

  /** From now on these are known. To be called when all that came with them is marked. */
  learn(values: Marked): void {
    for (const [bucket, canary, all] of values)
      if (all > canary) this.#counts.set(bucket, (this.#counts.get(bucket) ?? 0) + all - canary);
    this.#scale ??= this.#shown();
  }

  /** What the next epoch has to begin with. */
  get next(): ValueScale | undefined {
    return this.#shown() ?? this.#scale;
  }

  #shown(): ValueScale | undefined {
    const counts = [...this.#counts];
    const total = counts.reduce((sum, [, count]) => sum + count, 0);
    return total < ENOUGH ? undefined : valueScale(counts, this.#worse);
  }
}
