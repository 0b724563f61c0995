import { join, resolve } from 'node:path';
import type { Log } from '../base/log.ts';
import { fileStore } from './file.ts';
import { memoryStore } from './memory.ts';
import { fileRecordings, memoryRecordings, type Recordings } from './recordings.ts';
import type { Store } from './store.ts';

/**
 * Opens the store of a setting: `memory:`, or `file:DIRECTORY`, where a relative directory starts at `base`.
 * Throws an Error that says what is wrong and the cure when it cannot be opened.
 */
export async function openStore(url: string, base: string, log: Log): Promise<Store> {
  if (url === 'memory:') return memoryStore(log);
  if (url.startsWith('file:') && url.length > 5) return fileStore(resolve(base, url.slice(5)), log);
  throw new Error(`"${url}" is not a store; write memory: or file:DIRECTORY`);
}

/** Where what rollouts were judged by is recorded: beside the truth, where that is a directory. */
export function openRecordings(url: string, base: string, log: Log): Recordings {
  return url.startsWith('file:')
    ? fileRecordings(join(resolve(base, url.slice(5)), 'recordings'), log)
    : memoryRecordings(log);
}
