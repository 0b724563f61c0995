import { lookup } from 'node:dns/promises';
import { setTimeout as pause } from 'node:timers/promises';
import type { Log } from '../base/log.ts';
import type { Surroundings } from '../upstream/group.ts';
import { probe } from '../upstream/probe.ts';
import { Resolver } from '../upstream/resolver.ts';
import { systemClock } from './clock.ts';

/** This machine, as far as finding out about endpoints needs it. No pause keeps the process from ending. */
export function surroundings(log: Log): Surroundings {
  return {
    clock: systemClock,
    log,
    resolver: new Resolver((host) => lookup(host, { all: true })),
    random: Math.random,
    pause: (ms, signal) => pause(ms, undefined, { signal, ref: false }).catch(() => {}),
    probe,
  };
}
