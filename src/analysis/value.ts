import { standardise } from './latency.ts';

/** The usual values of a business metric, from stable, frozen before the step. Chooses bets, need not be right. */
export interface ValueScale {
  /** The median. */
  readonly mu: number;
  /** Half of the 16 to 84 % range. */
  readonly sigma: number;
  readonly worse: 'higher' | 'lower';
}

/** The scale of a sample; undefined if it shows no spread, as nothing can then be standardised. */
export function valueScale(sample: readonly number[], worse: ValueScale['worse']): ValueScale | undefined {
  const sorted = sample.filter(Number.isFinite).sort((a, b) => a - b);
  const at = (q: number): number => sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)]!;
  if (sorted.length === 0) return undefined;
  const sigma = (at(0.84) - at(0.16)) / 2;
  return sigma > 0 ? { mu: at(0.5), sigma, worse } : undefined;
}

/** A value's mark: positive is worse, clipped at 3. */
export function valueMark(value: number, { mu, sigma, worse }: ValueScale): number {
  const mark = standardise(value, mu, sigma);
  return worse === 'higher' ? mark : -mark;
}
