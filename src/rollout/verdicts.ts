import type { Cause, Paused } from '../model/phase.ts';
import type { Rollout } from '../model/rollout.ts';
import type { Verdict } from '../model/verdict.ts';
import { harmful } from './back.ts';
import { type Outcome, stay } from './move.ts';
import { baked, stepped } from './onward.ts';
import { goOn, halt } from './pauses.ts';
import { type Event, type In, standingAt } from './phases.ts';
import { crossed } from './threshold.ts';

/** What is done on verdicts. */

/** A verdict while its epoch lasts; what is left after harm and weather goes the way of time. */
export function judged(rollout: In<'stepping' | 'baking'>, event: Event<'verdict'>, now: number): Outcome {
  const { verdict, epoch, seen } = event;
  if (epoch !== rollout.epoch) return stay(rollout);
  const phase = standingAt(rollout.phase, verdict.decision);
  const stood = phase === rollout.phase ? rollout : { ...rollout, phase };
  const finding = findingOf(stood, verdict);
  if (finding) return harmful(stood, finding.cause, finding.says, now);
  if (!stood.policy.dryRun) {
    if (verdict.decision === 'invalid')
      return halt(stood, { cause: 'split', says: verdict.says, putBack: stood.weight }, now);
    if (isStorm(verdict)) return halt(stood, { cause: 'environment', says: verdict.says }, now);
  }
  return stood.phase.at === 'stepping'
    ? stepped({ ...stood, phase: stood.phase }, { seen }, now)
    : baked({ ...stood, phase: stood.phase }, { type: 'tick' }, now);
}

/** At a door only harm counts. */
export function watched(rollout: In<'waiting'>, { verdict, epoch }: Event<'verdict'>, now: number): Outcome {
  const finding = epoch === rollout.epoch ? findingOf(rollout, verdict) : undefined;
  return finding ? harmful(rollout, finding.cause, finding.says, now) : stay(rollout);
}

/** The shortest pause for a storm, so that gusts do not make it stop and go. Milliseconds. */
const STORM = 60_000;

/** While paused, harm counts; and after a storm the calm does. */
export function weathered(rollout: In<'paused'>, { verdict, epoch }: Event<'verdict'>, now: number): Outcome {
  if (epoch !== rollout.epoch) return stay(rollout);
  const { phase } = rollout;
  const finding = findingOf(rollout, verdict);
  if (finding) return harmful(rollout, finding.cause, finding.says, now);
  if (phase.cause !== 'environment' || isStorm(verdict) || now - phase.since < STORM) return stay(rollout);
  const calm: Paused = { ...phase, kept: standingAt(phase.kept, verdict.decision) };
  return goOn({ ...rollout, phase: calm }, { says: 'the baseline is well again' }, now);
}

function findingOf({ policy }: Rollout, verdict: Verdict): { cause: Cause; says: string } | undefined {
  if (verdict.decision === 'rollback') return { cause: 'worse', says: verdict.says };
  const says = crossed(policy.thresholds, verdict);
  return says === undefined ? undefined : { cause: 'threshold', says };
}

function isStorm({ decision, reason }: Verdict): boolean {
  return decision === 'hold' && (reason === 'environment' || reason === 'incident');
}
