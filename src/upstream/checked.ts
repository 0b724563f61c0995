/** What probes have come to. */
export interface Checked {
  /** Undefined before the first. */
  readonly up: boolean | undefined;
  /** Results in a row, up to now, that say the opposite. */
  readonly against: number;
}

export const UNCHECKED: Checked = { up: undefined, against: 0 };

/**
 * After one more result. The first decides alone: to wait for more of them would be to send requests to
 * an endpoint of which nothing is known but that it failed.
 */
export function checked(
  before: Checked,
  sound: boolean,
  { rise, fall }: { readonly rise: number; readonly fall: number },
): Checked {
  if (before.up === undefined) return { up: sound, against: 0 };
  if (before.up === sound) return { up: sound, against: 0 };
  const against = before.against + 1;
  return against >= (sound ? rise : fall) ? { up: sound, against: 0 } : { up: before.up, against };
}

/** Milliseconds to the next probe: the interval, so many percent longer or shorter. `chance`: from 0 to 1. */
export function jittered(interval: number, jitter: number, chance: number): number {
  return interval * (1 + (jitter / 100) * (2 * chance - 1));
}
