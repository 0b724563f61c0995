import { own } from '../base/own.ts';
import { EMPTY } from '../model/empty.ts';
import type { Service, ServiceConfig, State, Version } from '../model/state.ts';
import { heaviestVersion } from '../model/weights.ts';

/** Gives a service the salt of its first split. */
export type SaltFor = (service: string) => string;

/** The services of a config file as the truth first holds them. `now` is in milliseconds since 1970. */
export function seedState(
  services: Readonly<Record<string, ServiceConfig>>,
  now: number,
  saltFor: SaltFor,
): State {
  return {
    revision: EMPTY.revision,
    services: Object.fromEntries(
      Object.entries(services).map(([name, service]) => [name, seedService(service, now, saltFor(name))]),
    ),
  };
}

/** A service with the weights of its file; where no version has them all, a rollback goes to the heaviest. */
export function seedService(
  { weights, schema, ...structure }: ServiceConfig,
  now: number,
  salt: string,
): Service {
  const heaviest = heaviestVersion(weights);
  return {
    ...structure,
    versions: fileVersions(structure.versions),
    split: {
      weights: weightsFor(structure.versions, weights),
      salt,
      hashVersion: 1,
      cause: 'seed',
      since: new Date(now).toISOString(),
    },
    wholes: heaviest === undefined ? [] : [heaviest],
    ...fileSchema(schema),
  };
}

/** The versions of a file, marked as its own. */
export function fileVersions(versions: ServiceConfig['versions']): Service['versions'] {
  return Object.fromEntries(
    Object.entries(versions).map(([name, version]): [string, Version] => [
      name,
      { ...version, owner: 'file' },
    ]),
  );
}

/** The schema of a file, marked as its own. */
export function fileSchema(schema: ServiceConfig['schema']): Pick<Service, 'schema'> {
  return schema === undefined ? {} : { schema: { version: schema, owner: 'file' } };
}

/** A weight for every version: its own, or 0. */
export function weightsFor(
  versions: Readonly<Record<string, unknown>>,
  weights: Readonly<Record<string, number>>,
): Record<string, number> {
  return Object.fromEntries(Object.keys(versions).map((name) => [name, own(weights, name) ?? 0]));
}
