/**
 * Latency for the judge: log-spaced buckets 5 % wide, from 0.1 ms to 10 min, so that one counter per bucket
 * and arm carries a whole tick. Coarser than a ledger's, and the judge's alone: a bet needs a mark, not a
 * measurement.
 */
export const LATENCY_BUCKETS = 320;
const FIRST_MS = 0.1;
const WIDTH = Math.log(1.05);

/** The bucket of a latency in milliseconds. A canary's is first made less (`leniently`). */
export function latencyBucket(ms: number): number {
  if (ms <= FIRST_MS) return 0;
  return Math.min(LATENCY_BUCKETS - 1, Math.floor(Math.log(ms / FIRST_MS) / WIDTH));
}

/** ln of the milliseconds in the middle of a bucket. */
export function logMiddle(bucket: number): number {
  return Math.log(FIRST_MS) + (bucket + 0.5) * WIDTH;
}

/** How much slower a canary may be, whichever is more: as a part of 1, and in milliseconds. */
export interface Leniency {
  readonly tolerance: number;
  readonly slack: number;
}

/**
 * The head start a canary's latency gets before it is bucketed: the null becomes "no slower than is borne",
 * and all else stays as if everything had to be as fast.
 */
export function leniently(ms: number, { tolerance, slack }: Leniency): number {
  return Math.min(ms / (1 + tolerance), Math.max(0, ms - slack));
}

/** The latency that such a one was; below the slack nobody knows, and the slack is the most it can have been. */
export function strictly(ms: number, { tolerance, slack }: Leniency): number {
  return Math.max(ms * (1 + tolerance), ms + slack);
}

/**
 * Stable's latency as it was before the step, frozen. It chooses the bets, and need not be right: the
 * validity of the tests does not depend on it.
 */
export interface LatencyScale {
  /** ln ms of the median. */
  readonly mu: number;
  /** Half of the 16 to 84 % range, in ln ms; at least 0.1. */
  readonly sigma: number;
  /** The bucket of the 95th percentile; slower ones are slow. */
  readonly b95: number;
  /** The bucket of the 99th percentile. */
  readonly b99: number;
}

/** Counts of stable's latencies: `[bucket, count]` pairs, one per bucket, in any order. */
export type LatencyCounts = readonly (readonly [bucket: number, count: number])[];

/** The scale of a histogram; undefined when it counted nothing. */
export function latencyScale(counts: LatencyCounts): LatencyScale | undefined {
  const sorted = counts.filter(([, count]) => count > 0).sort(([a], [b]) => a - b);
  const total = sorted.reduce((sum, [, count]) => sum + count, 0);
  if (total === 0) return undefined;
  const bucketAt = (p: number): number => {
    let cumulative = 0;
    for (const [bucket, count] of sorted) {
      cumulative += count;
      if (cumulative >= p * total) return bucket;
    }
    return sorted.at(-1)![0];
  };
  const spread = logMiddle(bucketAt(0.84)) - logMiddle(bucketAt(0.16));
  return {
    mu: logMiddle(bucketAt(0.5)),
    sigma: Math.max(0.1, spread / 2),
    b95: bucketAt(0.95),
    b99: bucketAt(0.99),
  };
}

/** A value in units of its usual spread, clipped, so that one outlier cannot decide. */
export function standardise(value: number, mu: number, sigma: number): number {
  return Math.max(-3, Math.min(3, (value - mu) / sigma));
}

/** The mark of a latency bucket. */
export function latencyMark(bucket: number, scale: LatencyScale): number {
  return standardise(logMiddle(bucket), scale.mu, scale.sigma);
}

/** Slow-downs of the whole body that are bet on. */
export const SLOWDOWNS = [1.1, 1.25, 1.5, 2, 4, 10] as const;

/** Slow-downs as shifts of the mark. */
export function latencyShifts(scale: LatencyScale, slowdowns: readonly number[] = SLOWDOWNS): number[] {
  return slowdowns.map((slowdown) => Math.min(3, Math.log(slowdown) / scale.sigma));
}
