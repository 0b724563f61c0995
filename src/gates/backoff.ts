const FIRST = 1000;
const LONGEST = 300_000;

/**
 * Milliseconds to wait after so many tries in a row that failed: a second, doubled with each, never beyond
 * five minutes. `asked`: what the receiver asked for, in ms; it may lengthen the wait up to the same cap.
 */
export function retryDelay(failures: number, asked = 0): number {
  return Math.min(Math.max(FIRST * 2 ** (failures - 1), asked), LONGEST);
}
