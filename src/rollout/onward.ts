import type { SeenSoFar } from '../model/event.ts';
import type { Phase, Running } from '../model/phase.ts';
import type { Rollout } from '../model/rollout.ts';
import type { Decision } from '../model/verdict.ts';
import { goBack } from './back.ts';
import { arrive, type Place } from './doors.ts';
import { asksPeople, gatesOf } from './gates.ts';
import { move, note, type Outcome, stay } from './move.ts';
import type { Because, Event, In } from './phases.ts';
import { duration } from './words.ts';

/** The ways on: through doors, from step to step, through the bake to the end. */

/** Opens the door if all its gates have passed. */
export function knock(rollout: In<'waiting'>, _: Event<'tick'>, now: number): Outcome {
  const { phase, plan } = rollout;
  const place = arrive(rollout, phase, now);
  const free = phase.door === 'start' ? 'it begins' : 'the way is free';
  const says = gatesOf(plan, phase).length > 0 ? 'every gate has passed' : free;
  return place === phase ? stay(rollout) : enter(rollout, place, { says }, now);
}

/** Leaves the step if it may be left, or does what it should when its time is over. */
export function stepped(
  rollout: In<'stepping'>,
  { seen }: { readonly seen?: SeenSoFar },
  now: number,
): Outcome {
  const { phase, plan, policy } = rollout;
  const { atLeast, atMost, needs, onTimeout } = plan.steps[phase.step]!;
  const elapsed = (now - phase.since) / 1000;
  const suspect = isSuspect(rollout);
  const enough =
    needs === 'nothing' ||
    (needs === 'verdict'
      ? policy.dryRun || phase.standing === 'promote'
      : 'requests' in needs
        ? (seen?.requests ?? 0) >= needs.requests
        : (seen?.keys ?? 0) >= needs.keys);
  if (elapsed >= atLeast && enough && !suspect)
    return leave(rollout, { says: evidenceSays(rollout, seen) }, now);
  if (elapsed < atMost) return stay(rollout);
  const says = `not decided in ${duration(atMost)}`;
  if (onTimeout === 'rollback') return goBack(rollout, 'timeout', says, undefined, now);
  if (onTimeout === 'advance' && !suspect)
    return leave(rollout, { says: `${says}; it goes on as planned` }, now);
  const hold = suspect ? 'as the verdict is to hold' : 'and goes on as soon as it can tell';
  return beLate(rollout, `${says}; it holds, ${hold}`, now);
}

function evidenceSays({ phase, plan, policy }: In<'stepping'>, seen: SeenSoFar | undefined): string {
  const { needs, atLeast } = plan.steps[phase.step]!;
  if (needs === 'nothing' || (needs === 'verdict' && policy.dryRun)) return `after ${duration(atLeast)}`;
  if (needs === 'verdict') return 'the judge finds the candidate healthy';
  return 'requests' in needs
    ? `${seen?.requests} requests without a finding`
    : `${seen?.keys} users without a finding`;
}

/** How finely the time baked is written down, for a restart: in so many parts, and of a minute at least. */
const MARKS = 100;
const MINUTE = 60;

/** Ends the bake when its time is over. */
export function baked(rollout: In<'baking'>, _: Event<'tick'>, now: number): Outcome {
  const { phase, plan } = rollout;
  const { for: length } = plan.bake;
  if (now - phase.since < length * 1000) {
    const due = (phase.looked ?? phase.since) + 1000 * Math.max(MINUTE, length / MARKS);
    return stay(now < due ? rollout : { ...rollout, phase: { ...phase, looked: now } });
  }
  const says = `baked for ${duration(plan.bake.for)}`;
  return isSuspect(rollout)
    ? beLate(rollout, `${says}, but the verdict is to hold; it bakes on`, now)
    : leave(rollout, { says }, now);
}

/** Verdicts after which nobody goes on. In a dry run the judge holds nothing. */
const SUSPECT: ReadonlySet<Decision | undefined> = new Set(['hold', 'invalid', 'rollback']);

function isSuspect({ phase, policy }: In<'stepping' | 'baking'>): boolean {
  return !policy.dryRun && SUSPECT.has(phase.standing);
}

/** Says once that it takes longer than it should. */
function beLate(rollout: In<'stepping' | 'baking'>, says: string, now: number): Outcome {
  if (rollout.phase.late) return stay(rollout);
  return note({ ...rollout, phase: { ...rollout.phase, late: true } }, { says, news: 'late' }, now);
}

function leave(rollout: In<'stepping' | 'baking'>, because: Because, now: number): Outcome {
  const { phase } = rollout;
  const door: Running =
    phase.at === 'stepping'
      ? { at: 'waiting', door: 'after', step: phase.step, passed: [], since: now }
      : { at: 'waiting', door: 'bake', passed: [], since: now };
  return enter(rollout, arrive(rollout, door, now), because, now);
}

/** To a place further on: with its weight, and an epoch of its own where evidence is gathered. */
export function enter(rollout: Rollout, place: Place, because: Because, now: number): Outcome {
  const { plan } = rollout;
  switch (place.at) {
    case 'waiting': {
      if (asksPeople(plan, place)) return move(rollout, { ...because, phase: place, news: 'approval' }, now);
      if (place.door !== 'promotion' || rollout.stranded === undefined)
        return move(rollout, { ...because, phase: place }, now);
      const says = `${because.says}; but there is no way back: ${rollout.stranded}`;
      return move(rollout, { ...because, says, phase: place, news: 'late' }, now);
    }
    case 'stepping': {
      const { weight } = plan.steps[place.step]!;
      return move(rollout, { ...because, phase: place, weight, fresh: true, news: 'step' }, now);
    }
    case 'baking': {
      const weight = plan.bake.for > 0 ? 100 - plan.bake.keepWarm : 100;
      return move(rollout, { ...because, phase: place, weight, fresh: true, news: 'promoting' }, now);
    }
    case 'promoted':
      return promoted(rollout, because, now);
  }
}

/** Full weight, and the end. */
export function promoted(rollout: Rollout, because: Because, now: number): Outcome {
  const phase: Phase = { at: 'promoted', since: now, says: because.says };
  return move(rollout, { ...because, phase, weight: 100, news: 'promoted' }, now);
}

/** Ends the step as if its evidence were there, or goes past all steps. Doors stay doors. */
export function skipStep(rollout: In<'stepping'>, { all, by, says }: Event<'promote'>, now: number): Outcome {
  const because = { says: says ?? (all ? 'to full weight at once' : 'on without waiting'), by };
  return all ? toPromotion(rollout, because, now) : leave(rollout, because, now);
}

/** Past the doors of steps; those of start, promotion and bake open to their gates only. */
export function skipDoors(rollout: In<'waiting'>, { all, by, says }: Event<'promote'>, now: number): Outcome {
  const { door } = rollout.phase;
  if (!all || (door !== 'before' && door !== 'after')) return stay(rollout);
  return toPromotion(rollout, { says: says ?? 'to full weight at once', by }, now);
}

/** Ends the bake before its time. */
export function finishBake(rollout: In<'baking'>, { by, says }: Event<'promote'>, now: number): Outcome {
  return leave(rollout, { says: says ?? 'the bake is cut short', by }, now);
}

function toPromotion(rollout: Rollout, because: Because, now: number): Outcome {
  const door: Running = { at: 'waiting', door: 'promotion', passed: [], since: now };
  return enter(rollout, arrive(rollout, door, now), because, now);
}
