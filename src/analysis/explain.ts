import type { Arm, Range, TestResult, Verdict } from '../model/verdict.ts';
import {
  erred,
  errorsEvidence,
  errorsPass,
  errorsTemper,
  fires,
  hasData,
  type Judgement,
  slownessEvidence,
  slownessPasses,
  slownessTemper,
  suspicious,
  usedUp,
} from './decision.ts';
import { alternatives } from './detectors.ts';
import { pastBound, tellsOf } from './history.ts';
import { likeliestRatio, rateInterval, ratioInterval } from './intervals.ts';
import { believedRatio, logWealth } from './mixture.ts';
import { floorGain, promotionGain } from './planning.ts';
import { type Metric, metricThreshold, type Policy, srmThreshold } from './policy.ts';
import { lacking } from './promotion.ts';
import { latencyQuantile } from './quantiles.ts';
import type { JudgeState } from './state.ts';

/** 1 - confidence of everything shown. */
const DISPLAY_ALPHA = 0.05;

/** A judgement in words and numbers. Pure: the same state and judgement always say the same. */
export function explain(
  policy: Policy,
  state: JudgeState,
  { decision, reason }: Judgement,
  t: number,
): Verdict {
  const elapsed = t - state.stepStart;
  const open = decision === 'continue' || decision === 'hold';
  const secondsToGo = open ? secondsToPromotion(policy, state, elapsed) : undefined;
  const word: Verdict['word'] =
    decision === 'promote' ? 'healthy' : decision === 'rollback' ? 'worse' : 'unknown';
  // Most looks come to nothing, and nobody reads what they say in numbers: that is worked out when it is read.
  const verdict: Verdict = lazily(
    {
      word,
      decision,
      reason,
      step: state.step,
      elapsed,
      ...(secondsToGo === undefined ? {} : { secondsToGo }),
    },
    {
      says: () => sentence(policy, state, decision, reason) + comparison(policy, state, verdict),
      because: () => reasons(policy, state, verdict),
      canary: () => arm(policy, state, 'canary'),
      stable: () => arm(policy, state, 'stable'),
      ratio: () => ratioRange(state),
      tests: () => [
        ...policy.metrics.map((metric) => metricResult(policy, state, metric)),
        ...promotionResults(policy, state),
        splitResult(policy, state),
      ],
    },
  );
  return verdict;
}

/** An object with more properties, each of which is made when it is first read. To read it, it is like any other. */
function lazily<A extends object, B extends object>(
  known: A,
  makers: { readonly [K in keyof B]: () => B[K] },
): A & B {
  for (const key of Object.keys(makers) as (keyof B)[])
    Object.defineProperty(known, key, {
      enumerable: true,
      configurable: true,
      get() {
        const value = makers[key]();
        Object.defineProperty(known, key, { enumerable: true, value });
        return value;
      },
    });
  return known as A & B;
}

function reasons(
  policy: Policy,
  state: JudgeState,
  { reason, canary, stable, ratio, tests }: Verdict,
): string[] {
  const named = tests.find(({ name }) => name === reason.replace(/^(suspicious|nodata):/, ''));
  return [
    ...(named ? [named.says] : []),
    `The canary ${armSays(policy, canary)}; stable ${armSays(policy, stable)}.`,
    ratioSays(ratio),
    ...pastSays(policy, state),
    ...(canary.p50 && stable.p50
      ? [`The canary took ${latencySays(canary)}; stable ${latencySays(stable)}.`]
      : []),
    ...tests.filter((test) => test !== named && test.standing !== 'off').map(({ says }) => says),
    ...(state.ignored > 0
      ? [`${state.ignored} parts of ticks held no sound numbers and were left out.`]
      : []),
  ];
}

function sentence(policy: Policy, state: JudgeState, decision: Verdict['decision'], reason: string): string {
  const { margin, floor, maxSeconds } = policy.steps[state.step]!;
  const metric = reason.slice(reason.indexOf(':') + 1);
  switch (decision) {
    case 'promote':
      return `Healthy: the canary is shown to fail less than ${number(margin)} times as often as stable, or less than ${percent(floor)}.`;
    case 'rollback':
      return `Worse: ${reason} is decided against the canary.`;
    case 'inconclusive':
      return `Unknown: ${maxSeconds} s were not enough to decide; more traffic, a longer step or a wider margin would help.`;
    case 'invalid':
      return 'Unknown: the canary does not get the share of traffic that was recorded, so no comparison can be trusted; look for requests that are routed or lost past the split.';
    case 'continue':
      return 'Unknown yet: nothing speaks against the canary, and more evidence for it is needed.';
    case 'hold':
      if (reason === 'environment')
        return 'Unknown: stable itself is failing, so the canary is neither blamed nor promoted.';
      if (reason === 'incident')
        return 'Unknown: stable fails far more than usual in this step; promotion waits until that is over.';
      if (reason.startsWith('nodata:'))
        return `Unknown: ${metric} is required and has no data; promotion waits for it.`;
      return `Unknown: ${metric} speaks against the canary, not yet enough to decide; promotion waits.`;
  }
}

/** What a rollback is about, in two numbers, where there are such. */
function comparison(policy: Policy, state: JudgeState, verdict: Verdict): string {
  const { decision, reason } = verdict;
  const metric = decision === 'rollback' && policy.metrics.find(({ name }) => name === reason);
  if (!metric) return '';
  if (state.seen.business[reason]) return ` ${businessSays(policy, state, metric)}`;
  const { kind } = metric;
  const { canary, stable } = verdict;
  if (kind === 'errorHistory' && state.past)
    return ` It failed ${percent(canary.rate.value ?? 0)} of the time, stable ${percent(state.past.failures / state.past.requests)} in the minutes before.`;
  if (kind === 'errorRatio' || kind === 'errorCeiling')
    return ` It failed ${percent(canary.rate.value ?? 0)} of the time, stable ${percent(stable.rate.value ?? 0)}.`;
  if ((kind === 'latencyShift' || kind === 'latencyP95' || kind === 'latencyP99') && canary.p50 && stable.p50)
    return ` It took ${latencySays(canary)}, stable ${latencySays(stable)}.`;
  return '';
}

function arm(policy: Policy, state: JudgeState, which: 'canary' | 'stable'): Arm {
  const { seen } = state;
  const of = ([canary, all]: readonly [number, number]): number =>
    which === 'canary' ? canary : all - canary;
  const [failures, trials] =
    policy.mode === 'sticky'
      ? [of(erred(seen.errors)), of(seen.units)]
      : which === 'canary'
        ? seen.trials
        : seen.stableTrials;
  // A failure may be known before its trial's tick is counted.
  const bad = Math.min(failures, trials);
  const [low, high] = rateInterval(bad, trials, DISPLAY_ALPHA);
  const leniency =
    which === 'canary' ? { tolerance: policy.latencyTolerance, slack: policy.latencySlack } : undefined;
  const quantiles = Object.entries({ p50: 0.5, p95: 0.95, p99: 0.99 }).flatMap(([name, q]) => {
    const range = latencyQuantile(seen.latency, which, q, DISPLAY_ALPHA, leniency);
    return range ? [[name, rangeOf(range.value, range.low, range.high)] as const] : [];
  });
  return {
    trials,
    bad,
    rate: rangeOf(trials > 0 ? bad / trials : undefined, low, high),
    ...Object.fromEntries(quantiles),
  };
}

function ratioRange({ seen }: JudgeState): Range {
  const [low, high] = ratioInterval(seen.errors, DISPLAY_ALPHA);
  return rangeOf(likeliestRatio(seen.errors), low, high);
}

/** JSON knows no Infinity: what is unbounded is left out. */
function rangeOf(value: number | undefined, low: number, high: number | undefined): Range {
  return {
    ...(value !== undefined && Number.isFinite(value) && { value }),
    low,
    ...(high !== undefined && Number.isFinite(high) && { high }),
  };
}

function metricResult(policy: Policy, state: JudgeState, metric: Metric): TestResult {
  const { name, kind } = metric;
  const detector = state.detectors[name]!;
  const { mixture, events } = detector;
  const evidence = logWealth(mixture);
  const threshold = metricThreshold(policy, metric);
  const standing = fires(policy, metric, detector)
    ? 'decided'
    : suspicious(policy, metric, detector)
      ? 'suspicious'
      : hasData(metric, state)
        ? 'quiet'
        : kind === 'gauge'
          ? 'nodata'
          : 'off';
  const onRatios =
    kind === 'errorRatio' || kind === 'latencyP95' || kind === 'latencyP99' || kind === 'conversion';
  const ratio = onRatios ? believedRatio(mixture, alternatives(metric, policy)) : undefined;
  const short =
    evidence >= threshold && standing !== 'decided'
      ? `, but ${policy.minCanaryEvents} events of the canary are needed`
      : '';
  const seen = state.seen.business[name] ? ` ${businessSays(policy, state, metric)}` : '';
  const says = `${name}: ${odds(evidence)} against the canary, of ${odds(threshold)} needed, from ${events} of its events${short}.${seen}`;
  return { name, standing, evidence, threshold, events, ...(ratio !== undefined && { ratio }), says };
}

/** What the canary is compared with when nothing is kept on stable. */
function pastSays(policy: Policy, { step, past }: JudgeState): string[] {
  if (policy.steps[step]!.weight < 1) return [];
  if (past === undefined)
    return [
      'Nothing is kept on stable, and too little is known of it before: there is nothing to compare with.',
    ];
  const { failures, requests } = past;
  const slow = tellsOf('latencyHistory', past) ? ', and how slow it was' : '';
  return [
    `Nothing is kept on stable, so the canary is compared with what stable did in the minutes before: it failed ${count(failures)} of ${count(requests)} requests${slow}. Failing more than ${percent(pastBound('errorHistory', past, policy))} is held against the canary. No coin was tossed for that, so what changes with the hour counts too.`,
  ];
}

/** What was seen of a business metric in this step. */
function businessSays(policy: Policy, { seen }: JudgeState, { name, kind }: Metric): string {
  const { events, marks } = seen.business[name]!;
  const [canary, all] = events;
  if (kind === 'gauge') return `${count(canary)} of ${count(all)} samples were above what is tolerated.`;
  const stable = all - canary;
  const units = policy.mode === 'sticky' ? 'users' : 'requests';
  const [ours, both] = seen.units;
  if (kind === 'conversion') {
    const rate = (k: number, n: number) => `${count(k)} times in ${count(n)} ${units}`;
    return `In this step it happened ${rate(canary, ours)} of the canary, and ${rate(stable, both - ours)} of stable.`;
  }
  const values = (who: string, sum: number, n: number): string => {
    if (n === 0) return `${who} had no values`;
    const way = sum < 0 ? 'better' : 'worse';
    return `${who} had ${count(n)} values, on average ${number(Math.abs(sum / n))} usual spreads ${way} than usual`;
  };
  return `In this step ${values('the canary', marks[0], canary)}; ${values('stable', marks[1] - marks[0], stable)}.`;
}

function promotionResults(policy: Policy, state: JudgeState): TestResult[] {
  const threshold = Math.log(1 / policy.beta);
  const { margin, floor } = policy.steps[state.step]!;
  const errors = errorsEvidence(policy, state);
  const slowness = slownessEvidence(policy, state);
  const used = usedUp(policy, state.seen)
    ? `; it cannot pass any more, since over ${percent(policy.maxErredShare)} of the users of a version have met an error`
    : '';
  return [
    {
      name: 'promotion:errors',
      standing: errorsPass(policy, state) ? 'decided' : 'quiet',
      evidence: errors,
      threshold,
      says: `promotion:errors: ${odds(errors)}, of ${odds(threshold)} needed, that the canary fails less than ${number(margin)} times as often as stable or less than ${percent(floor)}${used}.`,
    },
    {
      name: 'promotion:latency',
      standing: state.scale === undefined ? 'off' : slownessPasses(policy, state) ? 'decided' : 'quiet',
      evidence: slowness,
      threshold,
      says: `promotion:latency: ${odds(slowness)}, of ${odds(threshold)} needed, that the canary is slow less than ${number(margin)} times as often as stable.`,
    },
  ];
}

function splitResult(policy: Policy, state: JudgeState): TestResult {
  const evidence = logWealth(state.srm);
  const threshold = srmThreshold(policy);
  const [canary, all] = state.seen.units;
  return {
    name: 'srm',
    standing: evidence >= threshold ? 'decided' : 'quiet',
    evidence,
    threshold,
    says: `srm: ${odds(evidence)}, of ${odds(threshold)} needed, that the split is not as recorded; in this step the canary got ${count(canary)} of ${count(all)}.`,
  };
}

/** About how long a promotion still takes at this step's traffic if the versions are equal. */
function secondsToPromotion(policy: Policy, state: JudgeState, elapsed: number): number | undefined {
  const { margin, floor, weight, minSeconds } = policy.steps[state.step]!;
  const { errors, trials, latency } = state.seen;
  const [, bad] = erred(errors);
  const [canaryBad, canaryTrials] = trials;
  const slow = latency.reduce(
    (sum, [bucket, , all]) => sum + (bucket > (state.scale?.b95 ?? 0) ? all : 0),
    0,
  );
  const perLabel = weight < 1 ? promotionGain(margin, weight) : 0;
  const perTrial = canaryTrials > 0 ? floorGain(floor, canaryBad / canaryTrials) : 0;
  // So many nats lacking, at so many units so far, each worth so much.
  const wait = (nats: number, units: number, each: number): number => (nats * elapsed) / (units * each);
  const byErrors = lacking(state.errors, policy.beta, errorsTemper(policy, state));
  const bySlowness = lacking(state.slowness, policy.beta, slownessTemper(policy, state));
  const waits = [
    errorsPass(policy, state)
      ? 0
      : Math.min(
          wait(byErrors.labels, bad, perLabel),
          wait(byErrors.trials, canaryTrials, Math.max(0, perTrial)),
        ),
    slownessPasses(policy, state) ? 0 : wait(bySlowness.labels, slow, perLabel),
    minSeconds - elapsed,
  ];
  const longest = Math.max(...waits);
  return Number.isFinite(longest) && longest >= 0 ? Math.round(longest) : undefined;
}

function armSays(policy: Policy, { trials, bad, rate }: Arm): string {
  const units = policy.mode === 'sticky' ? 'keys' : 'requests';
  if (trials === 0) return `had no ${units}`;
  return `failed ${count(bad)} of ${count(trials)} ${units} (${percent(bad / trials)}, between ${percent(rate.low)} and ${percent(rate.high ?? 1)})`;
}

/** Medians and tails that are known. */
function latencySays({ p50, p95, p99 }: Arm): string {
  return Object.entries({ p50, p95, p99 })
    .flatMap(([name, range]) => (range?.value === undefined ? [] : [`${name} ${number(range.value)} ms`]))
    .join(', ');
}

function ratioSays({ value, low, high }: Range): string {
  if (low === 0 && high === undefined) return 'Too few failures to compare the two.';
  const between =
    high === undefined ? `at least ${number(low)}` : `between ${number(low)} and ${number(high)}`;
  return value === undefined
    ? `The canary's failure rate is ${between} times stable's.`
    : `The canary's failure rate is ${number(value)} times stable's, ${between}.`;
}

/** Evidence as betting odds: what a stake of 1 has become. */
function odds(evidence: number): string {
  return `odds of ${evidence > 14 ? 'over a million' : number(Math.exp(evidence))} to 1`;
}

function percent(rate: number): string {
  return `${number(rate * 100)} %`;
}

/** Two significant digits, more if they stand before the point. */
function number(x: number): string {
  return x >= 100 ? count(Math.round(x)) : String(Number(x.toPrecision(2)));
}

function count(n: number): string {
  return String(n).replace(/\B(?=(\d{3})+$)/g, ' ');
}
