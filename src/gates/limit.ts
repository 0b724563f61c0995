import { NoAnswer } from './fault.ts';
import type { World } from './world.ts';

/**
 * Runs a task for `ms` milliseconds at most. Its signal is aborted when the time is over or when the caller's
 * is. Rejects with NoAnswer when the time is over, and with the caller's reason when that gives up; at once,
 * even if the task does not heed its signal (a name being looked up cannot).
 */
export async function within<T>(
  ms: number,
  world: World,
  signal: AbortSignal,
  task: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  const inner = new AbortController();
  const giveUp = () => inner.abort(signal.reason);
  signal.addEventListener('abort', giveUp, { once: true });
  const over = new Promise<never>((_, reject) => {
    inner.signal.addEventListener('abort', () => reject(inner.signal.reason), { once: true });
  });
  world.pause(ms, inner.signal).then(
    () => inner.abort(new NoAnswer(`no answer within ${ms} ms`)),
    () => {},
  );
  try {
    return await Promise.race([task(inner.signal), over]);
  } finally {
    signal.removeEventListener('abort', giveUp);
    // Ends the pause, and what the task may still have open.
    inner.abort();
  }
}
