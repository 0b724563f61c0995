import { own } from '../base/own.ts';
import { mergeStructure } from '../config/merge.ts';
import { endpointFault } from '../model/address.ts';
import type { Actor, AuditEntry } from '../model/record.ts';
import {
  isName,
  type Service,
  type ServiceConfig,
  type Split,
  type State,
  type Version,
} from '../model/state.ts';
import { type Weights, weightsFault, wholeVersion, wholeWeights } from '../model/weights.ts';
import { keptWholes, withWhole } from '../model/wholes.ts';
import { Refusal } from './commands.ts';

/** What may be asked of the truth. */
export type Command =
  | { readonly type: 'weights'; readonly service: string; readonly weights: Weights }
  /** Without `to`: to the version that last held all traffic before the present split. */
  | { readonly type: 'rollback'; readonly service: string; readonly to: string | undefined }
  | {
      readonly type: 'version.put';
      readonly service: string;
      readonly version: string;
      readonly endpoints: readonly string[];
    }
  | { readonly type: 'version.delete'; readonly service: string; readonly version: string }
  | { readonly type: 'reload'; readonly services: Readonly<Record<string, ServiceConfig>> };

/** What a decision may depend on besides the state and the command. */
export interface Circumstances {
  readonly actor: Actor;
  readonly reason: string | undefined;
  /** Milliseconds since 1970. */
  readonly now: number;
  /** Never used before; taken when a split may have a new salt. */
  readonly salt: string;
}

/** What should be true, and what the audit log should say of it. */
export interface Decision {
  readonly services: State['services'];
  readonly entry: Omit<AuditEntry, 'revision'>;
}

/** What a command does to a service: the service as it should be, and what of it the audit log shows. */
interface Step {
  readonly next: Service;
  readonly before: unknown;
  readonly after: unknown;
}

/**
 * What a command makes of a state; undefined when everything stands as asked already. Throws Refusal, with the
 * cure, when it may not be. Nothing happens here: whoever calls makes it so.
 */
export function decide(state: State, command: Command, circumstances: Circumstances): Decision | undefined {
  if (command.type === 'reload') return reload(state, command.services, circumstances);
  const service = serviceOf(state, command.service);
  const step = stepOf(service, command, circumstances);
  if (step === undefined) return undefined;
  return {
    services: { ...state.services, [command.service]: step.next },
    entry: {
      ...signature(command.type, circumstances),
      service: command.service,
      ...(step.before === undefined ? {} : { before: step.before }),
      ...(step.after === undefined ? {} : { after: step.after }),
    },
  };
}

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

function stepOf(
  service: Service,
  command: Exclude<Command, { type: 'reload' }>,
  circumstances: Circumstances,
): Step | undefined {
  switch (command.type) {
    case 'weights':
      return setWeights(service, command.weights, circumstances);
    case 'rollback':
      return rollback(service, command.to, circumstances);
    case 'version.put':
      return putVersion(service, command.version, command.endpoints);
    case 'version.delete':
      return deleteVersion(service, command.version);
  }
}

function setWeights(service: Service, asked: Weights, circumstances: Circumstances): Step | undefined {
  for (const version of Object.keys(asked)) versionOf(service, version);
  const names = Object.keys(service.versions);
  const fault = weightsFault(asked, names);
  if (fault !== undefined) throw new Refusal('invalid', fault);
  const weights = Object.fromEntries(names.map((name) => [name, own(asked, name) ?? 0]));
  return resplit(service, weights, 'weights', circumstances);
}

/**
 * Back to a version that held all the traffic. From a split between versions, that is the one which held it
 * last; from one version alone, the one which held it before. But whoever presses the button twice means to be
 * safe, not to go forward again: after a rollback an unnamed rollback finds nothing to do.
 */
function rollback(service: Service, to: string | undefined, circumstances: Circumstances): Step | undefined {
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
  return resplit({ ...service, wholes: trail }, weights, 'rollback', circumstances);
}

function resplit(
  service: Service,
  weights: Weights,
  cause: Split['cause'],
  { now, salt }: Circumstances,
): Step | undefined {
  const before = service.split.weights;
  if (Object.keys(weights).every((name) => weights[name] === own(before, name))) return undefined;
  const whole = wholeVersion(weights);
  const split: Split = {
    ...service.split,
    weights,
    // With everybody on one version a new salt moves nobody, and lets others bear the risk next time.
    salt: whole === undefined ? service.split.salt : salt,
    cause,
    since: new Date(now).toISOString(),
  };
  const wholes = whole === undefined ? service.wholes : withWhole(service.wholes, whole);
  return { next: { ...service, split, wholes }, before: { weights: before }, after: { weights } };
}

function putVersion(service: Service, name: string, endpoints: readonly string[]): Step | undefined {
  if (!isName(name))
    throw new Refusal(
      'invalid',
      `"${name}" is not a name; it takes letters, digits, dots, dashes and underscores, 64 at most`,
    );
  const fault = endpoints.map(endpointFault).find((each) => each !== undefined);
  if (fault !== undefined) throw new Refusal('invalid', fault);
  const before = own(service.versions, name);
  if (before !== undefined && sameList(before.endpoints, endpoints)) return undefined;
  const version: Version = { endpoints, owner: 'api' };
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

function reload(
  state: State,
  services: Readonly<Record<string, ServiceConfig>>,
  circumstances: Circumstances,
): Decision | undefined {
  const saltFor = (service: string): string => `${circumstances.salt}.${service}`;
  const next = mergeStructure(state, services, circumstances.now, saltFor);
  if (typeof next === 'string') throw new Refusal('conflict', next);
  if (next === state) return undefined;
  const before = Object.keys(state.services);
  const after = Object.keys(next.services);
  return {
    services: next.services,
    entry: {
      ...signature(state.revision === 0 ? 'seed' : 'reload', circumstances),
      after: {
        added: after.filter((name) => !Object.hasOwn(state.services, name)),
        removed: before.filter((name) => !Object.hasOwn(next.services, name)),
        changed: before.filter(
          (name) => Object.hasOwn(next.services, name) && next.services[name] !== state.services[name],
        ),
      },
    },
  };
}

function signature(
  action: string,
  { actor, reason, now }: Circumstances,
): Pick<AuditEntry, 'at' | 'actor' | 'action' | 'reason'> {
  return { at: new Date(now).toISOString(), actor, action, ...(reason === undefined ? {} : { reason }) };
}

function versionOf(service: Service, name: string): Version {
  const version = own(service.versions, name);
  if (version === undefined)
    throw new Refusal(
      'unknown-version',
      `there is no version "${name}"; the versions are ${list(service.versions)}`,
    );
  return version;
}

function sameList(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((each, index) => each === b[index]);
}

function list(record: Readonly<Record<string, unknown>>): string {
  return Object.keys(record).join(', ') || 'none yet';
}
