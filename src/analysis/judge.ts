import { alternatives, labelStake, SRM_RATIOS, slow, stake } from './detectors.ts';
import {
  addMarked,
  type Batch,
  type Marked,
  type Pair,
  soundPart,
  stablePart,
  type Tick,
  type Trials,
} from './evidence.ts';
import {
  blames,
  environmentFails,
  type Guards,
  guardRow,
  incident,
  NO_GUARDS,
  refer,
  watch,
} from './guards.ts';
import type { Levels } from './intervals.ts';
import { type LatencyCounts, type LatencyScale, latencyScale } from './latency.ts';
import { advance, bet, logWealth, type Mixture, startAtOnce, startMixture } from './mixture.ts';
import { epochLength, type Metric, metricThreshold, type Policy, srmThreshold } from './policy.ts';
import { betOnLabels, betOnTrials, type Promotion, promotionEvidence, startPromotion } from './promotion.ts';

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
}

/** What to do after a tick, and in a word why. */
export interface Judgement {
  readonly decision: 'continue' | 'promote' | 'rollback' | 'hold' | 'inconclusive' | 'invalid';
  /** The metric that fired; `suspicious:` or `nodata:` and a metric; or the guard. */
  readonly reason: string;
}

/** A gauge without data for so many samples has none. */
const MISSING = 3;
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
 * alpha is one step's.
 */
export function startStep(
  state: JudgeState,
  policy: Policy,
  step: number,
  t: number,
  baseline: LatencyCounts | undefined,
): JudgeState {
  const { detectors, srm, guards, ignored } = state;
  const sticky = policy.mode === 'sticky';
  return {
    ...freshStep(policy, step, t, baseline),
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
    seen: { units: NOBODY, trials: [0, 0], stableTrials: [0, 0], errors: [], latency: [] },
  };
}

function freshDetectors(policy: Policy, step: number, t: number): Record<string, Detector> {
  return Object.fromEntries(
    policy.metrics.map((metric) => [metric.name, freshDetector(policy, metric, step, t)]),
  );
}

function freshDetector(policy: Policy, metric: Metric, step: number, since: number): Detector {
  const count = alternatives(metric, policy).length;
  const mixture = startMixture(count, epochLength(policy, step), policy.epochs);
  return { mixture, since, events: 0, missing: MISSING };
}

/**
 * One tick: what is known is advanced and bet on, then the guards and tests speak in a fixed order. Pure; the
 * caller acts, and does not come back after promote (but with `startStep`), rollback, inconclusive or invalid.
 */
export function judge(
  policy: Policy,
  before: JudgeState,
  raw: Tick,
): { readonly state: JudgeState; readonly judgement: Judgement } {
  const { tick, ignored } = soundPart(raw);
  const { t } = tick;
  const row = guardRow(tick, policy.mode);
  const watched = watch(before.guards, row, policy);
  const spike = incident(watched, t, policy);
  const guards = spike ? watched : refer(watched, row);
  const failing = environmentFails(guards, t, policy);
  const warm = t - before.stepStart >= policy.latencyWarmup;
  const scale = warm ? before.scale : undefined;

  const detectors: Record<string, Detector> = {};
  let unblamed = false;
  for (const metric of policy.metrics) {
    const old = before.detectors[metric.name]!;
    // What stable suffers too is no evidence against the canary alone.
    const idle = metric.kind === 'errorCeiling' && failing;
    let next = idle ? advanced(old, t) : staked(advanced(old, t), policy, metric, tick, scale);
    if (metric.kind === 'errorCeiling' && fires(policy, metric, next) && !blames(guards, t, policy)) {
      unblamed = true;
      next = advanced(freshDetector(policy, metric, before.step, old.since), t);
    }
    detectors[metric.name] = next;
  }
  const environment = failing || unblamed;
  const frozen = environment || spike;
  const srm = bet(before.srm, labelStake(tick.batches, (batch) => batch.units, SRM_RATIOS).increments);
  const state: JudgeState = {
    ...before,
    detectors,
    srm,
    ...(frozen ? {} : promotionAfter(before, policy, tick, scale)),
    phi: tick.phi ?? before.phi,
    phiLatency: tick.phiLatency ?? before.phiLatency,
    guards,
    seen: seenAfter(before.seen, tick, warm),
    ignored: before.ignored + ignored,
  };
  return { state, judgement: decide(policy, state, t, environment, spike) };
}

/** The decision, in the order that ANALYSIS.md, section 11 gives. */
function decide(
  policy: Policy,
  state: JudgeState,
  t: number,
  environment: boolean,
  spike: boolean,
): Judgement {
  if (logWealth(state.srm) >= srmThreshold(policy)) return { decision: 'invalid', reason: 'srm' };
  const fired = worst(policy, state);
  if (fired) return { decision: 'rollback', reason: fired.name };
  const { minSeconds, maxSeconds } = policy.steps[state.step]!;
  const elapsed = t - state.stepStart;
  const suspect = policy.metrics.find((metric) => suspicious(policy, metric, state.detectors[metric.name]!));
  const blind = policy.metrics.find((metric) => metric.required && !hasData(metric, state));
  if (
    elapsed >= minSeconds &&
    !suspect &&
    !blind &&
    !environment &&
    !spike &&
    errorsPass(policy, state) &&
    slownessPasses(policy, state)
  )
    return { decision: 'promote', reason: 'non-inferior' };
  if (elapsed >= maxSeconds) return { decision: 'inconclusive', reason: 'timeout' };
  if (environment) return { decision: 'hold', reason: 'environment' };
  if (spike) return { decision: 'hold', reason: 'incident' };
  if (suspect) return { decision: 'hold', reason: `suspicious:${suspect.name}` };
  if (blind) return { decision: 'hold', reason: `nodata:${blind.name}` };
  return { decision: 'continue', reason: '' };
}

/** Of the metrics that fire and may roll back, the one furthest beyond its threshold; of equals the first by name. */
function worst(policy: Policy, state: JudgeState): Metric | undefined {
  const excess = (metric: Metric): number =>
    logWealth(state.detectors[metric.name]!.mixture) - metricThreshold(policy, metric);
  return policy.metrics
    .filter((metric) => !metric.holdOnly && fires(policy, metric, state.detectors[metric.name]!))
    .sort((a, b) => excess(b) - excess(a) || (a.name < b.name ? -1 : 1))[0];
}

function advanced(detector: Detector, t: number): Detector {
  return { ...detector, mixture: advance(detector.mixture, t - detector.since) };
}

function staked(
  detector: Detector,
  policy: Policy,
  metric: Metric,
  tick: Tick,
  scale: LatencyScale | undefined,
): Detector {
  const { increments, events } = stake(metric, policy, tick, scale);
  const sample = tick.samples?.[metric.name];
  return {
    ...detector,
    mixture: bet(detector.mixture, increments),
    events: detector.events + events,
    missing: sample === undefined ? detector.missing : sample === null ? detector.missing + 1 : 0,
  };
}

/** Whether a detector has decided: enough wealth, on enough of the canary's own events. */
export function fires(policy: Policy, metric: Metric, { mixture, events }: Detector): boolean {
  const counted = metric.kind !== 'conversion' && metric.kind !== 'gauge';
  if (counted && events < policy.minCanaryEvents) return false;
  return logWealth(mixture) >= metricThreshold(policy, metric);
}

/** Whether a detector is near enough to deciding that nothing should be promoted. */
export function suspicious(policy: Policy, metric: Metric, { mixture }: Detector): boolean {
  return logWealth(mixture) >= policy.holdFraction * metricThreshold(policy, metric);
}

/** Whether a metric has anything to go by. Counted metrics are silent when all is well, series are not. */
export function hasData(metric: Metric, state: JudgeState): boolean {
  if (metric.kind === 'gauge') return state.detectors[metric.name]!.missing < MISSING;
  return !metric.kind.startsWith('latency') || state.scale !== undefined;
}

function promotionAfter(
  before: JudgeState,
  policy: Policy,
  tick: Tick,
  scale: LatencyScale | undefined,
): Pick<JudgeState, 'errors' | 'slowness'> {
  let { errors, slowness } = before;
  const [requests, requestsAll] = tick.requests ?? NOBODY;
  const share = requestsAll === 0 ? 0 : requests / requestsAll;
  const byRequest = (to: Promotion, [kc, k]: Pair = NOBODY): Promotion => betOnLabels(to, kc, k, share);
  const byUnit = (to: Promotion, of: (batch: Batch) => Pair | undefined): Promotion =>
    tick.batches.reduce((sum, batch) => {
      const [kc, k] = of(batch) ?? NOBODY;
      return betOnLabels(sum, kc, k, batch.w);
    }, to);

  if (policy.mode === 'sticky' && policy.promotionEstimand === 'requests') {
    errors = byRequest(errors, tick.requestErrors);
    errors = betOnTrials(errors, tick.requestErrors?.[0] ?? 0, requests);
  } else {
    errors = byUnit(errors, (batch) => batch.errors);
    errors = betOnTrials(errors, ...(tick.trials ?? [0, 0]));
  }
  if (scale) {
    slowness =
      policy.mode === 'sticky'
        ? byRequest(slowness, tick.requestSlow95)
        : byUnit(slowness, (batch) => slow(batch, batch.slow95, scale.b95, policy.mode));
  }
  return { errors, slowness };
}

/** ln evidence that errors are within the step's margin. */
export function errorsEvidence(policy: Policy, state: JudgeState): number {
  const tempered = policy.mode === 'sticky' && policy.promotionEstimand === 'requests';
  return promotionEvidence(state.errors, tempered ? state.phi : 1);
}

/** ln evidence that slow requests are within the step's margin. */
export function slownessEvidence(policy: Policy, state: JudgeState): number {
  return promotionEvidence(state.slowness, policy.mode === 'sticky' ? state.phiLatency : 1);
}

/** Whether so many users have erred that first errors no longer tell how often requests fail. */
export function usedUp(policy: Policy, { units, errors }: Seen): boolean {
  if (policy.mode !== 'sticky' || policy.promotionEstimand !== 'users') return false;
  const [canary, all] = erred(errors);
  return (
    canary > policy.maxErredShare * units[0] || all - canary > policy.maxErredShare * (units[1] - units[0])
  );
}

/** Failed units of the step. */
export function erred(errors: Levels): Pair {
  return errors.reduce<Pair>(([c, n], [, canary, all]) => [c + canary, n + all], NOBODY);
}

function errorsPass(policy: Policy, state: JudgeState): boolean {
  return !usedUp(policy, state.seen) && errorsEvidence(policy, state) >= Math.log(1 / policy.beta);
}

function slownessPasses(policy: Policy, state: JudgeState): boolean {
  return state.scale === undefined || slownessEvidence(policy, state) >= Math.log(1 / policy.beta);
}

function seenAfter(seen: Seen, tick: Tick, warm: boolean): Seen {
  const sum = (a: Pair, b: Pair = NOBODY): Pair => [a[0] + b[0], a[1] + b[1]];
  const errors: Marked = tick.batches.map(({ w, errors: [canary, all] = NOBODY }) => [w, canary, all]);
  return {
    units: tick.batches.reduce((total, batch) => sum(total, batch.units), seen.units),
    trials: sum(seen.trials, tick.trials),
    stableTrials: sum(seen.stableTrials, tick.stableTrials),
    errors: addMarked(
      seen.errors,
      errors.filter(([, , all]) => all > 0),
    ),
    latency: warm
      ? tick.batches.reduce((total, batch) => addMarked(total, batch.latency ?? []), seen.latency)
      : seen.latency,
  };
}
