/** How many numbers may be missing before the oldest of them is given up. */
const GAPS = 1_000;

/**
 * Which posts of a row have come, by their numbers, counted from 1: in whatever order they come, each is new once.
 * So what is late counts, and what comes again does not.
 */
export class Row {
  /** All up to here have come, or will not be waited for any more. */
  #through = 0;
  /** Those beyond. */
  readonly #ahead = new Set<number>();

  /** Takes in a number. Whether it is new. */
  take(seq: number): boolean {
    if (seq <= this.#through || this.#ahead.has(seq)) return false;
    this.#ahead.add(seq);
    if (this.#ahead.size > GAPS) this.#through = Math.min(...this.#ahead) - 1;
    while (this.#ahead.delete(this.#through + 1)) this.#through++;
    return true;
  }
}
