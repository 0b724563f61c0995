import { type EventEmitter, once as hear } from 'node:events';

/**
 * Nothing that a test waits for takes this long, ms, on a machine however busy; it only keeps a failing test from
 * waiting for ever.
 */
const PATIENCE = 120_000;

/** The promise of an event that is sure to come. Rejects with what was awaited if it does not. */
export function patiently<T>(awaited: string, begin: (resolve: (value: T) => void) => void): Promise<T> {
  return within(awaited, new Promise(begin));
}

/** What is promised. Rejects with what was awaited if it does not come. */
export async function within<T>(awaited: string, promised: T | PromiseLike<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited in vain for ${awaited}`)), PATIENCE);
  });
  try {
    return await Promise.race([promised, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** The next of these events, as `once` of `node:events` tells it, which is sure to come. */
export function once(emitter: EventEmitter, event: string): ReturnType<typeof hear> {
  return within(`"${event}" of a ${emitter.constructor.name}`, hear(emitter, event));
}

/** Waits for something that no event tells of, looking every few milliseconds. */
export async function eventually(awaited: string, holds: () => boolean): Promise<void> {
  for (const end = performance.now() + PATIENCE; !holds(); await pause(5)) {
    if (performance.now() > end) throw new Error(`waited in vain for ${awaited}`);
  }
}

/** Does something again and again until it succeeds; in the end fails as it last did. */
export async function atLast<T>(task: () => T | Promise<T>): Promise<T> {
  for (const end = performance.now() + PATIENCE; ; await pause(20)) {
    try {
      return await within(String(task), task());
    } catch (error) {
      if (performance.now() > end) throw error;
    }
  }
}

/** Looks again and again until there is something other than `false`. For what no event tells, such as another process. */
export async function until<T>(look: () => Promise<T | false | undefined>): Promise<T> {
  for (const end = performance.now() + PATIENCE; ; await pause(20)) {
    const found = await within(String(look), look());
    if (found !== undefined && found !== false) return found;
    if (performance.now() > end) throw new Error(`waited in vain for ${look}`);
  }
}

/** Waits until a number has stopped changing: whatever made it grow is held up. Gives back the number. */
export async function standstill(count: () => number): Promise<number> {
  const end = performance.now() + PATIENCE;
  for (let before = -1, still = 0; ; await pause(20)) {
    const now = count();
    still = now === before ? still + 1 : 0;
    if (still === 15) return now;
    if (performance.now() > end) throw new Error(`waited in vain for ${now} to stop changing`);
    before = now;
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
