import type { Harm } from '../model/harm.ts';
import type { Cause } from '../model/phase.ts';
import type { HarmBudget, Tripwire } from '../model/policy.ts';

/**
 * What a candidate may cost, whatever the judge thinks. The budget is arithmetic on what has happened; the
 * tripwire is for catastrophes that need no statistics, and is held to a bound so that it never cuts by chance.
 */

/** Failures beyond what the baseline's error rate explains; never below 0. */
export function excessFailures({ requests, failures, baselineRequests, baselineFailures }: Harm): number {
  const usual = baselineRequests === 0 ? 0 : baselineFailures / baselineRequests;
  return Math.max(0, failures - requests * usual);
}

/** Why the budget is used up, or undefined while it is not. */
export function budgetSpent(budget: HarmBudget, harm: Harm): string | undefined {
  const excess = excessFailures(harm);
  if (budget.failures !== undefined && excess >= budget.failures)
    return `${Math.floor(excess)} failures more than the baseline's rate explains; the budget was ${budget.failures}`;
  if (budget.keys !== undefined && harm.keys >= budget.keys)
    return `${harm.keys} users met a failure of the candidate; the budget was ${budget.keys}`;
  return undefined;
}

/** An error rate that even a sound service may have for a moment. */
const USUAL = 0.01;
/** ln of the chance of tripping at one look although nothing is wrong: one in a million. */
const CHANCE = Math.log(1e-6);

/**
 * Why the tripwire cuts, or undefined. Besides its plain terms it wants the failures to be impossible by chance
 * for a candidate failing so many `times` as often as the baseline: the tail of a binomial is below
 * exp(-n KL(k/n, q)) (Chernoff 1952; Hoeffding 1963, theorem 1). Four failures of four requests do, and half
 * of ten, once two hundred requests have shown the baseline to be well.
 */
export function trips(tripwire: Tripwire, harm: Harm): string | undefined {
  const { requests, failures, baselineRequests, baselineFailures } = harm;
  if (failures < tripwire.failures || failures < tripwire.share * requests) return undefined;
  // One failure more than it had, so that a baseline of which little is known is not taken for flawless.
  const usual = (baselineFailures + 1) / (baselineRequests + 2);
  const bearable = Math.max(USUAL, tripwire.times * usual);
  const rate = failures / requests;
  if (rate <= bearable || -requests * divergence(rate, bearable) > CHANCE) return undefined;
  return `${failures} of ${requests} requests to the candidate failed, of the baseline's ${baselineFailures} of ${baselineRequests}`;
}

/** Kullback-Leibler divergence in nats of a coin of bias `p` from one of bias `q`, 0 < q < 1. */
function divergence(p: number, q: number): number {
  return (p === 0 ? 0 : p * Math.log(p / q)) + (p === 1 ? 0 : (1 - p) * Math.log((1 - p) / (1 - q)));
}

/** Causes that speak against the build itself, so that it is refused from then on. */
const DAMNING: ReadonlySet<Cause> = new Set(['worse', 'threshold', 'tripwire', 'budget']);

/** Whether a rollback for this cause puts the build into quarantine. */
export function damns(cause: Cause): boolean {
  return DAMNING.has(cause);
}
