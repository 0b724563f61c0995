import type { Effect } from '../model/effect.ts';
import type { Gate } from '../model/gate.ts';
import type { Phase } from '../model/phase.ts';
import type { Errand, News, Rollout, Transition } from '../model/rollout.ts';
import { gatesOf } from './gates.ts';
import { where } from './words.ts';

/** What comes of an event: the rollout as it should be, and what must come true or be done with it. */
export interface Outcome {
  readonly next: Rollout;
  readonly effects: readonly Effect[];
}

/** Nothing comes of it. */
export function stay(rollout: Rollout): Outcome {
  return { next: rollout, effects: [] };
}

export interface Note {
  readonly says: string;
  readonly by?: string | undefined;
  /** Whether, and as what, people are notified. */
  readonly news?: News | undefined;
}

/** What a move changes. */
export interface Move extends Note {
  readonly phase: Phase;
  /** The candidate's part of the share from now on; left out: as it was. */
  readonly weight?: number;
  /** What becomes of those on the version left. Default drain. */
  readonly leave?: 'evict' | 'drain';
  /** Evidence is counted afresh, or for the first time. */
  readonly fresh?: boolean;
}

/** Transitions that are remembered. */
const REMEMBERED = 100;
/** Gates that somebody must go and ask. Windows are looked at, approvals given. */
const ASKED: ReadonlySet<Gate['kind']> = new Set(['smoke', 'webhook', 'prometheus', 'schema']);

/** A line of history, and news of it, without a change of place. */
export function note(rollout: Rollout, { says, by, news }: Note, now: number): Outcome {
  const seq = rollout.seq + 1;
  const at = new Date(now).toISOString();
  const line: Transition = { seq, at, to: where(rollout), says, ...(by === undefined ? {} : { by }) };
  const next = { ...rollout, seq, history: [...rollout.history, line].slice(-REMEMBERED) };
  return news === undefined
    ? stay(next)
    : withErrands(next, [
        { type: 'notify', id: errandId(next, news), news, says: `${where(rollout)}: ${says}`, at },
      ]);
}

/** From one place to another: weights, epoch, gates to ask there, history and news. */
export function move(rollout: Rollout, change: Move, now: number): Outcome {
  const { phase, weight = rollout.weight, leave = 'drain', fresh = false } = change;
  const ended = isEnded(phase);
  const moved: Rollout = {
    ...rollout,
    phase,
    weight,
    epoch: fresh ? rollout.epoch + 1 : rollout.epoch,
    noted: fresh ? [] : rollout.noted,
    errands: rollout.errands.filter((errand) => survives(rollout, errand, phase)),
  };
  const noted = note(moved, change, now);
  const asked = withErrands(noted.next, questions(noted.next, phase));
  return {
    next: asked.next,
    effects: [
      ...(weight === rollout.weight ? [] : [weightsEffect(moved, leave)]),
      ...(ended ? [epochEffect(undefined)] : fresh ? [epochEffect(moved.epoch)] : []),
      ...noted.effects,
      ...asked.effects,
    ],
  };
}

export function isEnded(phase: Phase): boolean {
  return phase.at === 'promoted' || phase.at === 'rolledBack';
}

/** The errand is done, withdrawn or answered. The very same rollout if it has no such errand. */
export function withoutErrand(rollout: Rollout, id: string): Rollout {
  const errands = rollout.errands.filter((errand) => errand.id !== id);
  return errands.length === rollout.errands.length ? rollout : { ...rollout, errands };
}

function withErrands(rollout: Rollout, errands: readonly Errand[]): Outcome {
  if (errands.length === 0) return stay(rollout);
  return {
    next: { ...rollout, errands: [...rollout.errands, ...errands] },
    effects: errands.map((errand) => ({ type: 'errand', errand })),
  };
}

/** The id of an errand given with the latest transition: no other has it, and a second run gives the same. */
function errandId({ id, seq }: Rollout, name: string): string {
  return `${id}.${seq}.${name}`;
}

/** Everything but questions that belong elsewhere. Those that watch the whole rollout end with it. */
function survives({ plan }: Rollout, errand: Errand, phase: Phase): boolean {
  if (errand.type !== 'gate') return true;
  const watching = isEnded(phase) ? [] : plan.gates.filter(({ moment }) => moment === 'rollback');
  return [...gatesOf(plan, phase), ...watching].some(({ name }) => name === errand.gate);
}

/** The gates to ask at a place, and at the end what else there is to do. */
function questions(rollout: Rollout, phase: Phase): Errand[] {
  const passed = phase.at === 'waiting' ? phase.passed : [];
  const watching = 'door' in phase && phase.door === 'start' ? rollout.plan.gates : [];
  const gates = [...gatesOf(rollout.plan, phase), ...watching.filter(({ moment }) => moment === 'rollback')];
  const known = new Set(rollout.errands.map((errand) => (errand.type === 'gate' ? errand.gate : undefined)));
  const asked = gates
    .filter(({ kind, name }) => ASKED.has(kind) && !passed.includes(name) && !known.has(name))
    .map(({ name }): Errand => ({ type: 'gate', id: errandId(rollout, name), gate: name }));
  return phase.at === 'promoted' && rollout.plan.decommission !== undefined
    ? [...asked, { type: 'decommission', id: errandId(rollout, 'decommission'), version: rollout.baseline }]
    : asked;
}

/** A finest step of weights, as parts of a percent. */
const UNITS = 10_000;

function weightsEffect({ weight, share }: Rollout, leave: 'evict' | 'drain'): Effect {
  const whole = Math.round(share * UNITS);
  const candidate = Math.round((whole * weight) / 100);
  return { type: 'weights', candidate: candidate / UNITS, baseline: (whole - candidate) / UNITS, leave };
}

function epochEffect(epoch: number | undefined): Effect {
  return { type: 'epoch', epoch };
}
