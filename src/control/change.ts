import { isDeepStrictEqual } from 'node:util';
import { own } from '../base/own.ts';
import { endpointFault } from '../model/address.ts';
import { isName, type Service, type Version } from '../model/state.ts';
import { type Weights, weightsFault, wholeVersion, wholeWeights } from '../model/weights.ts';
import { keptWholes } from '../model/wholes.ts';
import { neededVersions, schemaConflict } from '../rollout/schema.ts';
import { Refusal } from './commands.ts';
import { list, versionOf } from './lookup.ts';
import { type Resplitting, resplit } from './resplit.ts';

/** What is said of a version that is put. */
export type VersionBody = Pick<Version, 'endpoints' | 'requires'>;

/** What may be asked of one service's versions and weights. */
export type ServiceCommand =
  | { readonly type: 'weights'; readonly service: string; readonly weights: Weights }
  /** Without `to`: to the version that last held all traffic before the present split. */
  | { readonly type: 'rollback'; readonly service: string; readonly to: string | undefined }
  | {
      readonly type: 'version.put';
      readonly service: string;
      readonly version: string;
      readonly body: VersionBody;
    }
  /** The database schema that holds from now on. */
  | { readonly type: 'schema'; readonly service: string; readonly schema: string }
  | { readonly type: 'version.delete'; readonly service: string; readonly version: string };

/** What a command does to a service: the service as it should be, and what of it the audit log shows. */
export interface Step {
  readonly next: Service;
  readonly before: unknown;
  readonly after: unknown;
}

/** What a command makes of its service; undefined if it stands as asked. Throws Refusal when it may not be. */
export function stepOf(
  service: Service,
  command: ServiceCommand,
  circumstances: Resplitting,
): Step | undefined {
  switch (command.type) {
    case 'weights':
      return setWeights(service, command.weights, circumstances);
    case 'rollback':
      return rollback(service, command.to, circumstances);
    case 'version.put':
      return putVersion(service, command.version, command.body);
    case 'schema':
      return setSchema(service, command.schema);
    case 'version.delete':
      return deleteVersion(service, command.version);
  }
}

function setWeights(service: Service, asked: Weights, circumstances: Resplitting): Step | undefined {
  for (const version of Object.keys(asked)) versionOf(service, version);
  const names = Object.keys(service.versions);
  const fault = weightsFault(asked, names);
  if (fault !== undefined) throw new Refusal('invalid', fault);
  const weights = Object.fromEntries(names.map((name) => [name, own(asked, name) ?? 0]));
  return shifted(service, resplit(service, weights, 'weights', circumstances));
}

/**
 * Back to a version that held all the traffic. From a split between versions, that is the one which held it
 * last; from one version alone, the one which held it before. But whoever presses the button twice means to be
 * safe, not to go forward again: after a rollback an unnamed rollback finds nothing to do.
 */
function rollback(service: Service, to: string | undefined, circumstances: Resplitting): Step | undefined {
  const { split, wholes, versions } = service;
  const present = wholeVersion(split.weights);
  if (to === undefined && present !== undefined && split.cause === 'rollback') return undefined;
  if (to !== undefined) versionOf(service, to);
  // The version rolled back from is taken off the trail: it is not where the next rollback should go.
  const trail = present !== undefined && wholes.at(-1) === present ? wholes.slice(0, -1) : wholes;
  const target = to ?? trail.at(-1);
  if (target === undefined)
    throw new Refusal(
      'conflict',
      `no version held all the traffic before, so there is none to go back to; name one of ${list(versions)}`,
    );
  const weights = wholeWeights(Object.keys(versions), target);
  return shifted(service, resplit({ ...service, wholes: trail }, weights, 'rollback', circumstances));
}

function shifted(before: Service, next: Service | undefined): Step | undefined {
  return next && { next, before: { weights: before.split.weights }, after: { weights: next.split.weights } };
}

function putVersion(service: Service, name: string, body: VersionBody): Step | undefined {
  if (!isName(name))
    throw new Refusal(
      'invalid',
      `"${name}" is not a name; it takes letters, digits, dots, dashes and underscores, 64 at most`,
    );
  const fault = body.endpoints.map(endpointFault).find((each) => each !== undefined);
  if (fault !== undefined) throw new Refusal('invalid', fault);
  const before = own(service.versions, name);
  const { endpoints, requires = before?.requires } = body;
  // How endpoints are spoken to does not change with where they are, nor does what the version lives on.
  const version: Version = {
    endpoints,
    owner: 'api',
    ...(before?.tls !== undefined && { tls: before.tls }),
    ...(requires && { requires }),
  };
  if (isDeepStrictEqual({ ...before, owner: 'api' }, version)) return undefined;
  const { split } = service;
  return {
    next: {
      ...service,
      versions: { ...service.versions, [name]: version },
      split: before === undefined ? { ...split, weights: { ...split.weights, [name]: 0 } } : split,
    },
    before: before && { [name]: before },
    after: { [name]: version },
  };
}

function deleteVersion(service: Service, name: string): Step {
  const version = versionOf(service, name);
  const weight = own(service.split.weights, name) ?? 0;
  if (weight > 0)
    throw new Refusal(
      'conflict',
      `version "${name}" holds ${weight} % of the traffic; shift its weight to another version first`,
    );
  const { [name]: _version, ...versions } = service.versions;
  const { [name]: _weight, ...weights } = service.split.weights;
  return {
    next: {
      ...service,
      versions,
      split: { ...service.split, weights },
      wholes: keptWholes(service.wholes, versions),
    },
    before: { [name]: version },
    after: undefined,
  };
}

/** Refused as long as a version that may get traffic could not live with it: that is what asking is for. */
function setSchema(service: Service, version: string): Step | undefined {
  const { schema: before, versions, trial } = service;
  if (before?.version === version) return undefined;
  if (before?.owner === 'file')
    throw new Refusal(
      'conflict',
      `the config file says that schema ${before.version} holds; change it there, or take it out and have the file read again`,
    );
  const tried = trial === undefined ? [] : [trial.baseline, trial.candidate];
  const conflict = schemaConflict(version, versions, neededVersions(service, ...tried));
  if (conflict !== undefined) throw new Refusal('conflict', conflict);
  return {
    next: { ...service, schema: { version, owner: 'api' } },
    before: before && { schema: before.version },
    after: { schema: version },
  };
}
