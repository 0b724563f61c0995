import { decide, fires, type Judgement } from './decision.ts';
import { labelStake, SRM_RATIOS, slow, stake } from './detectors.ts';
import { addMarked, type Batch, type Marked, type Pair, soundPart, type Tick } from './evidence.ts';
import { blames, environmentFails, guardRow, incident, refer, watch } from './guards.ts';
import type { Past } from './history.ts';
import type { LatencyScale } from './latency.ts';
import { advance, bet, logWealth } from './mixture.ts';
import { type Metric, type Policy, srmThreshold } from './policy.ts';
import { betOnLabels, betOnTrials, type Promotion } from './promotion.ts';
import { type Detector, freshDetector, type JudgeState, type Seen } from './state.ts';

const NOBODY: Pair = [0, 0];

/**
 * One tick: what is known is advanced and bet on, then the guards and tests speak in a fixed order. Pure; the
 * caller acts, and does not come back after promote (but with `startStep`), rollback, inconclusive or invalid.
 * Throws a RangeError for a tick at no time.
 */
export function judge(
  policy: Policy,
  before: JudgeState,
  raw: Tick,
): { readonly state: JudgeState; readonly judgement: Judgement } {
  if (!Number.isFinite(raw.t))
    throw new RangeError(`a tick at ${raw.t}; t is seconds since the rollout began`);
  const { tick, ignored } = soundPart(raw);
  const { t } = tick;
  const row = guardRow(tick, policy.mode);
  const watched = watch(before.guards, row, policy);
  const spike = incident(watched, t, policy);
  const guards = spike ? watched : refer(watched, row);
  const failing = environmentFails(guards, t, policy);
  const warm = t - before.stepStart >= policy.latencyWarmup;
  const scale = warm ? before.scale : undefined;
  const past = before.past && { ...before.past, tails: before.past.tails && warm };

  const srm = bet(before.srm, labelStake(tick.batches, (batch) => batch.units, SRM_RATIOS).increments);
  const valid = logWealth(srm) < srmThreshold(policy);

  const detectors: Record<string, Detector> = {};
  let unblamed = false;
  for (const metric of policy.metrics) {
    const old = advanced(before.detectors[metric.name]!, t);
    const ceiling = metric.kind === 'errorCeiling';
    // The ceiling looks at the canary alone, so what stable suffers too must not count for it.
    const next = ceiling && failing ? old : staked(old, policy, metric, tick, scale, past);
    const acts = ceiling && valid && !metric.holdOnly && fires(policy, metric, next);
    const shared = acts && !blames(guards, t, policy);
    detectors[metric.name] = shared
      ? advanced(freshDetector(policy, metric, before.step, old.since), t)
      : next;
    unblamed ||= shared;
  }
  const state: JudgeState = {
    ...before,
    detectors,
    srm,
    ...(failing || spike ? {} : promotionAfter(before, policy, tick, scale)),
    phi: tick.phi ?? before.phi,
    phiLatency: tick.phiLatency ?? before.phiLatency,
    guards,
    seen: seenAfter(before.seen, tick, warm),
    ignored: before.ignored + ignored,
  };
  return {
    state,
    judgement: decide(policy, state, t, { environment: failing || unblamed, incident: spike }),
  };
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
  past: Past | undefined,
): Detector {
  const { increments, events } = stake(metric, policy, tick, scale, past);
  const sample = tick.samples?.[metric.name];
  return {
    ...detector,
    mixture: bet(detector.mixture, increments),
    events: detector.events + events,
    missing: sample === undefined ? detector.missing : sample === null ? detector.missing + 1 : 0,
  };
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
    business: businessAfter(seen.business, tick),
  };
}

function businessAfter(seen: Seen['business'], { batches, samples = {} }: Tick): Seen['business'] {
  const after = { ...seen };
  const add = (name: string, events: Pair, marks: Pair = NOBODY): void => {
    const before = after[name] ?? { events: NOBODY, marks: NOBODY };
    const sum = (a: Pair, b: Pair): Pair => [a[0] + b[0], a[1] + b[1]];
    after[name] = { events: sum(before.events, events), marks: sum(before.marks, marks) };
  };
  for (const { conversions = {}, values = {} } of batches) {
    for (const [name, pair] of Object.entries(conversions)) add(name, pair);
    for (const [name, marked] of Object.entries(values))
      for (const [mark, canary, all] of marked) add(name, [canary, all], [mark * canary, mark * all]);
  }
  for (const [name, above] of Object.entries(samples)) if (above !== null) add(name, [Number(above), 1]);
  return after;
}
