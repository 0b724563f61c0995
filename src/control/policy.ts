import {
  DEFAULT_METRICS,
  DEFAULT_POLICY,
  DEFAULT_STEPS,
  ERROR_POLICIES,
  type Policy as JudgePolicy,
  type Step as JudgeStep,
  type Metric,
} from '../analysis/policy.ts';
import type { Phase } from '../model/phase.ts';
import type { Plan } from '../model/plan.ts';
import type { MetricRequest } from '../model/policy.ts';
import type { Rollout } from '../model/rollout.ts';
import { isAlone } from '../rollout/words.ts';

/** Steps that sticky alpha is kept for besides the plan's: begun again after a restart, or by hand. */
const SPARE_STEPS = 3;
/**
 * The machine keeps the time of a step, and what is to be done at its end. So the judge never calls time, and
 * can tell of a step that holds, however long, what is in the way and how long it will take. Seconds.
 */
const PATIENCE = 1e9;
/** A coin that is never tossed is no coin, so even a step at 0 % is told to the judge as this. */
const LEAST_WEIGHT = 1e-6;

/** How the judge is to look at a rollout: the plan's steps, and the bake as one more behind them. */
export function judgePolicy({ plan, policy }: Pick<Rollout, 'plan' | 'policy'>): JudgePolicy {
  return {
    ...DEFAULT_POLICY,
    mode: policy.mode,
    alpha: policy.alpha,
    beta: policy.beta,
    errorCeiling: policy.errorCeiling,
    latencyTolerance: policy.latencyTolerance,
    latencySlack: policy.latencySlack,
    metrics: [...policy.metrics, ...(isAlone(plan) ? unsaid(policy.metrics) : [])]
      .filter(({ use, kind }) => use !== 'off' && (isAlone(plan) || !HISTORIES[kind]))
      .map(metricOf),
    steps: [
      ...plan.steps.map(({ weight, atLeast }) => stepOf(weight, atLeast)),
      stepOf(100 - plan.bake.keepWarm, plan.bake.for),
    ],
    spareSteps: SPARE_STEPS,
  };
}

/** What is compared with the past when nothing is kept on the old version, and with whose part of alpha. */
const HISTORIES: Partial<Record<MetricRequest['kind'], readonly MetricRequest['kind'][]>> = {
  errorHistory: ['errorRatio'],
  latencyHistory: ['latencyP95', 'latencyP99', 'latencyShift'],
};

/** Those of them of which nothing is said: each looked at if what it stands for is. */
function unsaid(metrics: readonly MetricRequest[]): MetricRequest[] {
  return (['errorHistory', 'latencyHistory'] as const).flatMap((kind) => {
    const like = metrics.find((metric) => metric.use !== 'off' && HISTORIES[kind]!.includes(metric.kind));
    if (like === undefined || metrics.some((metric) => metric.kind === kind || metric.name === kind))
      return [];
    const held = like.use === 'holdOnly' && { use: like.use };
    return [{ name: kind, kind, ...(like.weight !== undefined && { weight: like.weight }), ...held }];
  });
}

/** The step of the judge's policy that a phase belongs to. */
export function judgedStep(plan: Plan, phase: Phase): number {
  switch (phase.at) {
    case 'stepping':
      return phase.step;
    case 'waiting':
      if (phase.door === 'after') return phase.step;
      // Its weight is not live yet.
      if (phase.door === 'before') return Math.max(0, phase.step - 1);
      if (phase.door === 'start') return 0;
      return phase.door === 'promotion' ? Math.max(0, plan.steps.length - 1) : plan.steps.length;
    case 'paused':
      return judgedStep(plan, phase.kept);
    default:
      return plan.steps.length;
  }
}

/** Harm is weight times excess, so the more traffic is exposed, the more has to be shown. */
function stepOf(percent: number, atLeast: number): JudgeStep {
  const weight = Math.max(LEAST_WEIGHT, percent / 100);
  const { margin, floor } = DEFAULT_STEPS.find((usual) => weight <= usual.weight) ?? DEFAULT_STEPS.at(-1)!;
  return { weight, margin, floor, minSeconds: atLeast, maxSeconds: PATIENCE };
}

function metricOf({
  name,
  kind,
  use,
  weight,
  trigger,
  ratios,
  provenAbove,
  required,
  by,
  worse,
}: MetricRequest): Metric {
  return {
    name,
    kind,
    weight: weight ?? DEFAULT_METRICS.find((usual) => usual.kind === kind)?.weight ?? 1,
    ...(kind === 'errorRatio' && ERROR_POLICIES[trigger ?? 'increase']),
    ...(kind === 'conversion' && worse === 'higher' && { ratios: ERROR_POLICIES.increase.ratios }),
    ...(ratios && { ratios }),
    ...(provenAbove !== undefined && { provenAbove }),
    holdOnly:
      use === 'holdOnly' ||
      (use === undefined && (kind === 'gauge' || kind === 'latencyHistory' || by === 'version')),
    ...(required && { required }),
  };
}
