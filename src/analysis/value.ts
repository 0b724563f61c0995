import { standardise } from './latency.ts';

/**
 * Buckets of a business value: log-spaced, 1 % wide, from a millionth to a million million, the same again
 * below nothing, and one for nothing itself. A bet needs a mark, not a measurement.
 */
const FIRST = 1e-6;
const LAST = 1e12;
const WIDTH = Math.log(1.01);
const A_SIDE = Math.ceil(Math.log(LAST / FIRST) / WIDTH);
const NOTHING = A_SIDE;
export const VALUE_BUCKETS = 2 * A_SIDE + 1;

/** Counts of values: `[bucket, count]` pairs, one a bucket, in any order. */
export type ValueCounts = readonly (readonly [bucket: number, count: number])[];

export function valueBucket(value: number): number {
  const size = Math.abs(value);
  if (size < FIRST) return NOTHING;
  const place = 1 + Math.min(A_SIDE - 1, Math.floor(Math.log(size / FIRST) / WIDTH));
  return value > 0 ? NOTHING + place : NOTHING - place;
}

/** The middle of a bucket. */
export function middleValue(bucket: number): number {
  const place = bucket - NOTHING;
  return place === 0 ? 0 : Math.sign(place) * FIRST * Math.exp((Math.abs(place) - 0.5) * WIDTH);
}

/** The longest that a number may be written. */
const LONGEST = 24;

/**
 * The number that a text is: digits, at most a sign before and a point between them. Whatever else some
 * reader would take for a number (exponents, hex, infinity, nothing at all) is none: undefined.
 */
export function readValue(text: string): number | undefined {
  if (text.length > LONGEST || !/^-?\d+(\.\d+)?$/.test(text)) return undefined;
  const value = Number(text);
  return Math.abs(value) <= LAST ? value : undefined;
}

/** The usual values of a business metric, from stable, frozen. Chooses bets, need not be right. */
export interface ValueScale {
  /** The median. */
  readonly mu: number;
  /** Half of the 16 to 84 % range, and no less than a bucket is wide. */
  readonly sigma: number;
  readonly worse: 'higher' | 'lower';
}

/** The scale of counts; undefined when nothing was counted. */
export function valueScale(counts: ValueCounts, worse: ValueScale['worse']): ValueScale | undefined {
  const sorted = counts.filter(([, count]) => count > 0).sort(([a], [b]) => a - b);
  const total = sorted.reduce((sum, [, count]) => sum + count, 0);
  if (total === 0) return undefined;
  const at = (q: number): number => {
    let below = 0;
    const found = sorted.find(([, count]) => {
      below += count;
      return below >= q * total;
    });
    return middleValue((found ?? sorted.at(-1)!)[0]);
  };
  const mu = at(0.5);
  const sigma = Math.max((at(0.84) - at(0.16)) / 2, Math.abs(mu) * Math.expm1(WIDTH), FIRST);
  return { mu, sigma, worse };
}

/** A value's mark: positive is worse, clipped at 3. */
export function valueMark(value: number, { mu, sigma, worse }: ValueScale): number {
  const mark = standardise(value, mu, sigma);
  return worse === 'higher' ? mark : -mark;
}
