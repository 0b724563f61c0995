import type { Rates } from '../model/rates.ts';

/** What a byte is worth to a client that may not be too slow, ms; Infinity where any is enough. */
export interface Pace {
  readonly request: number;
  readonly response: number;
}

export function paceOf({ request, response }: Rates): Pace {
  return { request: 1000 / request, response: 1000 / response };
}

/**
 * The deadline of a client that has just moved so many bytes. Time uses its patience up, and bytes win some of it
 * back, but never more than there was: so one number is how long it may be silent and how fast it has to be.
 * `latest`: the deadline of one that is not behind.
 */
export function later(deadline: number, bytes: number, worth: number, latest: number): number {
  return bytes > 0 ? Math.min(deadline + bytes * worth, latest) : deadline;
}
