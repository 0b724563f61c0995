import type { Tick } from './evidence.ts';
import { guardRow } from './guards.ts';
import { rateBound } from './intervals.ts';
import { bernoulliIncrement } from './label.ts';
import type { Policy } from './policy.ts';

/**
 * When nothing is kept on stable there is no coin any more, and so no fair comparison. What is left is what
 * stable did just before. It is an approximation, and says so: what changes with the hour counts against the
 * canary too. So some more than there was is borne, and where little is known, nothing is said.
 */
export interface Past {
  readonly requests: number;
  readonly failures: number;
  /** Whether it is known what stable's slowest 5 % were, and so what of the canary's counts as slow. */
  readonly tails: boolean;
}

/** How much more is borne. */
const ERRORS = 1.5;
const SLOWNESS = 2;
/** A rate of errors that is no matter, even if there were none before. */
const FLOOR = 0.001;
/** The part of stable's requests that was slow, by what slow means. */
const SLOW = 0.05;
/** Bets on so many times the bound. */
export const PAST_RATIOS = [1.5, 2, 4, 8] as const;

type Kind = 'errorHistory' | 'latencyHistory';

/** Whether there is a past to compare with. */
export function tellsOf(kind: Kind, past: Past | undefined): past is Past {
  return past !== undefined && (kind === 'errorHistory' || past.tails);
}

/** The rate that the canary must not be above, by what was seen before: the highest plausible one, and half of it more. */
export function pastBound(kind: Kind, { failures, requests }: Past, { alpha }: Policy): number {
  if (kind === 'latencyHistory') return SLOWNESS * SLOW;
  return Math.min(0.5, Math.max(FLOOR, ERRORS * rateBound(failures, requests, alpha)));
}

/** What one tick says of the canary against the past. Of sticky keys three must have met it: one may be broken. */
export function pastStake(
  kind: Kind,
  past: Past | undefined,
  tick: Tick,
  policy: Policy,
): { readonly increments: readonly number[]; readonly events: number } {
  if (!tellsOf(kind, past)) return { increments: PAST_RATIOS.map(() => 0), events: 0 };
  const [failures, requests] = guardRow(tick, policy.mode).canary;
  const first = (name: 'errors' | 'slow95'): number =>
    tick.batches.reduce((sum, batch) => sum + (batch[name]?.[0] ?? 0), 0);
  const ofKeys = kind === 'errorHistory' ? first('errors') : first('slow95');
  const slow = policy.mode === 'sticky' ? (tick.requestSlow95?.[0] ?? 0) : ofKeys;
  const bad = kind === 'errorHistory' ? failures : slow;
  const bound = pastBound(kind, past, policy);
  return {
    increments: PAST_RATIOS.map((times) =>
      bernoulliIncrement(bad, requests, Math.min(0.95, bound * times), bound),
    ),
    events: policy.mode === 'sticky' ? ofKeys : bad,
  };
}
