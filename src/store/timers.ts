import type { Timers } from '../base/timers.ts';

/** Those of Node. Here, since the store is the lowest in the house that waits for the world. */
export const nodeTimers: Timers = {
  after(ms, task) {
    const timer = setTimeout(task, ms);
    return () => clearTimeout(timer);
  },
  every(ms, task) {
    const timer = setInterval(task, ms).unref();
    return () => clearInterval(timer);
  },
};
