import type { Clock } from '../../../src/base/clock.ts';
import type { Timers } from '../../../src/base/timers.ts';
import type { World } from './world.ts';

/** 2026, when the world began. */
const EPOCH = Date.UTC(2026, 0, 1);

/** A process on a machine with a clock of its own. It can be frozen, and it can die; then nothing of it happens. */
export class Host implements Clock, Timers {
  readonly #world: World;
  /** What its wall clock is ahead of the world's, ms. */
  skew: number;
  alive = true;
  #frozen = false;
  #held: (() => void)[] = [];

  constructor(world: World, skew = 0) {
    this.#world = world;
    this.skew = skew;
  }

  now = (): number => EPOCH + Math.round(this.#world.now + this.skew);
  monotonic = (): number => this.#world.now;

  after = (ms: number, task: () => void): (() => void) => {
    let stopped = false;
    this.#world.at(this.#world.now + ms, () => {
      if (!stopped) this.run(() => stopped || task());
    });
    return () => {
      stopped = true;
    };
  };

  every = (ms: number, task: () => void): (() => void) => {
    let stop: () => void;
    const turn = (): void => {
      stop = this.after(ms, turn);
      task();
    };
    stop = this.after(ms, turn);
    return () => stop();
  };

  /** Something comes in from outside. While it is frozen that waits. */
  run(task: () => void): void {
    if (!this.alive) return;
    if (this.#frozen) this.#held.push(task);
    else task();
  }

  get frozen(): boolean {
    return this.#frozen;
  }

  freeze(): void {
    this.#frozen = true;
  }

  thaw(): void {
    this.#frozen = false;
    // Each in an event of its own, as they would be.
    for (const task of this.#held.splice(0)) this.#world.at(this.#world.now, () => this.run(task));
  }
}
