import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { reasonOf } from '../base/reason.ts';
import { placeOf } from '../model/place.ts';
import type { FleetSettings, Settings } from '../model/settings.ts';
import type { Credentials } from './connect.ts';
import { fileStore } from './file.ts';
import { type Memory, memoryStore } from './memory.ts';
import { fileRecordings, memoryRecordings, type Recordings } from './recordings.ts';
import { redisStore } from './redis.ts';
import type { Store } from './store.ts';

export interface Surroundings {
  /** Where relative paths start. */
  readonly base: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly log: Log;
  /** What a memory store goes on with. */
  readonly memory?: Memory | undefined;
}

/**
 * Opens the store that settings name: `memory:`, `file:DIRECTORY`, or a Redis. Throws an Error that says what is
 * wrong and the cure when it cannot be opened.
 */
export async function openStore(
  { store: url, fleet }: Pick<Settings, 'store' | 'fleet'>,
  surroundings: Surroundings,
): Promise<Store> {
  const { base, clock, log, memory } = surroundings;
  if (url === 'memory:') return memoryStore(log, memory);
  if (url.startsWith('file:') && url.length > 5) return fileStore(resolve(base, url.slice(5)), log);
  if (!url.startsWith('redis'))
    throw new Error(`"${url}" is not a store; write memory:, file:DIRECTORY or redis://HOST:PORT/DB`);
  const place = placeOf(url);
  if (typeof place === 'string') throw new Error(`store is no Redis: ${place}`);
  const settings = {
    place,
    credentials: await credentialsOf(fleet, surroundings),
    fleet: fleet.name ?? 'spillway',
    replica: fleet.replica ?? hostname(),
    lease: fleet.lease ?? 3_000,
    startTimeout: fleet.startTimeout ?? 60_000,
    mirror: resolve(base, mirrorOf(fleet)),
  };
  return redisStore(settings, clock, log);
}

async function credentialsOf(fleet: FleetSettings, surroundings: Surroundings): Promise<Credentials> {
  const found: [string, string][] = [];
  for (const name of ['username', 'password', 'sentinelPassword', 'ca', 'cert', 'key'] as const) {
    const setting = fleet[name];
    if (setting === undefined) continue;
    const isFile = ['ca', 'cert', 'key'].includes(name) && !setting.startsWith('env:');
    found.push([
      name,
      isFile ? await pem(name, resolve(surroundings.base, setting)) : said(name, setting, surroundings),
    ]);
  }
  return Object.fromEntries(found);
}

function said(name: string, setting: string, { environment }: Surroundings): string {
  const variable = /^env:(.*)$/.exec(setting)?.[1];
  if (variable === undefined) return setting;
  const value = environment[variable];
  if (!value) throw new Error(`fleet.${name}: the environment variable ${variable} is not set`);
  return value;
}

async function pem(name: string, path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new Error(`fleet.${name}: ${reasonOf(cause)}; name a PEM file that can be read`, { cause });
  }
}

/** Where what rollouts were judged by is recorded: beside the truth, or what this replica keeps of it. */
export function openRecordings(
  { store: url, fleet }: Pick<Settings, 'store' | 'fleet'>,
  { base, log }: Pick<Surroundings, 'base' | 'log'>,
): Recordings {
  if (url === 'memory:') return memoryRecordings(log);
  const directory = url.startsWith('file:') ? url.slice(5) : mirrorOf(fleet);
  return fileRecordings(join(resolve(base, directory), 'recordings'), log);
}

function mirrorOf({ mirror = './data' }: FleetSettings): string {
  return mirror;
}
