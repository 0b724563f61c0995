import { isDeepStrictEqual } from 'node:util';
import type { Settings } from '../model/settings.ts';

/** Settings that a process takes once, when it starts, by their path in the config file. */
const ONCE: Readonly<Record<string, (settings: Settings) => unknown>> = {
  // Where links lead is looked up when one is made.
  admin: ({ admin: { links: _, ...admin } }) => admin,
  store: ({ store }) => store,
  fleet: ({ fleet }) => fleet,
  workers: ({ workers }) => workers,
  'accessLog.path': ({ proxy }) => proxy.accessLog?.path,
};

/** The settings that differ from those this process runs with, and that only a restart can change. */
export function restartNeeded(running: Settings, wanted: Settings): string[] {
  return Object.entries(ONCE)
    .filter(([, part]) => !isDeepStrictEqual(part(running), part(wanted)))
    .map(([path]) => path);
}
