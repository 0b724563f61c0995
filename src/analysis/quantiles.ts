import type { Marked } from './evidence.ts';
import { quantileRanks } from './intervals.ts';
import { type Leniency, logMiddle, strictly } from './latency.ts';

/** A quantile of latencies in milliseconds, with its interval. An undefined bound is unbounded. */
export interface QuantileRange {
  readonly value: number;
  readonly low: number;
  readonly high: number | undefined;
}

/**
 * The q-quantile of one version's latencies, read off the judge's buckets; undefined if there are none.
 * `leniency`: the head start that these latencies got, to be undone.
 */
export function latencyQuantile(
  latency: Marked,
  arm: 'canary' | 'stable',
  q: number,
  alpha: number,
  leniency: Leniency = { tolerance: 0, slack: 0 },
): QuantileRange | undefined {
  const counts = latency.map(
    ([bucket, canary, all]) => [bucket, arm === 'canary' ? canary : all - canary] as const,
  );
  const n = counts.reduce((sum, [, count]) => sum + count, 0);
  if (n === 0) return undefined;
  const at = (rank: number): number => {
    let below = 0;
    const bucket = counts.find(([, count]) => {
      below += count;
      return below >= rank;
    })![0];
    return strictly(Math.exp(logMiddle(bucket)), leniency);
  };
  const [low, high] = quantileRanks(n, q, alpha);
  return {
    value: at(Math.max(1, Math.ceil(q * n))),
    low: low === 0 ? 0 : at(low),
    high: high === n + 1 ? undefined : at(high),
  };
}
