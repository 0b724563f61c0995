import type { Clock } from '../base/clock.ts';

/**
 * The line that says when an answer was made, for answers that do not say so (RFC 9110 §6.6.1): ours, and those of
 * endpoints without a clock. It is written once a second, however many there are.
 */
export class DateLine {
  readonly #clock: Clock;
  #second = Number.NaN;
  #line = '';

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get line(): string {
    const second = Math.floor(this.#clock.now() / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#line = `date: ${new Date(second * 1000).toUTCString()}\r\n`;
    }
    return this.#line;
  }
}
