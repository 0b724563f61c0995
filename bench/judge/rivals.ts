import type { Judgement } from '../../src/analysis/decision.ts';
import { judge } from '../../src/analysis/judge.ts';
import { DEFAULT_METRICS, DEFAULT_POLICY, ERROR_POLICIES, type Policy } from '../../src/analysis/policy.ts';
import { startJudge, startStep } from '../../src/analysis/state.ts';
import type { Scenario, Second } from './traffic.ts';

/** Something that looks at a rollout second by second and says, once, that it should go back. */
export interface Rival {
  readonly name: string;
  /** How it is set up, for the report. */
  readonly how: string;
  /** A fresh one. What it returns is asked every second whether to roll back. */
  begin(scenario: Scenario): (second: Second) => boolean;
}

/** Counts since the step began, as most tools look at them. */
interface Sums {
  step: number;
  canaryBad: number;
  canary: number;
  stableBad: number;
  stable: number;
}

function add(sums: Sums, second: Second): Sums {
  if (second.step !== sums.step) return { ...second };
  return {
    step: sums.step,
    canaryBad: sums.canaryBad + second.canaryBad,
    canary: sums.canary + second.canary,
    stableBad: sums.stableBad + second.stableBad,
    stable: sums.stable + second.stable,
  };
}

const NOTHING: Sums = { step: -1, canaryBad: 0, canary: 0, stableBad: 0, stable: 0 };

/** Looks every second at what the step has brought so far. */
function looking(decide: (sums: Sums) => boolean): Rival['begin'] {
  return () => {
    let sums = NOTHING;
    return (second) => {
      sums = add(sums, second);
      return decide(sums);
    };
  };
}

/** Looks once a minute at that minute alone, and gives up after more than `limit` bad ones. */
function minutely(limit: number, bad: (minute: Sums) => boolean): Rival['begin'] {
  return () => {
    let minute = NOTHING;
    let failures = 0;
    return (second) => {
      // Minutes are windows of time: a new step does not begin a new one.
      minute = add(minute, { ...second, step: Math.floor(second.t / 60) });
      if (second.t % 60 !== 59) return false;
      if (minute.canary > 0 && bad(minute)) failures++;
      return failures > limit;
    };
  };
}

/** Spillway's judge, all its error tests and guards on, under this policy. */
function spillway(name: string, how: string, change: Partial<Policy> = {}): Rival {
  return {
    name,
    how,
    begin({ weights, stepSeconds }) {
      const steps = weights.map((weight) => ({
        weight,
        margin: 2,
        floor: 0.002,
        minSeconds: 0,
        maxSeconds: stepSeconds,
      }));
      const policy: Policy = { ...DEFAULT_POLICY, ...change, steps };
      let state = startJudge(policy, undefined);
      return ({ t, w, step, canaryBad, canary, stableBad, stable }) => {
        // The schedule of the simulation goes on whatever the judge would promote.
        if (step !== state.step) state = startStep(state, policy, step, t, undefined);
        let judgement: Judgement;
        ({ state, judgement } = judge(policy, state, {
          t,
          batches: [{ w, units: [canary, canary + stable], errors: [canaryBad, canaryBad + stableBad] }],
          trials: [canaryBad, canary],
          stableTrials: [stableBad, stable],
        }));
        return judgement.decision === 'rollback';
      };
    },
  };
}

export const SPILLWAY = spillway('Spillway', 'defaults: alpha 1 % over all metrics, acts from 1.23 times');

export const SENSITIVE = spillway('Spillway, sensitive', 'grid with 1.1 and 1.25: acts from 1.05 times', {
  metrics: DEFAULT_METRICS.map((metric) =>
    metric.kind === 'errorRatio' ? { ...metric, ...ERROR_POLICIES.sensitive } : metric,
  ),
});

const NAIVE: Rival = {
  name: 'naive 2x',
  how: "canary's rate at least twice stable's since the step began, on 100 canary requests or more",
  begin: looking(
    ({ canaryBad, canary, stableBad, stable }) =>
      canary >= 100 && canaryBad > 0 && canaryBad / canary >= (2 * stableBad) / stable,
  ),
};

const Z_TEST: Rival = {
  name: 'z-test each second',
  how: 'pooled two-proportion z, one-sided 1 %, on the step so far, looked at every second',
  begin: looking(({ canaryBad, canary, stableBad, stable }) => {
    const pooled = (canaryBad + stableBad) / (canary + stable);
    const error = Math.sqrt(pooled * (1 - pooled) * (1 / canary + 1 / stable));
    return canary >= 100 && (canaryBad / canary - stableBad / stable) / error > 2.3263;
  }),
};

const ARGO: Rival = {
  name: 'Argo-like',
  how: "success rate below 95 % over a minute, failureLimit 3 (the documentation's example)",
  begin: minutely(3, ({ canaryBad, canary }) => canaryBad / canary > 0.05),
};

const FLAGGER: Rival = {
  name: 'Flagger-like',
  how: "success rate below 99 % over a minute, threshold 10 (the documentation's example)",
  begin: minutely(9, ({ canaryBad, canary }) => canaryBad / canary > 0.01),
};

const KAYENTA: Rival = {
  name: 'Kayenta-like',
  how: 'error rates by minute, 98 % Mann-Whitney interval, tolerance 0.25, growing window judged every 5 minutes',
  begin() {
    const canary: number[] = [];
    const stable: number[] = [];
    let minute = NOTHING;
    return (second) => {
      minute = add(minute, { ...second, step: Math.floor(second.t / 60) });
      if (second.t % 60 !== 59) return false;
      if (minute.canary > 0) canary.push(minute.canaryBad / minute.canary);
      stable.push(minute.stableBad / Math.max(1, minute.stable));
      return second.t % 300 === 299 && kayentaHigh(canary, stable);
    };
  },
};

/** NetflixACAJudge: High if the interval of the shift lies above a quarter of its Hodges-Lehmann estimate. */
function kayentaHigh(canary: readonly number[], stable: readonly number[]): boolean {
  const [n, m] = [canary.length, stable.length];
  if (n === 0) return false;
  const shifts = canary.flatMap((c) => stable.map((s) => c - s)).sort((a, b) => a - b);
  const rank = Math.floor((n * m) / 2 - 2.3263 * Math.sqrt((n * m * (n + m + 1)) / 12));
  const low = shifts[Math.max(0, rank)]!;
  const shift = shifts[Math.floor(shifts.length / 2)]!;
  return low > 0.25 * Math.abs(shift);
}

export const RIVALS: readonly Rival[] = [SPILLWAY, NAIVE, Z_TEST, ARGO, FLAGGER, KAYENTA];
