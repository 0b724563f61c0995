import { alternatives, SRM_RATIOS } from './detectors.ts';
import { type Marked, type Pair, stablePart, type Trials } from './evidence.ts';
import { type Guards, NO_GUARDS } from './guards.ts';
import type { Past } from './history.ts';
import type { Levels } from './intervals.ts';
import { type LatencyCounts, type LatencyScale, latencyScale } from './latency.ts';
import { type Mixture, startAtOnce, startMixture } from './mixture.ts';
import { epochLength, type Metric, type Policy } from './policy.ts';
import { type Promotion, startPromotion } from './promotion.ts';

/**
 * All a judge knows: plain JSON. It may be written down after any tick and gone on with elsewhere, and gives
 * the same judgements as if it had never been away. Nothing in it grows with traffic.
 */
export interface JudgeState {
  /** Index of the step being judged. */
  readonly step: number;
  /** When its weight went live, in seconds since the rollout began. */
  readonly stepStart: number;
  readonly detectors: Readonly<Record<string, Detector>>;
  readonly srm: Mixture;
  readonly errors: Promotion;
  readonly slowness: Promotion;
  /** Dispersion of stable's bad and slow requests, as last told. */
  readonly phi: number;
  readonly phiLatency: number;
  /** Left out: no baseline, so latency is not judged in this step. */
  readonly scale?: LatencyScale;
  /** What stable did before this step; left out: nothing is known of it, or there is a coin. */
  readonly past?: Past;
  readonly guards: Guards;
  readonly seen: Seen;
  /** Parts of ticks that held a number which is none, and were left out. */
  readonly ignored: number;
}

export interface Detector {
  readonly mixture: Mixture;
  /** When it was made, in seconds since the rollout began. */
  readonly since: number;
  /** Units of the canary it has bet on. */
  readonly events: number;
  /** Gauges: samples missing in a row; what was never sampled is missing. */
  readonly missing: number;
}

/** Plain counts of the step, for people, and for the share of units that erred. */
export interface Seen {
  readonly units: Pair;
  readonly trials: Trials;
  readonly stableTrials: Trials;
  /** Failed units by propensity. */
  readonly errors: Levels;
  readonly latency: Marked;
  /** By name of a conversion, a value, or a series. */
  readonly business: Readonly<Record<string, Business>>;
}

/** What was seen of a business metric: how often, and the sum of the marks, of the canary and of both. */
export interface Business {
  /** Of a series: samples above what is tolerated, and all samples. */
  readonly events: Pair;
  readonly marks: Pair;
}

/** A gauge without data for so many samples has none. */
export const MISSING = 3;
const NOBODY: Pair = [0, 0];

/** A judge at the first step. `baseline`: stable's latencies of the minutes before. */
export function startJudge(policy: Policy, baseline: LatencyCounts | undefined, t = 0): JudgeState {
  return {
    ...freshStep(policy, 0, t, baseline),
    detectors: freshDetectors(policy, 0, t),
    srm: startAtOnce(SRM_RATIOS.length),
    guards: NO_GUARDS,
    ignored: 0,
  };
}

/**
 * The next step, or the same again with another weight: its weight is live at `t`. Promotion is shown afresh
 * in every step. In sticky mode the detectors are new too, since a key may err in two steps: their share of
 * alpha is one step's. `past`: what stable did before, for a step in which nothing is kept on it.
 */
export function startStep(
  state: JudgeState,
  policy: Policy,
  step: number,
  t: number,
  baseline: LatencyCounts | undefined,
  past?: Past,
): JudgeState {
  const { detectors, srm, guards, ignored } = state;
  const sticky = policy.mode === 'sticky';
  return {
    ...freshStep(policy, step, t, baseline),
    ...(past && past.requests >= policy.minBaseline && { past }),
    detectors: sticky ? freshDetectors(policy, step, t) : detectors,
    srm: sticky ? startAtOnce(SRM_RATIOS.length) : srm,
    guards: { ...NO_GUARDS, rows: guards.rows },
    ignored,
  };
}

/** Stable's latencies of this step: the baseline of the next. */
export function baselineOf(state: JudgeState): LatencyCounts {
  return stablePart(state.seen.latency);
}

function freshStep(
  policy: Policy,
  step: number,
  stepStart: number,
  baseline: LatencyCounts | undefined,
): Omit<JudgeState, 'detectors' | 'srm' | 'guards' | 'ignored'> {
  const { margin, floor } = policy.steps[step]!;
  const enough = (baseline ?? []).reduce((sum, [, count]) => sum + count, 0) >= policy.minBaseline;
  const scale = enough ? latencyScale(baseline!) : undefined;
  return {
    step,
    stepStart,
    errors: startPromotion(margin, floor),
    slowness: startPromotion(margin),
    phi: 1,
    phiLatency: 1,
    ...(scale && { scale }),
    seen: { units: NOBODY, trials: [0, 0], stableTrials: [0, 0], errors: [], latency: [], business: {} },
  };
}

function freshDetectors(policy: Policy, step: number, t: number): Record<string, Detector> {
  return Object.fromEntries(
    policy.metrics.map((metric) => [metric.name, freshDetector(policy, metric, step, t)]),
  );
}

/** A detector that knows nothing yet. */
export function freshDetector(policy: Policy, metric: Metric, step: number, since: number): Detector {
  const count = alternatives(metric, policy).length;
  const mixture = startMixture(count, epochLength(policy, step), policy.epochs);
  return { mixture, since, events: 0, missing: MISSING };
}
