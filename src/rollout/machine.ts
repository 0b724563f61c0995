import type { Effect } from '../model/effect.ts';
import type { RolloutEvent } from '../model/event.ts';
import type { Cause, Phase } from '../model/phase.ts';
import type { Rollout } from '../model/rollout.ts';
import { answered, approved } from './answers.ts';
import { abort, harmed, vanished } from './back.ts';
import { asksPeople } from './gates.ts';
import { isEnded, move, note, type Outcome, stay } from './move.ts';
import { baked, finishBake, knock, skipDoors, skipStep, stepped } from './onward.ts';
import { pause, pauseAnew, resume } from './pauses.ts';
import { judged, watched, weathered } from './verdicts.ts';
import { byHand, clockSet, done, newer, reloaded, restarted, wayBack } from './world.ts';

/**
 * What a rollout does about everything that may happen to it. Decide, write down, act: this decides, and does
 * nothing else. Whoever calls writes `next` and makes the effects true in one compare-and-set, and only then
 * runs the errands, which stand in the rollout until they are reported done.
 *
 * waiting: at a door, with the traffic as it was. `start` is the first one; then each step has one `before` its
 *   weight goes live and one `after` it; `promotion` is before full weight, `bake` before the end. A door opens
 *   when every gate of its moment has passed; one without gates is never stopped at. Nothing but gates opens it,
 *   so that nobody gets round an approval, but doors of steps not yet taken can be passed by with
 *   `promote all`. The judge goes on, as the weight is live. The door of
 *   promotion stays shut, besides, while nothing answers at the old version: nobody goes where no way leads back.
 *
 * stepping: the step's weight is live and evidence is gathered, in an epoch of its own. It is left when its
 *   shortest time is over, its evidence is there, and the candidate does not look suspicious. If that takes
 *   longer than it may, the step holds, and says so once, or goes on, or back, as it was told to. Without
 *   evidence a verdict is unknown, and unknown is never a reason to go on, unless the plan asks for none.
 *
 * baking: the candidate has all the traffic but what keeps the old version warm. The judge goes on, and worse
 *   still leads back. It ends with its time, but not while the verdict is to hold.
 *
 * paused: the weight stays, the time does not count, and what was going on is kept to be gone on with. Pausing
 *   disarms nothing: the judge, harm and gates that watch can still take the traffic back. When both versions
 *   fail, Spillway pauses by itself, as nobody can tell whose fault it is, and goes on when calm returns. When
 *   somebody sets weights by hand, it stands back until told to go on, and then puts its own weight back and
 *   begins the step again. The same when traffic is not split as recorded, since such evidence is void.
 *
 * promoted, rolledBack: the end. Nothing moves any more; errands may still be reported done.
 *
 * Other things that happen, wherever it stands. A newer rollout: this one goes back; in the bake it counts as
 * promoted. No endpoint left: back. Set to 0 by hand: that is a rollback. A restart: it goes on where it was,
 * the time away does not count, and lost evidence is gathered again: from the beginning of a step, but time
 * baked stays. For that it is written down while it bakes, as nothing else is while nothing happens. The clock
 * was set: the times in here are moved along, so that no step becomes longer or shorter. A reload: nothing,
 * unless a version has other endpoints by it, for then the step begins again.
 */
const MOVES: Moves = {
  waiting: {
    ...always(),
    tick: knock,
    verdict: watched,
    gate: answered,
    approve: approved,
    promote: skipDoors,
    pause,
  },
  stepping: { ...always(), tick: stepped, verdict: judged, gate: answered, promote: skipStep, pause },
  baking: { ...always(), tick: baked, verdict: judged, gate: answered, promote: finishBake, pause },
  paused: { ...always(), verdict: weathered, gate: answered, pause: pauseAnew, resume },
  promoted: { done },
  rolledBack: { done },
};

function always() {
  return {
    harm: harmed,
    abort,
    hand: byHand,
    vanished,
    way: wayBack,
    newer,
    restart: restarted,
    clock: clockSet,
    reload: reloaded,
    done,
  };
}

type At = Phase['at'];
type Kind = RolloutEvent['type'];
type Act<A extends At, K extends Kind> = (
  rollout: Rollout & { readonly phase: Extract<Phase, { at: A }> },
  event: Extract<RolloutEvent, { type: K }>,
  now: number,
) => Outcome;
type Moves = { readonly [A in At]: { readonly [K in Kind]?: Act<A, K> } };

/**
 * What an event makes of a rollout at `now` (ms since 1970). What is not in the table changes nothing; then
 * `next` is the very same rollout, and so it is when there is nothing to do.
 */
export function step(rollout: Rollout, event: RolloutEvent, now: number): Outcome {
  // The table has looked up the phase and the kind of event that the act is for.
  const act = MOVES[rollout.phase.at][event.type] as Act<At, Kind> | undefined;
  if (act === undefined) return stay(rollout);
  const outcome = act(rollout, event, now);
  return matters(rollout, outcome)
    ? { ...outcome, effects: [...outcome.effects, record(outcome, event)] }
    : outcome;
}

/** The rollout at its first door, and what is to be done there. */
export function begin(
  spec: Pick<
    Rollout,
    'id' | 'service' | 'baseline' | 'candidate' | 'build' | 'share' | 'plan' | 'policy' | 'created'
  >,
  now: number,
): Outcome {
  const phase: Phase = { at: 'waiting', door: 'start', passed: [], since: now };
  const rollout: Rollout = {
    ...spec,
    phase,
    weight: 0,
    epoch: 0,
    seq: 0,
    noted: [],
    history: [],
    errands: [],
  };
  const { by, reason } = spec.created;
  const started = move(
    rollout,
    { phase, says: reason ?? `${spec.candidate} is to take over from ${spec.baseline}`, by, news: 'started' },
    now,
  );
  const asked = asksPeople(spec.plan, phase)
    ? note(started.next, { says: 'it takes an approval', news: 'approval' }, now)
    : stay(started.next);
  const { next, effects } = step(asked.next, { type: 'tick' }, now);
  return { next, effects: [...started.effects, ...asked.effects, ...effects] };
}

const ASKABLE = {
  pause: 'be paused',
  resume: 'go on, as it is not paused',
  approve: 'be approved, as it waits for no approval',
  promote: 'be promoted',
  abort: 'be aborted',
} as const;

/** Why a command would change nothing, with the cure; undefined if it would change something. */
export function refusal(rollout: Rollout, event: RolloutEvent, now: number): string | undefined {
  if (!(event.type in ASKABLE) || step(rollout, event, now).next !== rollout) return undefined;
  const { id, phase } = rollout;
  if (isEnded(phase)) return `rollout ${id} is over; start a new one`;
  if (phase.at === 'paused' && event.type !== 'pause') return `rollout ${id} is paused; resume it first`;
  if (phase.at === 'paused') return `rollout ${id} is paused already`;
  if (phase.at === 'waiting' && event.type === 'promote')
    return `rollout ${id} waits at a gate, which a promotion does not open; approve it, or see what the gate says`;
  return `rollout ${id} cannot ${ASKABLE[event.type as keyof typeof ASKABLE]}`;
}

/** Whether traffic was moved, or would have been but for the policy. */
function matters(before: Rollout, { next, effects }: Outcome): boolean {
  return effects.some(({ type }) => type === 'weights') || newlyNoted(before, next).length > 0;
}

function newlyNoted(before: Rollout, next: Rollout): readonly Cause[] {
  return next.epoch === before.epoch ? next.noted.slice(before.noted.length) : [];
}

function record({ next }: Outcome, event: RolloutEvent): Effect {
  const { to, says } = next.history.at(-1)!;
  return { type: 'record', id: `${next.id}.${next.seq}`, result: `${to}: ${says}`, event };
}
