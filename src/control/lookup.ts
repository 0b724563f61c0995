import { own } from '../base/own.ts';
import type { Rollout } from '../model/rollout.ts';
import type { Service, State, Version } from '../model/state.ts';
import { Refusal } from './commands.ts';

/** The service of this name. Throws Refusal if there is none. */
export function serviceOf({ services }: State, name: string): Service {
  return found('service', services, name);
}

/** The version of this name. Throws Refusal if there is none. */
export function versionOf({ versions }: Service, name: string): Version {
  return found('version', versions, name);
}

/** The rollout with this id. Throws Refusal if there is none. */
export function rolloutOf({ rollouts = {} }: State, id: string): Rollout {
  return found('rollout', rollouts, id);
}

function found<T>(
  what: 'service' | 'version' | 'rollout',
  all: Readonly<Record<string, T>>,
  name: string,
): T {
  const one = own(all, name);
  if (one === undefined)
    throw new Refusal(`unknown-${what}`, `there is no ${what} "${name}"; the ${what}s are ${list(all)}`);
  return one;
}

/** Names, as a sentence ends with them. */
export function list(record: Readonly<Record<string, unknown>>): string {
  return Object.keys(record).join(', ') || 'none yet';
}
