import type {
  Cause,
  News,
  Paused,
  Phase,
  Rollout,
  RolloutEvent,
  Running,
  SeenSoFar,
} from '../model/rollout.ts';
import type { Decision, Verdict } from '../model/verdict.ts';
import { arrive, gateOf, type Place } from './doors.ts';
import { budgetSpent, damns, trips } from './harm.ts';
import { isEnded, move, note, type Outcome, stay, withoutErrand } from './move.ts';
import { crossed } from './threshold.ts';
import { duration, gatesOf, percent } from './words.ts';

/** What each move of the machine does. Which of them is called when is said by the table in machine.ts. */

type Event<K extends RolloutEvent['type']> = Extract<RolloutEvent, { type: K }>;
type In<A extends Phase['at']> = Rollout & { readonly phase: Extract<Phase, { at: A }> };
type Live = In<'waiting' | 'stepping' | 'baking' | 'paused'>;

// Going on -----------------------------------------------------------------------------------------------

/** Opens the door if all its gates have passed. */
export function knock(rollout: In<'waiting'>, _: Event<'tick'>, now: number): Outcome {
  const { phase, plan } = rollout;
  const place = arrive(plan, phase, now);
  const says = gatesOf(plan, phase).length > 0 ? 'every gate has passed' : 'it begins';
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
  const hold = suspect ? 'as the candidate looks suspicious' : 'and goes on as soon as it can tell';
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

/** Ends the bake when its time is over. */
export function baked(rollout: In<'baking'>, _: Event<'tick'>, now: number): Outcome {
  const { phase, plan } = rollout;
  if (now - phase.since < plan.bake.for * 1000) return stay(rollout);
  const says = `baked for ${duration(plan.bake.for)}`;
  return isSuspect(rollout)
    ? beLate(rollout, `${says}, but the candidate looks suspicious; it bakes on`, now)
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

interface Because {
  readonly says: string;
  readonly by?: string | undefined;
}

function leave(rollout: In<'stepping' | 'baking'>, because: Because, now: number): Outcome {
  const { phase, plan } = rollout;
  const door: Running =
    phase.at === 'stepping'
      ? { at: 'waiting', door: 'after', step: phase.step, passed: [], since: now }
      : { at: 'waiting', door: 'bake', passed: [], since: now };
  return enter(rollout, arrive(plan, door, now), because, now);
}

/** To a place further on: with its weight, and an epoch of its own where evidence is gathered. */
function enter(rollout: Rollout, place: Place, because: Because, now: number): Outcome {
  const { plan } = rollout;
  switch (place.at) {
    case 'waiting': {
      const asked = gatesOf(plan, place).some(
        ({ kind, name }) => kind === 'approval' && !place.passed.includes(name),
      );
      return move(rollout, { ...because, phase: place, news: asked ? 'approval' : undefined }, now);
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

function promoted(rollout: Rollout, because: Because, now: number): Outcome {
  const phase: Phase = { at: 'promoted', since: now, says: because.says };
  return move(rollout, { ...because, phase, weight: 100, news: 'promoted' }, now);
}

// Going back ---------------------------------------------------------------------------------------------

function goBack(rollout: Rollout, cause: Cause, says: string, by: string | undefined, now: number): Outcome {
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
function harmful(rollout: Live, cause: Cause, says: string, now: number): Outcome {
  const { onWorse, dryRun } = rollout.policy;
  const bound = cause === 'budget' || cause === 'tripwire';
  const wish = bound ? 'rollback' : onWorse;
  if (wish === 'rollback' && !dryRun) return goBack(rollout, cause, says, undefined, now);
  if (rollout.noted.includes(cause)) return stay(rollout);
  const noted = { ...rollout, noted: [...rollout.noted, cause] };
  if (wish === 'pause' && !dryRun && rollout.phase.at !== 'paused') return halt(noted, { cause, says }, now);
  return note(noted, { says: dryRun ? `dry run, so nothing is done: ${says}` : says, news: 'noted' }, now);
}

export function harmed(rollout: Live, { harm, lately }: Event<'harm'>, now: number): Outcome {
  const { tripwire, harmBudget } = rollout.policy;
  const cut = tripwire && trips(tripwire, lately ?? harm);
  if (cut !== undefined) return harmful(rollout, 'tripwire', cut, now);
  const spent = harmBudget && budgetSpent(harmBudget, harm);
  return spent === undefined ? stay(rollout) : harmful(rollout, 'budget', spent, now);
}

export function vanished(rollout: Live, { says }: Event<'vanished'>, now: number): Outcome {
  return goBack(rollout, 'vanished', says, undefined, now);
}

/** Its candidate makes way; but one that has all the traffic already is the newer one's baseline. */
export function newer(rollout: Live, { rollout: id, by }: Event<'newer'>, now: number): Outcome {
  const says = `rollout ${id} takes its place`;
  const place = rollout.phase.at === 'paused' ? rollout.phase.kept : rollout.phase;
  const full = place.at === 'baking' || (place.at === 'waiting' && place.door === 'bake');
  return full ? promoted(rollout, { says, by }, now) : goBack(rollout, 'newer', says, by, now);
}

// Verdicts -----------------------------------------------------------------------------------------------

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

function standingAt<P extends Running>(phase: P, standing: Decision): P {
  if (phase.at === 'waiting' || phase.standing === standing) return phase;
  return { ...phase, standing };
}

// Gates --------------------------------------------------------------------------------------------------

/** A gate has answered. Answers to what is not asked any more are ignored. */
export function answered(rollout: Live, { errand: id, pass, says }: Event<'gate'>, now: number): Outcome {
  const errand = rollout.errands.find((each) => each.id === id);
  const gate = errand?.type === 'gate' ? gateOf(rollout.plan, errand.gate) : undefined;
  if (gate === undefined) return stay(rollout);
  const told = `${gate.kind} "${gate.name}": ${says}`;
  if (gate.moment === 'rollback') return pass ? goBack(rollout, 'gate', told, undefined, now) : stay(rollout);
  if (!pass) {
    return gate.onFail === 'hold'
      ? halt(rollout, { cause: 'gate', says: told }, now)
      : goBack(rollout, 'gate', told, undefined, now);
  }
  if (rollout.phase.at !== 'waiting') return stay(rollout);
  const { phase } = rollout;
  return passed({ ...withoutErrand(rollout, id), phase }, gate.name, { says: told }, now);
}

/** A person opens an approval. */
export function approved(rollout: In<'waiting'>, event: Event<'approve'>, now: number): Outcome {
  const { phase, plan } = rollout;
  const gate = gatesOf(plan, phase).find(
    ({ kind, name }) => kind === 'approval' && !phase.passed.includes(name) && (event.gate ?? name) === name,
  );
  if (gate === undefined) return stay(rollout);
  const says = `approved "${gate.name}"${event.says === undefined ? '' : `: ${event.says}`}`;
  return passed(rollout, gate.name, { says, by: event.by }, now);
}

function passed(rollout: In<'waiting'>, gate: string, because: Because, now: number): Outcome {
  const phase = { ...rollout.phase, passed: [...rollout.phase.passed, gate] };
  const place = arrive(rollout.plan, phase, now);
  const next = { ...rollout, phase };
  return place === phase ? note(next, because, now) : enter(next, place, because, now);
}

// People -------------------------------------------------------------------------------------------------

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

export function finishBake(rollout: In<'baking'>, { by, says }: Event<'promote'>, now: number): Outcome {
  return leave(rollout, { says: says ?? 'the bake is cut short', by }, now);
}

function toPromotion(rollout: Rollout, because: Because, now: number): Outcome {
  const door: Running = { at: 'waiting', door: 'promotion', passed: [], since: now };
  return enter(rollout, arrive(rollout.plan, door, now), because, now);
}

export function pause(
  rollout: In<'waiting' | 'stepping' | 'baking'>,
  { by, says }: Event<'pause'>,
  now: number,
): Outcome {
  return halt(rollout, { cause: 'person', by, says: says ?? `${by} paused it` }, now);
}

/** A person's pause takes the place of one that would end by itself. */
export function pauseAnew(rollout: In<'paused'>, { by, says }: Event<'pause'>, now: number): Outcome {
  if (rollout.phase.cause === 'person') return stay(rollout);
  const because = { says: says ?? `${by} paused it`, by };
  const phase: Paused = { ...rollout.phase, cause: 'person', ...because };
  return note({ ...rollout, phase }, { ...because, news: 'paused' }, now);
}

export function resume(rollout: In<'paused'>, { by, says }: Event<'resume'>, now: number): Outcome {
  return goOn(rollout, { says: says ?? `${by} let it go on`, by }, now);
}

export function abort(rollout: Live, { by, says }: Event<'abort'>, now: number): Outcome {
  return goBack(rollout, 'person', says ?? `${by} aborted it`, by, now);
}

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

interface Halt {
  readonly cause: Cause;
  readonly says: string;
  readonly by?: string;
  readonly putBack?: number;
}

function halt(rollout: Live, why: Halt, now: number): Outcome {
  const { phase } = rollout;
  const since = phase.at === 'paused' ? phase.since : now;
  const kept = phase.at === 'paused' ? phase.kept : phase;
  const paused: Paused = { at: 'paused', ...why, since, kept };
  return move(rollout, { phase: paused, says: why.says, by: why.by, news: 'paused' }, now);
}

function goOn(rollout: In<'paused'>, because: Because, now: number): Outcome {
  const { kept, since, putBack } = rollout.phase;
  const news: News = 'resumed';
  return putBack === undefined
    ? move(rollout, { ...because, phase: later(kept, now - since), news }, now)
    : move(rollout, { ...because, phase: afresh(kept, now), weight: putBack, fresh: true, news }, now);
}

// The world ----------------------------------------------------------------------------------------------

/** A controller goes on with it. */
export function restarted(rollout: Live, { evidence, away }: Event<'restart'>, now: number): Outcome {
  const phase = later(rollout.phase, Math.max(0, away));
  if (evidence === 'kept') return away > 0 ? stay({ ...rollout, phase }) : stay(rollout);
  const says = `Spillway was away for ${duration(away / 1000)} and lost its evidence, which is gathered again`;
  return move(rollout, { phase: afresh(phase, now), says, fresh: true }, now);
}

export function clockSet(rollout: Live, { by }: Event<'clock'>): Outcome {
  return by === 0 ? stay(rollout) : stay({ ...rollout, phase: later(rollout.phase, by) });
}

export function reloaded(rollout: Live, { changed }: Event<'reload'>, now: number): Outcome {
  if (!changed) return stay(rollout);
  const says = 'a version has other endpoints now, so its evidence is gathered again';
  // Whoever is being asked about the old endpoints need not answer any more.
  const here = new Set(gatesOf(rollout.plan, rollout.phase).map(({ name }) => name));
  const errands = rollout.errands.filter((errand) => errand.type !== 'gate' || !here.has(errand.gate));
  return move(
    { ...rollout, errands },
    { phase: unpassed(afresh(rollout.phase, now)), says, fresh: true },
    now,
  );
}

/** A gate that is waited for is not done before it has answered. */
export function done(rollout: Rollout, { errand: id }: Event<'done'>): Outcome {
  const errand = rollout.errands.find((each) => each.id === id);
  return errand?.type === 'gate' && !isEnded(rollout.phase)
    ? stay(rollout)
    : stay(withoutErrand(rollout, id));
}

/** The same phase, begun so many ms later. */
function later<P extends Phase>(phase: P, ms: number): P {
  const moved = { ...phase, since: Math.round(phase.since + ms) };
  return moved.at === 'paused' ? { ...moved, kept: later(moved.kept, ms) } : moved;
}

/** Evidence is gathered from now on; at a door there is none to gather. */
function afresh<P extends Phase>(phase: P, now: number): P {
  if (phase.at === 'paused') return { ...phase, kept: afresh(phase.kept, now) };
  if (phase.at !== 'stepping' && phase.at !== 'baking') return phase;
  const { standing: _, late: __, ...rest } = phase;
  return { ...rest, since: now } as P;
}

/** At a door: every gate is to be asked again. */
function unpassed<P extends Phase>(phase: P): P {
  if (phase.at === 'paused') return { ...phase, kept: unpassed(phase.kept) };
  return phase.at === 'waiting' ? { ...phase, passed: [] } : phase;
}
