import { readFileSync } from 'node:fs';
import { totalmem } from 'node:os';
import { getHeapStatistics } from 'node:v8';
import type { OverloadSettings } from '../model/overload.ts';
import type { Load } from '../proxy/overload.ts';

const MEGABYTE = 2 ** 20;
/** Measures wait for their turn like everything else: so often, ms. */
const MEASURE = 50;
/** Whatever a machine has, a worker may have so many megabytes; one at rest has 60 to 110. */
const LEAST_MEMORY = 256;
/** What is left is for peaks, and for what does not belong to us. */
const MEMORY_SHARE = 0.9;

/**
 * Measures, from now on, what this process has to bear; each call tells of the time since the last one. Node's own
 * `monitorEventLoopDelay` would forget the first measure after each call, and of a loop that is late there is only one.
 */
export function loadMeter(): () => Load {
  let last = performance.now();
  let loopDelay = 0;
  const measure = () => {
    const now = performance.now();
    loopDelay = Math.max(loopDelay, now - last - MEASURE);
    last = now;
  };
  setInterval(measure, MEASURE).unref();
  let memory = residentMegabytes(0);
  return () => {
    measure();
    memory = residentMegabytes(memory);
    const load = { loopDelay, memory };
    loopDelay = 0;
    return load;
  };
}

/** Asking takes a descriptor; while there is none it is as it was. */
function residentMegabytes(before: number): number {
  try {
    return process.memoryUsage.rss() / MEGABYTE;
  } catch {
    return before;
  }
}

/** What each of so many workers bears on this machine, if nobody says otherwise. */
export function bearable(workers: number): Pick<OverloadSettings, 'memory' | 'descriptors'> {
  const limit = process.constrainedMemory();
  const machine = limit > 0 ? Math.min(limit, totalmem()) : totalmem();
  // The primary has its part, and no process gets more than its heap may grow to.
  const part = Math.min(machine / (workers + 1), getHeapStatistics().heap_size_limit);
  return {
    memory: Math.max(LEAST_MEMORY, Math.floor((MEMORY_SHARE * part) / MEGABYTE)),
    descriptors: mostDescriptors(),
  };
}

function mostDescriptors(): number {
  try {
    const limit = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
    return limit === undefined ? Number.POSITIVE_INFINITY : Number(limit);
  } catch {
    // Only Linux tells it like this.
    return Number.POSITIVE_INFINITY;
  }
}
