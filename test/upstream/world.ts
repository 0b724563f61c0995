import type { LookupAddress } from 'node:dns';
import type { Log } from '../../src/base/log.ts';
import type { Service } from '../../src/model/state.ts';
import type { Surroundings } from '../../src/upstream/group.ts';
import type { Finding } from '../../src/upstream/inquiry.ts';
import type { Probed } from '../../src/upstream/probe.ts';
import { Resolver } from '../../src/upstream/resolver.ts';
import { HandClock } from '../support/clock.ts';
import { type Draft, stateOf } from '../support/site.ts';

export const SOUND: Finding = { sound: true, says: 'it answers 200' };
export const BROKEN: Finding = { sound: false, says: 'it answers 500' };

/** A world wound by hand: pauses end when the test lets them, probes find what it says, names lead where it says. */
export class HandWorld implements Surroundings {
  readonly clock = new HandClock();
  readonly lines: { readonly level: string; readonly message: string; readonly fields: object }[] = [];
  readonly log: Log;
  /** What probes find, by endpoint or address. */
  readonly findings = new Map<string, Finding>();
  readonly probed: Probed[] = [];
  /** By name; a string is why it has none. */
  readonly names = new Map<string, readonly string[] | string>();
  readonly resolver = new Resolver(async (host) => {
    const found = this.names.get(host) ?? 'ENOTFOUND';
    if (typeof found === 'string') throw new Error(found);
    return found.map((address): LookupAddress => ({ address, family: address.includes(':') ? 6 : 4 }));
  });
  #pauses: (() => void)[] = [];

  constructor() {
    const at = (level: string) => (fields: object, message: string) =>
      void this.lines.push({ level, message, fields });
    this.log = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
  }

  random = () => 0.5;

  pause = (_: number, signal: AbortSignal) =>
    new Promise<void>((resolve) => {
      this.#pauses.push(resolve);
      signal.addEventListener('abort', () => resolve());
    });

  probe = async (probed: Probed) => {
    this.probed.push(probed);
    const { address, endpoint } = probed;
    const at = 'host' in address ? `${address.host}:${address.port}` : endpoint;
    return this.findings.get(at) ?? SOUND;
  };

  /** Ends every pause so many times, and lets what follows happen. */
  async turn(times = 1): Promise<void> {
    for (; times > 0; times--) {
      const pauses = this.#pauses;
      this.#pauses = [];
      for (const end of pauses) end();
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

export function docOf(draft: Draft): Service {
  return stateOf(1, { app: draft }).services['app']!;
}
