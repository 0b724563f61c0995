/** A worker that lived this long, in milliseconds, was well: its death begins a new count. */
const WELL = 10_000;
const FIRST = 100;
const LONGEST = 10_000;

/** How many deaths in a row it is now, when a worker dies that lived `lived` milliseconds. */
export function deathsInARow(before: number, lived: number): number {
  return lived >= WELL ? 1 : before + 1;
}

/** Milliseconds to wait before a worker is replaced: doubled with each death in a row, never beyond the cap. */
export function restartDelay(deaths: number): number {
  return Math.min(FIRST * 2 ** (deaths - 1), LONGEST);
}
