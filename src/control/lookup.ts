import { own } from '../base/own.ts';
import type { Rollout } from '../model/rollout.ts';
import type { Service, State, Version } from '../model/state.ts';
import { Refusal } from './commands.ts';

/** The service of this name. Throws Refusal if there is none. */
export function serviceOf(state: State, name: string): Service {
  const service = own(state.services, name);
  if (service === undefined)
    throw new Refusal(
      'unknown-service',
      `there is no service "${name}"; the services are ${list(state.services)}`,
    );
  return service;
}

/** The version of this name. Throws Refusal if there is none. */
export function versionOf(service: Service, name: string): Version {
  const version = own(service.versions, name);
  if (version === undefined)
    throw new Refusal(
      'unknown-version',
      `there is no version "${name}"; the versions are ${list(service.versions)}`,
    );
  return version;
}

/** The rollout with this id. Throws Refusal if there is none. */
export function rolloutOf({ rollouts = {} }: State, id: string): Rollout {
  const rollout = own(rollouts, id);
  if (rollout === undefined)
    throw new Refusal('unknown-rollout', `there is no rollout "${id}"; the rollouts are ${list(rollouts)}`);
  return rollout;
}

/** Names, as a sentence ends with them. */
export function list(record: Readonly<Record<string, unknown>>): string {
  return Object.keys(record).join(', ') || 'none yet';
}
