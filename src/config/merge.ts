import { isDeepStrictEqual } from 'node:util';
import { own } from '../base/own.ts';
import type { Service, ServiceConfig, State } from '../model/state.ts';
import { keptWholes } from '../model/wholes.ts';
import { neededVersions, schemaConflict } from '../rollout/schema.ts';
import { fileSchema, fileVersions, type SaltFor, seedService, weightsFor } from './seed.ts';

/**
 * The state after a config file was read again: the file owns structure, the store owns weights.
 *
 * Services that are new in the file are seeded, those that are gone are removed, and all others follow the file
 * in everything but their split. Versions put through the API stay, unless the file names them by now; so does
 * the database schema that the API was told. A service that stays as it was is the same object, and so is a state, since workers compile anew only what is new.
 *
 * Returns a sentence with the cure, and nothing changes, when the file has dropped a version that holds traffic
 * or is in a rollout, or names another database schema that a version which is needed cannot live with. A rollout under way goes on: its trial, and quarantines, are not the file's.
 */
export function mergeStructure(
  state: State,
  services: Readonly<Record<string, ServiceConfig>>,
  now: number,
  saltFor: SaltFor,
): State | string {
  const faults: string[] = [];
  const merged: Record<string, Service> = {};
  for (const [name, config] of Object.entries(services)) {
    const service = own(state.services, name);
    if (service === undefined) {
      merged[name] = seedService(config, now, saltFor(name));
      continue;
    }
    const next = mergeService(service, config);
    const dropped = Object.keys(service.versions).filter(
      (version) => !Object.hasOwn(next.versions, version) && (own(service.split.weights, version) ?? 0) > 0,
    );
    for (const version of dropped)
      faults.push(
        `service "${name}": the file no longer has version "${version}", which holds ${service.split.weights[version]} % of the traffic; shift its weight to another version first, or put the version back into the file`,
      );
    for (const version of tried(service).filter((version) => !Object.hasOwn(next.versions, version)))
      faults.push(
        `service "${name}": the file no longer has version "${version}", which is in rollout ${service.trial!.rollout}; abort the rollout first, or put the version back into the file`,
      );
    const conflict = schemaFault(service, next);
    if (conflict !== undefined) faults.push(`service "${name}": ${conflict}`);
    merged[name] = isDeepStrictEqual(service, next) ? service : next;
  }
  if (faults.length > 0) return faults.join('\n');
  const names = Object.keys(merged);
  const same =
    names.length === Object.keys(state.services).length &&
    names.every((name) => merged[name] === own(state.services, name));
  return same ? state : { ...state, services: merged };
}

/** Why the schema of the file may not be the one of the service, if it is another than before. */
function schemaFault(before: Service, after: Service): string | undefined {
  const { schema } = after;
  if (schema === undefined || schema.version === before.schema?.version) return undefined;
  return schemaConflict(schema.version, after.versions, neededVersions(after, ...tried(before)));
}

/** The versions that a rollout compares at present. */
function tried({ trial }: Service): string[] {
  return trial === undefined ? [] : [trial.baseline, trial.candidate];
}

function mergeService(
  { versions, split, wholes, trial, quarantine, schema: stand }: Service,
  config: ServiceConfig,
): Service {
  const { weights: _, schema, ...structure } = config;
  const added = Object.entries(versions).filter(
    ([name, { owner }]) => owner === 'api' && !Object.hasOwn(config.versions, name),
  );
  const next = { ...fileVersions(config.versions), ...Object.fromEntries(added) };
  const weights = weightsFor(next, split.weights);
  return {
    ...structure,
    versions: next,
    split: isDeepStrictEqual(weights, split.weights) ? split : { ...split, weights },
    wholes: keptWholes(wholes, next),
    ...(schema === undefined && stand?.owner === 'api' ? { schema: stand } : fileSchema(schema)),
    ...(trial && { trial }),
    ...(quarantine && { quarantine }),
  };
}
