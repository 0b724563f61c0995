/** Slots that keys are spread over, by a hash of their own, to see how unequal they are. */
export const SLOTS = 128;

/** Stable's requests of one step, by slot of their key. Plain sums: workers' slots add up. */
export interface Dispersion {
  /** Bad (or slow) requests by slot. */
  readonly bad: readonly number[];
  /** All requests by slot. */
  readonly requests: readonly number[];
}

export function noDispersion(slots = SLOTS): Dispersion {
  const zeros = new Array<number>(slots).fill(0);
  return { bad: zeros, requests: zeros };
}

/** Adds `[slot, bad, requests]` rows. */
export function disperse(
  to: Dispersion,
  rows: readonly (readonly [slot: number, bad: number, requests: number])[],
): Dispersion {
  const bad = [...to.bad];
  const requests = [...to.requests];
  for (const [slot, failures, n] of rows) {
    bad[slot]! += failures;
    requests[slot]! += n;
  }
  return { bad, requests };
}

/**
 * The dispersion index phi >= 1 (McCullagh & Nelder 1989, quasi-likelihood): 1 when bad requests fall like
 * independent coins, hundreds when a few clients own them. Evidence from requests is divided by it.
 */
export function dispersionIndex({ bad, requests }: Dispersion): number {
  const total = requests.reduce((sum, n) => sum + n, 0);
  const rate = bad.reduce((sum, y) => sum + y, 0) / total;
  if (!(rate > 0)) return 1;
  const squares = bad.reduce((sum, y, slot) => sum + (y - rate * requests[slot]!) ** 2, 0);
  return Math.max(1, squares / (bad.length - 1) / ((rate * total) / bad.length));
}
