const FIRST = 1000;
const LONGEST = 300_000;

/**
 * Milliseconds to wait after so many tries in a row that failed: a second, doubled with each, never beyond
 * five minutes. `asked`: what the receiver asked for, in ms; it may lengthen the wait up to the same cap.
 */
export function retryDelay(failures: number, asked = 0): number {
  return Math.min(Math.max(FIRST * 2 ** (failures - 1), asked), LONGEST);
}

/** What a Retry-After header asks for at `now` (ms since 1970), in ms; 0 if it asks for nothing. */
export function retryAfter(header: string | undefined, now: number): number {
  if (header === undefined) return 0;
  const ms = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - now;
  return Math.max(ms || 0, 0);
}
