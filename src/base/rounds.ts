import type { Timers } from './timers.ts';

/** Something that is done again and again, and never twice at once: a round that takes long leaves out the next. */
export class Rounds {
  readonly #task: () => Promise<void>;
  readonly #stop: () => void;
  #round: Promise<void> | undefined;

  /** `task` must not reject. */
  constructor(timers: Timers, ms: number, task: () => Promise<void>) {
    this.#task = task;
    this.#stop = timers.every(ms, () => void this.go());
  }

  /** Does it now, unless it is being done. */
  go(): Promise<void> {
    this.#round ??= this.#task().finally(() => {
      this.#round = undefined;
    });
    return this.#round;
  }

  /** Ends with the round that is under way. */
  async close(): Promise<void> {
    this.#stop();
    await this.#round;
  }
}
