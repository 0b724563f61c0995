import type { Rollout } from '../model/rollout.ts';
import { goBack } from './back.ts';
import { asksPeople, gatesOf } from './gates.ts';
import { isEnded, move, note, type Outcome, stay, withoutErrand } from './move.ts';
import { promoted } from './onward.ts';
import { halt } from './pauses.ts';
import { afresh, bereft, type Event, isCounted, type Live, later, unpassed } from './phases.ts';
import { duration, percent } from './words.ts';

/** What is done on things that happen around a rollout. */

/**
 * Somebody has set weights. Proportions left as they were are none of our business; the candidate at nothing is
 * a rollback; anything else wants a person to say what next.
 */
export function byHand(rollout: Live, { by, weight, baseline }: Event<'hand'>, now: number): Outcome {
  const share = Number((weight + baseline).toFixed(4));
  const part = share === 0 ? 0 : Number(((100 * weight) / share).toFixed(4));
  const set = { ...rollout, share, weight: part };
  if (part === rollout.weight && share > 0) return share === rollout.share ? stay(rollout) : stay(set);
  if (part === 0) return goBack(set, 'person', `${by} took the candidate off`, by, now);
  const { phase } = rollout;
  const putBack = (phase.at === 'paused' ? phase.putBack : undefined) ?? rollout.weight;
  const says = `${by} set the candidate to ${percent(part)} by hand; going on puts ${percent(putBack)} back`;
  return halt(set, { cause: 'person', says, by, putBack }, now);
}

/** Its candidate makes way; but one that has all the traffic already is the newer one's baseline. */
export function newer(rollout: Live, { rollout: id, by }: Event<'newer'>, now: number): Outcome {
  const says = `rollout ${id} takes its place`;
  const place = rollout.phase.at === 'paused' ? rollout.phase.kept : rollout.phase;
  const full = place.at === 'baking' || (place.at === 'waiting' && place.door === 'bake');
  return full ? promoted(rollout, { says, by }, now) : goBack(rollout, 'newer', says, by, now);
}

/** The old version can be gone back to, or cannot: for all to know, and for the door of promotion. */
export function wayBack(rollout: Live, { shut }: Event<'way'>, now: number): Outcome {
  const { stranded, ...rest } = rollout;
  if (shut === stranded) return stay(rollout);
  if (shut === undefined) return note(rest, { says: 'the way back works again' }, now);
  const says = `there is no way back: ${shut}`;
  // The reason may change; that there is none is told once.
  return note({ ...rest, stranded: shut }, { says, news: stranded === undefined ? 'noted' : undefined }, now);
}

/** A controller goes on with it. */
export function restarted(rollout: Live, { evidence, away }: Event<'restart'>, now: number): Outcome {
  const phase = later(rollout.phase, Math.max(0, away));
  if (evidence === 'kept') return away > 0 ? stay({ ...rollout, phase }) : stay(rollout);
  const says = `Spillway was away for ${duration(away / 1000)} and lost its evidence, which is gathered again`;
  return move(rollout, { phase: bereft(phase, now), says, fresh: isCounted(rollout) }, now);
}

/** The wall clock was set. */
export function clockSet(rollout: Live, { by }: Event<'clock'>): Outcome {
  return by === 0 ? stay(rollout) : stay({ ...rollout, phase: later(rollout.phase, by) });
}

/** A version may be another thing than it was. */
export function reloaded(rollout: Live, { changed }: Event<'reload'>, now: number): Outcome {
  if (!changed) return stay(rollout);
  const says = 'a version has other endpoints now, so its evidence is gathered again';
  // Whoever is being asked about the old endpoints need not answer any more.
  const here = new Set(gatesOf(rollout.plan, rollout.phase).map(({ name }) => name));
  const errands = rollout.errands.filter((errand) => errand.type !== 'gate' || !here.has(errand.gate));
  const phase = unpassed(afresh(rollout.phase, now));
  const news = asksPeople(rollout.plan, phase) ? 'approval' : undefined;
  return move({ ...rollout, errands }, { phase, says, fresh: isCounted(rollout), news }, now);
}

/** A gate that is waited for is not done before it has answered. */
export function done(rollout: Rollout, { errand: id }: Event<'done'>): Outcome {
  const errand = rollout.errands.find((each) => each.id === id);
  return errand?.type === 'gate' && !isEnded(rollout.phase)
    ? stay(rollout)
    : stay(withoutErrand(rollout, id));
}
