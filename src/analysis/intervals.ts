import { logBeta } from './gamma.ts';
import { logSumExp } from './logs.ts';

/**
 * What is shown beside a verdict, and never decides one. All three hold at every look at once, for
 * independent units (Robbins 1970; Howard & Ramdas 2022).
 */
export type Interval = readonly [low: number, high: number];

/**
 * Where a condition that holds at `inside` and not at `outside` stops holding: the last place inside found
 * by halving, to the precision of a double.
 */
function edge(inside: number, outside: number, holds: (x: number) => boolean): number {
  for (;;) {
    const middle = (inside + outside) / 2;
    if (middle === inside || middle === outside) return inside;
    if (Math.abs(middle - inside) < 1e-15) return middle;
    if (holds(middle)) inside = middle;
    else outside = middle;
  }
}

/** Plausible rates after `k` of `n`, at confidence 1 - alpha: a Beta(1/2, 1/2) mixture of likelihoods. */
export function rateInterval(k: number, n: number, alpha: number): Interval {
  const least = logBeta(0.5 + k, 0.5 + n - k) - logBeta(0.5, 0.5) + Math.log(alpha);
  const plausible = (p: number): boolean =>
    (k === 0 ? 0 : k * Math.log(p)) + (n === k ? 0 : (n - k) * Math.log1p(-p)) >= least;
  const seen = n === 0 ? 0.5 : k / n;
  return [k === 0 ? 0 : edge(seen, 0, plausible), k === n ? 1 : edge(seen, 1, plausible)];
}

/** The highest plausible rate after `k` of `n`, at confidence 1 - alpha, if they are looked at once (Chernoff 1952). */
export function rateBound(k: number, n: number, alpha: number): number {
  if (k >= n) return 1;
  const against = (p: number): number =>
    (k === 0 ? 0 : k * Math.log(k / (n * p))) + (n - k) * (Math.log1p(-k / n) - Math.log1p(-p));
  return edge(k / n, 1, (p) => p === k / n || against(p) < Math.log(1 / alpha));
}

/** Bad units by propensity. */
export type Levels = readonly (readonly [w: number, canary: number, all: number])[];

/** Ratios mixed over: 2^-8 to 2^8 in quarter octaves. */
const RATIOS = Array.from({ length: 65 }, (_, i) => ((i - 32) / 4) * Math.LN2);

/** Ratios searched, as logarithms: one of exp(40) is as good as infinite. */
const FAR = 40;

function tosses(levels: Levels): { tossed: Levels; kc: number; k: number } {
  const tossed = levels.filter(([w]) => w > 0 && w < 1);
  const kc = tossed.reduce((sum, [, canary]) => sum + canary, 0);
  const k = tossed.reduce((sum, [, , all]) => sum + all, 0);
  return { tossed, kc, k };
}

/** The likeliest ratio of the canary's rate to stable's; undefined if nothing was bad. May be Infinity. */
export function likeliestRatio(levels: Levels): number | undefined {
  const { tossed, kc, k } = tosses(levels);
  if (k === 0) return undefined;
  if (kc === 0) return 0;
  if (kc === k) return Infinity;
  // The likelihood is concave in ln r: it rises up to its top. Summed arm by arm, or thousands of millions of
  // units on one would drown the one on the other.
  const slope = (x: number): number =>
    tossed.reduce(
      (sum, [w, canary, all]) =>
        sum + (canary * (1 - w) - (all - canary) * w * Math.exp(x)) / (1 + w * Math.expm1(x)),
      0,
    );
  return Math.exp(edge(-FAR, FAR, (x) => slope(x) > 0));
}

/** Plausible ratios of the canary's rate to stable's, at confidence 1 - alpha. The upper may be Infinity. */
export function ratioInterval(levels: Levels, alpha: number): Interval {
  const { tossed, kc, k } = tosses(levels);
  const likeliest = likeliestRatio(levels);
  if (likeliest === undefined) return [0, Infinity];
  const likelihood = (x: number): number =>
    tossed.reduce((sum, [w, , all]) => sum - all * Math.log1p(w * Math.expm1(x)), kc * x);
  const least = logSumExp(RATIOS.map(likelihood)) - Math.log(RATIOS.length) + Math.log(alpha);
  const plausible = (x: number): boolean => likelihood(x) >= least;
  const top = Math.max(-FAR, Math.min(FAR, Math.log(likeliest)));
  return [
    kc === 0 ? 0 : Math.exp(edge(top, -FAR, plausible)),
    kc === k ? Infinity : Math.exp(edge(top, FAR, plausible)),
  ];
}

/**
 * Ranks (from 1) of a sorted sample of `n` between which its q-quantile plausibly lies, at confidence
 * 1 - alpha. Rank 0: unbounded below; n + 1: unbounded above. Read the values off a histogram.
 */
export function quantileRanks(n: number, q: number, alpha: number): Interval {
  const a = 20 * q;
  const b = 20 * (1 - q);
  const against = (below: number): number =>
    logBeta(a + below, b + n - below) - logBeta(a, b) - below * Math.log(q) - (n - below) * Math.log1p(-q);
  const limit = Math.log(1 / alpha);
  // Convex in the count, and least within one of the expected count.
  const expected = [Math.floor(q * n), Math.ceil(q * n)].reduce((x, y) => (against(x) <= against(y) ? x : y));
  return [
    lastRank(expected, -1, (j) => against(j) < limit),
    lastRank(expected, n + 1, (j) => against(j) < limit) + 1,
  ];
}

/** Of the whole numbers from `inside` towards `outside`, which is out, the last for which it holds. */
function lastRank(inside: number, outside: number, holds: (j: number) => boolean): number {
  while (Math.abs(outside - inside) > 1) {
    const middle = Math.trunc((inside + outside) / 2);
    if (holds(middle)) inside = middle;
    else outside = middle;
  }
  return inside;
}
