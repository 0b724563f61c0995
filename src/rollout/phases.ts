import type { RolloutEvent } from '../model/event.ts';
import type { Phase, Running } from '../model/phase.ts';
import type { Rollout } from '../model/rollout.ts';
import type { Decision } from '../model/verdict.ts';

/** Phases as the moves of the machine know them, and what can be made of one. */

/** A rollout in one of these phases. */
export type In<A extends Phase['at']> = Rollout & { readonly phase: Extract<Phase, { at: A }> };
/** A rollout that is not over. */
export type Live = In<'waiting' | 'stepping' | 'baking' | 'paused'>;
/** An event of this kind. */
export type Event<K extends RolloutEvent['type']> = Extract<RolloutEvent, { type: K }>;

/** What history is to say of a move. */
export interface Because {
  readonly says: string;
  readonly by?: string | undefined;
}

/** Whether evidence is counted yet: not before the first step. */
export function isCounted({ epoch }: Rollout): boolean {
  return epoch > 0;
}

/** The same phase, begun so many ms later. */
export function later<P extends Phase>(phase: P, ms: number): P {
  const moved = {
    ...phase,
    since: Math.round(phase.since + ms),
    ...('looked' in phase && phase.looked !== undefined && { looked: Math.round(phase.looked + ms) }),
  };
  return moved.at === 'paused' ? { ...moved, kept: later(moved.kept, ms) } : moved;
}

/** Evidence is gathered from now on; at a door there is none to gather. */
export function afresh<P extends Phase>(phase: P, now: number): P {
  // As of the pause, since the time from there on does not count.
  if (phase.at === 'paused') return { ...phase, kept: afresh(phase.kept, phase.since) };
  if (phase.at !== 'stepping' && phase.at !== 'baking') return phase;
  const { standing: _, late: __, ...rest } = phase;
  return { ...rest, since: now } as P;
}

/** Evidence is lost. A step begins again; time baked has been baked, and only what was thought of it is gone. */
export function bereft<P extends Phase>(phase: P, now: number): P {
  if (phase.at === 'paused') return { ...phase, kept: bereft(phase.kept, phase.since) };
  return phase.at === 'baking' ? { ...afresh(phase, now), since: phase.since } : afresh(phase, now);
}

/** At a door: every gate is to be asked again. */
export function unpassed<P extends Phase>(phase: P): P {
  if (phase.at === 'paused') return { ...phase, kept: unpassed(phase.kept) };
  return phase.at === 'waiting' ? { ...phase, passed: [] } : phase;
}

/** The same phase, with what the judge thinks by now. */
export function standingAt<P extends Running>(phase: P, standing: Decision): P {
  if (phase.at === 'waiting' || phase.standing === standing) return phase;
  return { ...phase, standing };
}
