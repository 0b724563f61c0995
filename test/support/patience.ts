/** Nothing that a test waits for takes this long, ms; it only keeps a failing test from waiting for ever. */
const PATIENCE = 60_000;

/** The promise of an event that is sure to come. Rejects with what was awaited if it does not. */
export function patiently<T>(awaited: string, begin: (resolve: (value: T) => void) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`waited in vain for ${awaited}`)), PATIENCE);
    begin((value) => {
      clearTimeout(timer);
      resolve(value);
    });
  });
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
      return await task();
    } catch (error) {
      if (performance.now() > end) throw error;
    }
  }
}

/** Waits until a number has stopped changing: whatever made it grow is held up. Gives back the number. */
export async function standstill(count: () => number): Promise<number> {
  for (let before = -1, still = 0; ; await pause(20)) {
    const now = count();
    still = now === before ? still + 1 : 0;
    if (still === 15) return now;
    before = now;
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
