import type { Harm } from '../model/harm.ts';
import type { Verdict } from '../model/verdict.ts';

/** What this replica is to the fleet at a moment. */
export type Stand =
  /** It decides. What it decides is written under its token; undefined where there is nobody else. */
  | { readonly at: 'leads'; readonly token: string | undefined }
  /** Another decides. */
  | { readonly at: 'follows' }
  /** Nobody is heard of: only what cannot wait is done. */
  | { readonly at: 'cutOff' };

/** Who decides on rollouts. */
export interface Lead {
  stand(): Stand;
  /** What whoever leads thinks of a rollout, as last heard. */
  verdict(rollout: string): Verdict | undefined;
  /** What a rollout has cost the whole fleet when this replica began to lead, as its forerunner last said. */
  inherited(rollout: string): Harm | undefined;
  /**
   * What a rollout has cost by what can be known: what the fleet knew when all were heard of last, and since then
   * as if those who are not had seen what was seen by those who are, be that this replica alone. So no more than
   * the budget is spent by all of them together.
   */
  presumed(rollout: string): { readonly harm: Harm; readonly lately: Harm } | undefined;
}

/** Of one there is no doubt. */
export const ALONE: Lead = {
  stand: () => ({ at: 'leads', token: undefined }),
  verdict: () => undefined,
  inherited: () => undefined,
  presumed: () => undefined,
};
