import type { EjectionPolicy } from '../model/health.ts';

/** When an endpoint is ejected, and for how long. All of it is arithmetic. */

/** Milliseconds of the ejection that is the `inARow`th, from 1: doubles each time, up to the longest. */
export function ejectionTime(inARow: number, { base, longest }: EjectionPolicy): number {
  return Math.min(base * 2 ** (inARow - 1), longest);
}

/** How many ejections in a row still count after so many ms without one: each `base` forgives one. */
export function remembered(inARow: number, quiet: number, { base }: EjectionPolicy): number {
  return Math.max(0, inARow - Math.floor(quiet / base));
}

/** Whether one more of so many endpoints may be ejected. The only one never is. */
export function mayEject(ejected: number, all: number, { maxShare }: EjectionPolicy): boolean {
  return all > 1 && (ejected + 1) * 100 <= maxShare * all;
}

/** Whether so few of all are used that ejected ones have to be. */
export function panics(used: number, all: number, { panic }: EjectionPolicy): boolean {
  return used * 100 < panic * all;
}

export interface Seen {
  readonly requests: number;
  readonly errors: number;
}

/** By how many percentage points an endpoint fails more often than the others, if that is too many. */
export function excess(own: Seen, others: Seen, { margin, requests }: EjectionPolicy): number | undefined {
  if (own.requests < requests || others.requests < requests) return undefined;
  const points = 100 * (own.errors / own.requests - others.errors / others.requests);
  return points > margin ? points : undefined;
}
