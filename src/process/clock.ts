import type { Clock } from '../base/clock.ts';

/** The clock of this machine. Made here, at the top of the house, and handed down. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
};
