import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { errorsEvidence, type Judgement, slownessEvidence } from '../../src/analysis/decision.ts';
import {
  alternatives,
  gaugeStake,
  labelStake,
  markStake,
  SRM_RATIOS,
  type Stake,
} from '../../src/analysis/detectors.ts';
import { disperse, dispersionIndex, noDispersion } from '../../src/analysis/dispersion.ts';
import type { Batch, Pair, Tick } from '../../src/analysis/evidence.ts';
import { quantileRanks, rateInterval, ratioInterval } from '../../src/analysis/intervals.ts';
import { judge } from '../../src/analysis/judge.ts';
import { bernoulliIncrement, labelIncrement, tiltIncrement } from '../../src/analysis/label.ts';
import {
  type LatencyCounts,
  latencyBucket,
  latencyMark,
  latencyScale,
  latencyShifts,
} from '../../src/analysis/latency.ts';
import { logAddExp, logSumExp } from '../../src/analysis/logs.ts';
import {
  advance,
  believedRatio,
  bet,
  logWealth,
  startAtOnce,
  startMixture,
} from '../../src/analysis/mixture.ts';
import { promotionEvents, rollbackCanaryEvents } from '../../src/analysis/planning.ts';
import { DEFAULT_POLICY, type MetricKind, type Policy } from '../../src/analysis/policy.ts';
import { betOnLabels, betOnTrials, promotionEvidence, startPromotion } from '../../src/analysis/promotion.ts';
import { startJudge, startStep } from '../../src/analysis/state.ts';

/**
 * The published vectors, from an independent reference implementation. What is below translates their input, which is one flat
 * script per judge, into what the judge is really fed.
 */
interface Vector {
  readonly id: string;
  readonly fn: string;
  readonly input: never;
  readonly expected: unknown;
  readonly tol: number;
}

/** `precise`: our own, of extremes, worked out apart from all this in 60 digits. */
const vectors = ['analysis', 'precise'].flatMap(
  (name) =>
    (JSON.parse(readFileSync(`test/vectors/${name}.json`, 'utf8')) as { vectors: readonly Vector[] }).vectors,
);

type Histogram = Readonly<Record<string, number>>;
const counts = (histogram: Histogram): LatencyCounts =>
  Object.entries(histogram).map(([bucket, count]) => [Number(bucket), count]);

interface DetectorInput {
  readonly detector: 'ratio' | 'shift' | 'ceiling' | 'gauge' | 'srm';
  readonly grid?: readonly number[];
  readonly r0?: number;
  readonly etas?: readonly number[];
  readonly p0?: number;
  readonly epochs?: number;
  readonly epoch_s?: number;
  readonly rho0?: number;
  readonly stream: readonly (readonly [t: number, ...row: never[]])[];
}

function usualGrid(kind: MetricKind, p0 = 0.05): readonly number[] {
  return alternatives({ name: kind, kind, weight: 1 }, { ...DEFAULT_POLICY, errorCeiling: p0 });
}

function runDetector(input: DetectorInput): unknown {
  const { detector, r0, p0 = 0.05, epochs, epoch_s = 112.5, rho0 } = input;
  const labels = (pair: Pair, w: number, ratios: readonly number[]): Stake =>
    labelStake([{ w, errors: pair }], (batch) => batch.errors, ratios, r0);
  const kinds: Record<
    DetectorInput['detector'],
    readonly [
      grid: readonly number[],
      bets: (row: readonly never[], grid: readonly number[]) => readonly number[],
    ]
  > = {
    ratio: [usualGrid('errorRatio'), ([kc, k, w], grid) => labels([kc!, k!], w!, grid).increments],
    srm: [SRM_RATIOS, ([nc, n, w], grid) => labels([nc!, n!], w!, grid).increments],
    shift: [
      input.etas ?? usualGrid('value'),
      ([u, nc, n, w], grid) =>
        markStake([{ w: w!, latency: [[u!, nc!, n!]] }], (batch) => batch.latency, grid).increments,
    ],
    ceiling: [
      usualGrid('errorCeiling', p0),
      ([k, n], grid) => grid.map((p) => bernoulliIncrement(k!, n!, p, p0)),
    ],
    gauge: [usualGrid('gauge'), ([above], grid) => gaugeStake(above!, grid).increments],
  };
  const [usual, bets] = kinds[detector];
  const grid = input.grid ?? usual;
  let mixture =
    detector === 'srm' ? startAtOnce(grid.length) : startMixture(grid.length, epoch_s, epochs, rho0);
  const logE = input.stream.map(([t, ...row]) => {
    mixture = bet(advance(mixture, t), bets(row, grid));
    return logWealth(mixture);
  });
  return { logE, ...(detector === 'ratio' && { ratio: believedRatio(mixture, grid) }) };
}

/** One observation of a judge script. */
interface Observation {
  units?: Pair;
  errors?: Pair;
  trials?: Pair;
  strials?: Pair;
  lat?: Readonly<Record<string, Pair>>;
  exceed95?: Pair;
  exceed99?: Pair;
  conv?: Pair;
  requests?: Pair;
  reqErrors?: Pair;
  reqExceed95?: Pair;
  phi?: number;
  phiLat?: number;
  gauge?: boolean | null;
  w?: number;
}

interface JudgeInput {
  readonly ticks: number;
  readonly segments: readonly { t0: number; t1: number; every?: number; obs: Observation }[];
  readonly config?: Record<string, never>;
  readonly baseline?: Histogram;
  readonly autoAdvance?: boolean;
}

/** The section 14 configuration of a script as a policy. */
function policyOf(config: Record<string, never> = {}): Policy {
  const renamed: Record<string, (value: never) => Partial<Policy>> = {
    weights: (weights: Record<string, number>) => ({
      metrics: Object.entries(weights).map(([name, weight]) => ({ name, kind: name as MetricKind, weight })),
    }),
    holdOnly: () => ({}),
    steps: (steps: { weight: number; margin: number; floor: number; minS: number; maxS: number }[]) => ({
      steps: steps.map(({ minS, maxS, ...step }) => ({ ...step, minSeconds: minS, maxSeconds: maxS })),
    }),
    latencyWarmupS: (latencyWarmup: number) => ({ latencyWarmup }),
    inconclusiveTimeoutS: (inconclusiveTimeout: number) => ({ inconclusiveTimeout }),
    envWindows: () => ({}),
    envMinTrials: () => ({}),
    spike: (spike: { s: number; factor: number; minFails: number; minRef: number }) => ({
      incident: {
        seconds: spike.s,
        factor: spike.factor,
        minFailures: spike.minFails,
        minReference: spike.minRef,
      },
    }),
  };
  const policy: Policy = { ...DEFAULT_POLICY };
  for (const [name, value] of Object.entries(config))
    Object.assign(policy, renamed[name]?.(value) ?? { [name]: value });
  const holdOnly: readonly string[] = config['holdOnly'] ?? ['gauge'];
  return {
    ...policy,
    metrics: policy.metrics.map((metric) => ({ ...metric, holdOnly: holdOnly.includes(metric.name) })),
    environment: {
      windows: config['envWindows'] ?? policy.environment.windows,
      minTrials: config['envMinTrials'] ?? policy.environment.minTrials,
    },
  };
}

function addUp(observations: readonly Observation[]): Observation {
  const total: Observation = {};
  const add = (a: Pair | undefined, b: Pair): Pair => [(a?.[0] ?? 0) + b[0], (a?.[1] ?? 0) + b[1]];
  for (const { lat, phi, phiLat, gauge, w, ...pairs } of observations) {
    for (const [name, pair] of Object.entries(pairs) as [Exclude<keyof Observation, 'lat'>, Pair][])
      Object.assign(total, { [name]: add(total[name] as Pair | undefined, pair) });
    for (const [bucket, pair] of Object.entries(lat ?? {}))
      total.lat = { ...total.lat, [bucket]: add(total.lat?.[bucket], pair) };
    for (const [name, value] of Object.entries({ phi, phiLat, gauge, w }))
      if (value !== undefined) Object.assign(total, { [name]: value });
  }
  return total;
}

function tickOf(t: number, obs: Observation, weight: number): Tick {
  const given = <T extends object>(fields: T) =>
    Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
      [K in keyof T]?: Exclude<T[K], undefined>;
    };
  const batch: Batch = {
    w: obs.w ?? weight,
    ...given({
      units: obs.units,
      errors: obs.errors,
      slow95: obs.exceed95,
      slow99: obs.exceed99,
      conversions: obs.conv && { conversion: obs.conv },
      latency: obs.lat && Object.entries(obs.lat).map(([b, [c, all]]) => [Number(b), c, all] as const),
    }),
  };
  return {
    t,
    batches: [batch],
    ...given({
      trials: obs.trials,
      stableTrials: obs.strials,
      requests: obs.requests,
      requestErrors: obs.reqErrors,
      requestSlow95: obs.reqExceed95,
      phi: obs.phi,
      phiLatency: obs.phiLat,
      samples: obs.gauge === undefined ? undefined : { gauge: obs.gauge },
    }),
  };
}

function runJudge({ ticks, segments, config, baseline, autoAdvance = true }: JudgeInput): unknown {
  const policy = policyOf(config);
  const latencies = baseline && counts(baseline);
  const trace: [number, string, string][] = [];
  let state = startJudge(policy, latencies);
  let t = 0;
  for (; t < ticks; t++) {
    const observations = segments
      .filter(({ t0, t1, every = 1 }) => t0 <= t && t < t1 && (t - t0) % every === 0)
      .map(({ obs }) => obs);
    let judgement: Judgement;
    const tick = tickOf(t, addUp(observations), policy.steps[state.step]!.weight);
    // Every tick goes through JSON, as everything a judge knows must.
    ({ state, judgement } = judge(policy, JSON.parse(JSON.stringify(state)), tick));
    const [, decision, reason] = trace.at(-1) ?? [];
    const said = judgement.decision.toUpperCase();
    if (decision !== said || reason !== judgement.reason) trace.push([t, said, judgement.reason]);
    if (['ROLLBACK', 'INVALID', 'INCONCLUSIVE'].includes(said)) break;
    if (said !== 'PROMOTE') continue;
    if (!autoAdvance || state.step === policy.steps.length - 1) break;
    state = startStep(state, policy, state.step + 1, t + 1, latencies);
  }
  return {
    trace,
    endT: Math.min(t, ticks - 1),
    endStep: state.step,
    logE: Object.fromEntries(
      policy.metrics.map(({ name }) => [name, logWealth(state.detectors[name]!.mixture)]),
    ),
    niErr: errorsEvidence(policy, state),
    niLat: slownessEvidence(policy, state),
    srm: logWealth(state.srm),
  };
}

interface PromotionInput {
  readonly margin: number;
  readonly floor?: number;
  readonly labels?: readonly (readonly [kc: number, k: number, w: number])[];
  readonly trials?: readonly Pair[];
  readonly phi?: number;
}

function runPromotion({ margin, floor, labels = [], trials = [], phi }: PromotionInput): unknown {
  let promotion = startPromotion(margin, floor);
  for (const [kc, k, w] of labels) promotion = betOnLabels(promotion, kc, k, w);
  for (const [k, n] of trials) promotion = betOnTrials(promotion, k, n);
  return { logE: promotionEvidence(promotion, phi) };
}

function runScale({ hist, marks }: { hist: Histogram; marks: readonly number[] }): unknown {
  const scale = latencyScale(counts(hist))!;
  return { ...scale, etas: latencyShifts(scale), marks: marks.map((bucket) => latencyMark(bucket, scale)) };
}

type Numbers = Readonly<Record<string, number>>;
const FUNCTIONS: Readonly<Record<string, (input: never) => unknown>> = {
  log_add_exp: ({ a, b }: { a: number; b: number }) => logAddExp(a, b),
  log_sum_exp: ({ xs }: { xs: readonly number[] }) => logSumExp(xs),
  label_increment: ({ kc, k, w, r, r0 }: Numbers) => labelIncrement(kc!, k!, w!, r!, r0),
  tilt_increment: ({ x, w, logG }: Numbers) => tiltIncrement(x!, w!, logG!),
  bernoulli_increment: ({ k, n, p, p0 }: Numbers) => bernoulliIncrement(k!, n!, p!, p0!),
  detector: runDetector,
  non_inferiority: runPromotion,
  dispersion: ({ slots, rows }: { slots: number; rows: readonly (readonly [number, number, number])[] }) => ({
    phi: dispersionIndex(disperse(noDispersion(slots), rows)),
  }),
  latency_scale: runScale,
  lat_bucket: ({ ms }: { ms: readonly number[] }) => ms.map(latencyBucket),
  rate_cs: ({ k, n, alpha }: Numbers) => rateInterval(k!, n!, alpha!),
  ratio_cs: ({ levels, alpha }: { levels: readonly [number, number, number][]; alpha: number }) =>
    ratioInterval(levels, alpha),
  quantile_rank_bounds: ({ n, q, alpha }: Numbers) => quantileRanks(n!, q!, alpha!),
  ni_expected_events: ({ margin, w, beta }: Numbers) => promotionEvents(margin!, w!, beta!),
  rollback_expected_canary_events: ({ r, w, alpha }: Numbers) => rollbackCanaryEvents(r!, w!, alpha!),
  judge: runJudge,
};

function assertClose(got: unknown, want: unknown, tolerance: number, path: string): void {
  if (typeof got === 'number' && (want === 'Infinity' || want === '-Infinity')) {
    assert.equal(got, Number(want), path);
  } else if (typeof got === 'number' && typeof want === 'number') {
    const off = Math.abs(got - want);
    assert.ok(off <= tolerance * Math.max(1, Math.abs(want)), `${path}: ${got} is not ${want}`);
  } else if (typeof want === 'object' && want !== null && typeof got === 'object' && got !== null) {
    assert.deepEqual(Object.keys(got).sort(), Object.keys(want).sort(), path);
    for (const [key, value] of Object.entries(want))
      assertClose((got as Record<string, unknown>)[key], value, tolerance, `${path}.${key}`);
  } else {
    assert.equal(got, want, path);
  }
}

for (const { id, fn, input, expected, tol } of vectors) {
  test(`the vector ${id} is matched`, () => {
    const run = FUNCTIONS[fn];
    assert.ok(run, `there is no function ${fn}`);
    assertClose(run(input), expected, tol, id);
  });
}
