import { flawlessTrials, promotionEvents } from '../analysis/planning.ts';
import type { PlanView } from '../model/api.ts';
import type { Plan, Policy } from '../model/rollout.ts';
import { estimate, tellEstimate, tellPlan } from '../rollout/plan.ts';
import type { Flow } from './insight.ts';
import { judgePolicy } from './policy.ts';

/** A plan in words, and how long it takes at this traffic. Every request is taken for a user's first. */
export function tellOutlook(terms: { readonly plan: Plan; readonly policy: Policy }, flow: Flow): PlanView {
  const { perSecond } = flow;
  const { steps, beta } = judgePolicy(terms);
  const secondsToVerdict = (percent: number): number | undefined => {
    const step = steps.find(({ weight }) => weight >= percent / 100);
    if (step === undefined || percent === 0) return undefined;
    const { weight, margin, floor } = step;
    // The canary passes by its ratio to stable's failures, or by hardly failing at all.
    const byRatio = promotionEvents(margin, weight, beta) / (perSecond * flow.errorRate);
    const byFloor =
      flow.errorRate < floor / 10 ? flawlessTrials(floor, beta) / (perSecond * weight) : Infinity;
    const seconds = Math.min(byRatio, byFloor);
    return Number.isFinite(seconds) ? seconds : undefined;
  };
  const takes =
    perSecond === 0 && terms.plan.steps.some(({ needs }) => needs !== 'nothing')
      ? 'nobody can say: there is no traffic at present'
      : tellEstimate(estimate(terms.plan, { perSecond, keysPerSecond: perSecond, secondsToVerdict }));
  return { steps: tellPlan(terms.plan), takes };
}
