import type { Cause, Paused } from '../model/phase.ts';
import type { News } from '../model/rollout.ts';
import { move, note, type Outcome, stay } from './move.ts';
import { afresh, type Because, type Event, type In, isCounted, type Live, later } from './phases.ts';

/** Standing still, and going on. */

/** A person wants it to stand still. */
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

/** A person lets it go on. */
export function resume(rollout: In<'paused'>, { by, says }: Event<'resume'>, now: number): Outcome {
  return goOn(rollout, { says: says ?? `${by} let it go on`, by }, now);
}

/** Why it stands still. */
export interface Halt {
  readonly cause: Cause;
  readonly says: string;
  readonly by?: string;
  /** The weight to go on with, and with new evidence; left out: as before. */
  readonly putBack?: number;
}

/** Keeps what was going on. Who is paused already stays so, for another reason. */
export function halt(rollout: Live, why: Halt, now: number): Outcome {
  const { phase } = rollout;
  const since = phase.at === 'paused' ? phase.since : now;
  const kept = phase.at === 'paused' ? phase.kept : phase;
  const paused: Paused = { at: 'paused', ...why, since, kept };
  return move(rollout, { phase: paused, says: why.says, by: why.by, news: 'paused' }, now);
}

/** Back to what was kept; the time in between does not count. */
export function goOn(rollout: In<'paused'>, because: Because, now: number): Outcome {
  const { kept, since, putBack } = rollout.phase;
  const news: News = 'resumed';
  return putBack === undefined
    ? move(rollout, { ...because, phase: later(kept, now - since), news }, now)
    : move(
        rollout,
        { ...because, phase: afresh(kept, now), weight: putBack, fresh: isCounted(rollout), news },
        now,
      );
}
