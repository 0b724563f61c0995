import type { Decision } from '../model/verdict.ts';
import type { Pair } from './evidence.ts';
import { tellsOf } from './history.ts';
import type { Levels } from './intervals.ts';
import { logWealth } from './mixture.ts';
import { type Metric, metricThreshold, type Policy, srmThreshold } from './policy.ts';
import { promotionEvidence } from './promotion.ts';
import { type Detector, type JudgeState, MISSING, type Seen } from './state.ts';

/** What to do after a tick, and in a word why. */
export interface Judgement {
  readonly decision: Decision;
  /** The metric that fired; `suspicious:` or `nodata:` and a metric; or the guard. */
  readonly reason: string;
}

/** What the guards say of a tick. */
export interface Weather {
  /** Stable itself is failing. */
  readonly environment: boolean;
  /** Stable fails far more than it usually does. */
  readonly incident: boolean;
}

/**
 * The decision, in this order. A split whose recorded odds are wrong makes every label test void, so it comes
 * first: nothing may be rolled back or promoted on it. Then harm: a metric over its threshold. Then promotion,
 * which needs time, evidence for errors and for latency, calm weather, and no metric near its threshold. Then
 * the end of the step's time. What remains are reasons to wait.
 */
export function decide(policy: Policy, state: JudgeState, t: number, weather: Weather): Judgement {
  if (logWealth(state.srm) >= srmThreshold(policy)) return { decision: 'invalid', reason: 'srm' };
  const fired = worst(policy, state);
  if (fired) return { decision: 'rollback', reason: fired.name };
  const waits = reasonToWait(policy, state, weather);
  const { minSeconds, maxSeconds } = policy.steps[state.step]!;
  const elapsed = t - state.stepStart;
  if (
    elapsed >= minSeconds &&
    waits === undefined &&
    errorsPass(policy, state) &&
    slownessPasses(policy, state)
  )
    return { decision: 'promote', reason: 'non-inferior' };
  if (elapsed >= maxSeconds) return { decision: 'inconclusive', reason: 'timeout' };
  return waits === undefined ? { decision: 'continue', reason: '' } : { decision: 'hold', reason: waits };
}

function reasonToWait(policy: Policy, state: JudgeState, weather: Weather): string | undefined {
  if (weather.environment) return 'environment';
  if (weather.incident) return 'incident';
  const suspect = policy.metrics.find((metric) => suspicious(policy, metric, state.detectors[metric.name]!));
  if (suspect) return `suspicious:${suspect.name}`;
  const blind = policy.metrics.find((metric) => metric.required && !hasData(metric, state));
  return blind && `nodata:${blind.name}`;
}

/** Of the metrics that fire and may roll back, the one furthest beyond its threshold; of equals the first by name. */
function worst(policy: Policy, state: JudgeState): Metric | undefined {
  const excess = (metric: Metric): number =>
    logWealth(state.detectors[metric.name]!.mixture) - metricThreshold(policy, metric);
  return policy.metrics
    .filter((metric) => !metric.holdOnly && fires(policy, metric, state.detectors[metric.name]!))
    .sort((a, b) => excess(b) - excess(a) || (a.name < b.name ? -1 : 1))[0];
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
  if (metric.kind === 'errorHistory' || metric.kind === 'latencyHistory')
    return tellsOf(metric.kind, state.past);
  return !metric.kind.startsWith('latency') || state.scale !== undefined;
}

/** What divides the evidence on errors: 1, unless it comes from requests of sticky users. */
export function errorsTemper(policy: Policy, state: JudgeState): number {
  return policy.mode === 'sticky' && policy.promotionEstimand === 'requests' ? state.phi : 1;
}

/** What divides the evidence on slow requests, which are always counted as requests. */
export function slownessTemper(policy: Policy, state: JudgeState): number {
  return policy.mode === 'sticky' ? state.phiLatency : 1;
}

/** ln evidence that errors are within the step's margin. */
export function errorsEvidence(policy: Policy, state: JudgeState): number {
  return promotionEvidence(state.errors, errorsTemper(policy, state));
}

/** ln evidence that slow requests are within the step's margin. */
export function slownessEvidence(policy: Policy, state: JudgeState): number {
  return promotionEvidence(state.slowness, slownessTemper(policy, state));
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
  return errors.reduce<Pair>(([c, n], [, canary, all]) => [c + canary, n + all], [0, 0]);
}

/** Whether errors are shown to be within the margin. */
export function errorsPass(policy: Policy, state: JudgeState): boolean {
  return !usedUp(policy, state.seen) && errorsEvidence(policy, state) >= Math.log(1 / policy.beta);
}

/** Whether slow requests are, or cannot be judged for want of a baseline. */
export function slownessPasses(policy: Policy, state: JudgeState): boolean {
  return state.scale === undefined || slownessEvidence(policy, state) >= Math.log(1 / policy.beta);
}
