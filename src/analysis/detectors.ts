import type { Batch, Marked, Pair, Tick } from './evidence.ts';
import { PAST_RATIOS, type Past, pastStake } from './history.ts';
import { bernoulliIncrement, labelIncrement, markIncrement } from './label.ts';
import { type LatencyScale, latencyMark, latencyShifts, SLOWDOWNS } from './latency.ts';
import { ERROR_POLICIES, type Metric, type MetricKind, type Policy } from './policy.ts';

/**
 * Rollback detectors: what each kind of metric bets on, and how a tick becomes bets. The ceiling is the only
 * one that looks at the canary alone; gauges and histories the only ones without a coin.
 */
const ALTERNATIVES: Readonly<Record<Exclude<MetricKind, 'errorCeiling'>, readonly number[]>> = {
  errorRatio: ERROR_POLICIES.increase.ratios,
  latencyShift: SLOWDOWNS,
  latencyP95: [1.5, 2, 3, 5, 10, 30],
  latencyP99: [1.5, 2, 3, 5, 10, 30],
  conversion: [0.8, 0.6, 0.4, 0.2, 0.05],
  value: [0.1, 0.2, 0.4, 0.8],
  gauge: [0.25, 0.5, 0.75, 0.9],
  errorHistory: PAST_RATIOS,
  latencyHistory: PAST_RATIOS,
};

/** What a metric bets on: ratios, slow-downs, shifts, rates, or parts of the money. */
export function alternatives(metric: Metric, policy: Policy): readonly number[] {
  if (metric.kind === 'errorCeiling')
    return [1.5, 2, 4, 8].map((times) => Math.min(0.95, policy.errorCeiling * times));
  return metric.ratios ?? ALTERNATIVES[metric.kind];
}

/** What one tick says to one metric: each alternative's increment, and how many units of the canary it saw. */
export interface Stake {
  readonly increments: readonly number[];
  readonly events: number;
}

/** The bets of one tick. Without a scale, latency is not judged now; without a past, nothing is by it. */
export function stake(
  metric: Metric,
  policy: Policy,
  tick: Tick,
  scale: LatencyScale | undefined,
  past: Past | undefined,
): Stake {
  const grid = alternatives(metric, policy);
  const labels = (of: (batch: Batch) => Pair | undefined): Stake =>
    labelStake(tick.batches, of, grid, metric.provenAbove);
  switch (metric.kind) {
    case 'errorRatio':
      return labels((batch) => batch.errors);
    case 'conversion':
      return labels((batch) => batch.conversions?.[metric.name]);
    case 'latencyP95':
      return labels((batch) => scale && slow(batch, batch.slow95, scale.b95, policy.mode));
    case 'latencyP99':
      return labels((batch) => scale && slow(batch, batch.slow99, scale.b99, policy.mode));
    case 'latencyShift':
      if (!scale) return markStake([], () => undefined, grid);
      return markStake(
        tick.batches,
        (batch) => batch.latency?.map(([bucket, nc, n]) => [latencyMark(bucket, scale), nc, n]),
        latencyShifts(scale, grid),
      );
    case 'value':
      return markStake(tick.batches, (batch) => batch.values?.[metric.name], grid);
    case 'errorCeiling': {
      const [bad, n] = tick.trials ?? [0, 0];
      const increments = grid.map((p) => bernoulliIncrement(bad, n, p, policy.errorCeiling));
      return { increments, events: bad };
    }
    case 'gauge':
      return gaugeStake(tick.samples?.[metric.name] ?? null, grid);
    case 'errorHistory':
    case 'latencyHistory':
      return pastStake(metric.kind, past, tick, policy);
  }
}

/** Bets on the labels of bad units. */
export function labelStake(
  batches: readonly Batch[],
  of: (batch: Batch) => Pair | undefined,
  ratios: readonly number[],
  provenAbove = 1,
): Stake {
  const increments = ratios.map(() => 0);
  let events = 0;
  for (const batch of batches) {
    const [kc, k] = of(batch) ?? [0, 0];
    ratios.forEach((r, j) => {
      increments[j]! += labelIncrement(kc, k, batch.w, r, provenAbove);
    });
    if (batch.w > 0 && batch.w < 1) events += kc;
  }
  return { increments, events };
}

/** Bets on the labels of marked units. */
export function markStake(
  batches: readonly Batch[],
  of: (batch: Batch) => Marked | undefined,
  shifts: readonly number[],
): Stake {
  const increments = shifts.map(() => 0);
  let events = 0;
  for (const batch of batches) {
    for (const [u, nc, n] of of(batch) ?? []) {
      shifts.forEach((eta, j) => {
        increments[j]! += markIncrement(u, nc, n, batch.w, eta);
      });
      if (batch.w > 0 && batch.w < 1) events += nc;
    }
  }
  return { increments, events };
}

/** Bets on one sample of an external series: is the canary above the tolerance? A missing one is no bet. */
export function gaugeStake(above: boolean | null, parts: readonly number[]): Stake {
  const increments = parts.map((l) => (above === null ? 0 : above ? Math.log1p(l) : Math.log1p(-l)));
  return { increments, events: above ? 1 : 0 };
}

/** Slow units: as told, or, where a request is the unit, read off the latencies. */
export function slow(
  batch: Batch,
  told: Pair | undefined,
  above: number,
  mode: Policy['mode'],
): Pair | undefined {
  if (told || mode === 'sticky' || !batch.latency) return told;
  let [canary, all] = [0, 0];
  for (const [bucket, nc, n] of batch.latency) {
    if (bucket <= above) continue;
    canary += nc;
    all += n;
  }
  return [canary, all];
}

/** Shares of the planned split bet on by the test for sample ratio mismatch (Fabijan et al. 2019). */
export const SRM_RATIOS = [0.1, 0.5, 0.8, 0.9, 0.95, 1.05, 1.1, 1.25, 2, 10] as const;
