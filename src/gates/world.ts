import type { LookupAddress } from 'node:dns';
import { lookup } from 'node:dns/promises';
import { setTimeout as pause } from 'node:timers/promises';
import type { Clock } from '../base/clock.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** What gates and notifications need of the world besides sockets, handed in so that tests can wind it by hand. */
export interface World {
  readonly clock: Clock;
  /** Where `env:NAME` is looked up, each time it is used. */
  readonly environment: Environment;
  /** Every address of a host name. Rejects when it has none. */
  resolve(host: string): Promise<readonly LookupAddress[]>;
  /** Resolves after so many milliseconds. Rejects with the signal's reason when that is aborted before. */
  pause(ms: number, signal: AbortSignal): Promise<void>;
}

/** The longest that a timer of Node can be set to, ms; a longer one would be over at once. */
const LONGEST = 2 ** 31 - 1;

/** This machine's world. No pause keeps the process from ending. */
export function worldOf(clock: Clock, environment: Environment): World {
  return {
    clock,
    environment,
    resolve: (host) => lookup(host, { all: true }),
    pause: (ms, signal) => pause(Math.min(ms, LONGEST), undefined, { signal, ref: false }),
  };
}
