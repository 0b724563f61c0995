import { latencyScale } from '../analysis/latency.ts';
import { flawlessTrials, promotionEvents, slowEvents } from '../analysis/planning.ts';
import type { Policy as JudgePolicy } from '../analysis/policy.ts';
import type { PlanView } from '../model/api.ts';
import type { Plan } from '../model/plan.ts';
import type { Policy } from '../model/policy.ts';
import { estimate, tellEstimate, tellPlan } from '../rollout/plan.ts';
import { duration, percent } from '../rollout/words.ts';
import type { Flow } from './insight.ts';
import { judgePolicy } from './policy.ts';

/** What the judge waits for at a weight until it can tell, if versions are equal. */
interface Wait {
  /** What takes longest. */
  readonly metric: 'errors' | 'latency';
  readonly seconds: number;
}

/** A plan in words, and how long it takes at this traffic. Every request is taken for a user's first. */
export function tellOutlook(terms: { readonly plan: Plan; readonly policy: Policy }, flow: Flow): PlanView {
  const { perSecond } = flow;
  const { plan } = terms;
  const waitAt = waits(judgePolicy(terms), flow);
  const secondsToVerdict = (weight: number): number | undefined => waitAt(weight)?.seconds;
  const takes =
    perSecond === 0 && plan.steps.some(({ needs }) => needs !== 'nothing')
      ? 'nobody can say: there is no traffic at present'
      : tellEstimate(estimate(plan, { perSecond, keysPerSecond: perSecond, secondsToVerdict }));
  const longest = plan.steps
    .flatMap(({ weight, needs }) => {
      const wait = needs === 'verdict' ? waitAt(weight) : undefined;
      return wait === undefined ? [] : [{ ...wait, weight }];
    })
    .reduce<(Wait & { weight: number }) | undefined>(
      (most, wait) => (most === undefined || wait.seconds > most.seconds ? wait : most),
      undefined,
    );
  const awaited =
    longest &&
    `; the judge waits longest for ${longest.metric}: about ${duration(longest.seconds)} at ${percent(longest.weight)}`;
  return { steps: tellPlan(plan), takes: `${takes}${awaited ?? ''}` };
}

/** By the candidate's percentage; undefined where nobody knows. */
function waits(policy: JudgePolicy, flow: Flow): (weight: number) => Wait | undefined {
  const { steps, beta } = policy;
  const { perSecond, errorRate } = flow;
  const slowShare = judgedSlow(policy, flow);
  return (atPercent) => {
    const step = steps.find(({ weight }) => weight >= atPercent / 100);
    if (step === undefined || atPercent === 0) return undefined;
    const { weight, margin, floor } = step;
    // The canary passes by its ratio to stable's failures, or by hardly failing at all.
    const byRatio = promotionEvents(margin, weight, beta) / (perSecond * errorRate);
    const byFloor = errorRate < floor / 10 ? flawlessTrials(floor, beta) / (perSecond * weight) : Infinity;
    const errors = Math.min(byRatio, byFloor);
    const latency =
      slowShare === undefined
        ? 0
        : policy.latencyWarmup + slowEvents(margin, weight, beta) / (perSecond * slowShare);
    const wait: Wait =
      latency > errors ? { metric: 'latency', seconds: latency } : { metric: 'errors', seconds: errors };
    return Number.isFinite(wait.seconds) ? wait : undefined;
  };
}

/** The part of requests that counts as slow; undefined if latency will not be judged. */
function judgedSlow({ metrics, minBaseline }: JudgePolicy, { latency }: Flow): number | undefined {
  const answers = latency.reduce((sum, [, count]) => sum + count, 0);
  const scale = latencyScale(latency);
  if (scale === undefined || answers < minBaseline) return undefined;
  if (!metrics.some(({ kind }) => kind.startsWith('latency'))) return undefined;
  return latency.reduce((sum, [bucket, count]) => sum + (bucket > scale.b95 ? count : 0), 0) / answers;
}
