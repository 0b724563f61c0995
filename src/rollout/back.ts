import type { Cause, Phase } from '../model/phase.ts';
import type { Rollout } from '../model/rollout.ts';
import { budgetSpent, damns, trips } from './harm.ts';
import { move, note, type Outcome, stay } from './move.ts';
import { halt } from './pauses.ts';
import type { Event, Live } from './phases.ts';

/** The way back. */

/** Takes the traffic from the candidate, at once and for good. */
export function goBack(
  rollout: Rollout,
  cause: Cause,
  says: string,
  by: string | undefined,
  now: number,
): Outcome {
  const quarantined = damns(cause);
  const phase: Phase = { at: 'rolledBack', since: now, cause, says, quarantined };
  const { next, effects } = move(
    rollout,
    { phase, says, by, weight: 0, leave: 'evict', news: 'rolledBack' },
    now,
  );
  return {
    next,
    effects: quarantined ? [...effects, { type: 'quarantine', build: rollout.build, says }] : effects,
  };
}

/**
 * The candidate does harm. Budget and tripwire are bounds, which take the traffic back whatever the policy does
 * about a worse candidate. What is not acted on is said once an epoch, or every second would bring it again.
 */
export function harmful(rollout: Live, cause: Cause, says: string, now: number): Outcome {
  const { onWorse, dryRun } = rollout.policy;
  const bound = cause === 'budget' || cause === 'tripwire';
  const wish = bound ? 'rollback' : onWorse;
  if (wish === 'rollback' && !dryRun) return goBack(rollout, cause, says, undefined, now);
  if (rollout.noted.includes(cause)) return stay(rollout);
  const noted = { ...rollout, noted: [...rollout.noted, cause] };
  if (wish === 'pause' && !dryRun && rollout.phase.at !== 'paused') return halt(noted, { cause, says }, now);
  return note(noted, { says: dryRun ? `dry run, so nothing is done: ${says}` : says, news: 'noted' }, now);
}

/** What the candidate has cost is known anew. */
export function harmed(rollout: Live, { harm, lately }: Event<'harm'>, now: number): Outcome {
  const { tripwire, harmBudget } = rollout.policy;
  const cut = tripwire && trips(tripwire, lately ?? harm);
  if (cut !== undefined) return harmful(rollout, 'tripwire', cut, now);
  const spent = harmBudget && budgetSpent(harmBudget, harm);
  return spent === undefined ? stay(rollout) : harmful(rollout, 'budget', spent, now);
}

/** Nobody can be sent to the candidate. */
export function vanished(rollout: Live, { says }: Event<'vanished'>, now: number): Outcome {
  return goBack(rollout, 'vanished', says, undefined, now);
}

/** A person wants it undone. */
export function abort(rollout: Live, { by, says }: Event<'abort'>, now: number): Outcome {
  return goBack(rollout, 'person', says ?? `${by} aborted it`, by, now);
}
