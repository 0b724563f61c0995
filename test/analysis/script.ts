import type { Judgement } from '../../src/analysis/decision.ts';
import type { Tick } from '../../src/analysis/evidence.ts';
import { judge } from '../../src/analysis/judge.ts';
import type { LatencyCounts } from '../../src/analysis/latency.ts';
import { DEFAULT_POLICY, type Policy } from '../../src/analysis/policy.ts';
import { type JudgeState, startJudge } from '../../src/analysis/state.ts';

/** Failures and requests of one version in one tick. */
export type Arm = readonly [bad: number, n: number];

/** A tick of request mode in which so much happened to each version. */
export function tickOf(
  t: number,
  w: number,
  [bad, n]: Arm,
  [stableBad, stableN]: Arm,
  more: object = {},
): Tick {
  return {
    t,
    batches: [{ w, units: [n, n + stableN], errors: [bad, bad + stableBad], ...more }],
    trials: [bad, n],
    stableTrials: [stableBad, stableN],
  };
}

/** One step at this weight, and the usual rest. */
export function oneStep(weight: number, policy: Partial<Policy> = {}): Policy {
  const step = { weight, margin: 2, floor: 0.002, minSeconds: 60, maxSeconds: 1800 };
  return { ...DEFAULT_POLICY, steps: [step], ...policy };
}

export interface Run {
  readonly state: JudgeState;
  /** The last judgement, and when it was made. */
  readonly judgement: Judgement;
  readonly t: number;
  /** Every change of judgement, as `t decision reason`. */
  readonly trace: readonly string[];
}

/** Judges tick after tick till it is decided or `seconds` are over. */
export function run(
  policy: Policy,
  seconds: number,
  tick: (t: number) => Tick,
  baseline?: LatencyCounts,
): Run {
  let state = startJudge(policy, baseline);
  let judgement: Judgement = { decision: 'continue', reason: '' };
  const trace: string[] = [];
  let last = '';
  for (let t = 0; t < seconds; t++) {
    ({ state, judgement } = judge(policy, state, tick(t)));
    const said = `${judgement.decision} ${judgement.reason}`.trim();
    if (said !== last) trace.push(`${t} ${said}`);
    last = said;
    if (judgement.decision !== 'continue' && judgement.decision !== 'hold')
      return { state, judgement, t, trace };
  }
  return { state, judgement, t: seconds - 1, trace };
}

/** Deterministic chance: mulberry32 (Tommy Ettinger, public domain). Uniform on [0, 1). */
export function chance(seed: number): () => number {
  let a = seed | 0;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let x = Math.imul(a ^ (a >>> 15), 1 | a);
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x;
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** How many of `n` coins of bias `p` fall right, drawn by the gaps between them: cheap where few do. */
export function binomial(n: number, p: number, next: () => number): number {
  if (p <= 0) return 0;
  if (p >= 1) return n;
  if (p > 0.5) return n - binomial(n, 1 - p, next);
  let hits = 0;
  for (let i = Math.floor(Math.log1p(-next()) / Math.log1p(-p)); i < n; hits++)
    i += 1 + Math.floor(Math.log1p(-next()) / Math.log1p(-p));
  return hits;
}
