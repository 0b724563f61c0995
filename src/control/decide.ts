import { isDeepStrictEqual } from 'node:util';
import { own } from '../base/own.ts';
import { mergeStructure } from '../config/merge.ts';
import type { RolloutEvent } from '../model/event.ts';
import type { Actor, AuditEntry } from '../model/record.ts';
import type { Rollout } from '../model/rollout.ts';
import type { Service, ServiceConfig, State } from '../model/state.ts';
import { gatesOf } from '../rollout/gates.ts';
import { begin, refusal } from '../rollout/machine.ts';
import { isEnded } from '../rollout/move.ts';
import { released } from '../rollout/quarantine.ts';
import { neededVersions, schemaConflict } from '../rollout/schema.ts';
import { where } from '../rollout/words.ts';
import { type ServiceCommand, stepOf } from './change.ts';
import { Refusal } from './commands.ts';
import { type Launch, specOf } from './launch.ts';
import { rolloutOf, serviceOf } from './lookup.ts';
import type { Resplitting } from './resplit.ts';
import { type Happening, liveRollout, type Marks, type Turn, taken, turn } from './rollouts.ts';

/** What may be asked of the truth. */
export type Command =
  | ServiceCommand
  | { readonly type: 'reload'; readonly services: Readonly<Record<string, ServiceConfig>> }
  /** `id`: of the rollout to be. */
  | { readonly type: 'rollout.start'; readonly service: string; readonly id: string; readonly launch: Launch }
  /** Asked for by a person; refused if it would change nothing. */
  | { readonly type: 'rollout.ask'; readonly rollout: string; readonly event: RolloutEvent }
  /** What the controller has seen. */
  | { readonly type: 'rollout.happen'; readonly rollout: string; readonly happening: Happening }
  | { readonly type: 'quarantine.release'; readonly service: string; readonly build: string };

/** What a decision may depend on besides the state and the command. */
export interface Circumstances extends Resplitting {
  readonly actor: Actor;
  readonly reason: string | undefined;
  /** Where in a fleet this happens. */
  readonly replica?: string | undefined;
  /** Where latencies of a version count as slow, by those of the minutes before; undefined: not known. */
  readonly marks?: ((service: string, version: string) => Marks | undefined) | undefined;
}

/** What should be true, and what the audit log should say of it. */
export interface Decision {
  readonly services: State['services'];
  /** Left out: there are none, and never were. */
  readonly rollouts?: NonNullable<State['rollouts']>;
  readonly entry: Omit<AuditEntry, 'revision'>;
  /** Whether it takes traffic back, and so is served even if the store cannot hold it. */
  readonly urgent: boolean;
}

/**
 * What a command makes of a state; undefined when everything stands as asked already. Throws Refusal, with the
 * cure, when it may not be. Nothing happens here: whoever calls makes it so.
 */
export function decide(state: State, command: Command, circumstances: Circumstances): Decision | undefined {
  switch (command.type) {
    case 'reload':
      return reload(state, command.services, circumstances);
    case 'rollout.start':
      return start(state, command, circumstances);
    case 'rollout.ask':
      return ask(state, command.rollout, command.event, circumstances);
    case 'rollout.happen':
      return happen(state, command.rollout, command.happening, circumstances);
    case 'quarantine.release':
      return release(state, command.service, command.build, circumstances);
    default:
      return change(state, command, circumstances);
  }
}

/** A change of versions and weights, and what the rollout that is under way makes of it. */
function change(state: State, command: ServiceCommand, circumstances: Circumstances): Decision | undefined {
  const service = serviceOf(state, command.service);
  const rollout = liveRollout(state, command.service);
  const step = stepOf(service, rollout ? aimed(command, rollout) : command, circumstances);
  const changed = step ? withService(state, command.service, step.next) : state;
  if (command.type === 'version.delete' && rollout) refuseLoss(rollout, command.version);
  const events = rollout ? eventsOf(command, rollout, service, changed, circumstances) : [];
  const turned = rollout && turn(changed, rollout, { events, digest: '' }, circumstances);
  if (step === undefined && turned === undefined) return undefined;
  const entry = {
    ...signature(command.type, circumstances),
    service: command.service,
    ...(step?.before === undefined ? {} : { before: step.before }),
    ...(step?.after === undefined ? {} : { after: step.after }),
  };
  const urgent = command.type === 'rollback';
  return turned === undefined
    ? { ...partsOf(changed), entry, urgent }
    : { ...decisionOf(state, turned, entry), urgent };
}

/** While a rollout is under way, back is to its baseline, whoever held all the traffic by hand meanwhile. */
function aimed(command: ServiceCommand, { baseline }: Rollout): ServiceCommand {
  return command.type === 'rollback' && command.to === undefined ? { ...command, to: baseline } : command;
}

function refuseLoss({ id, candidate, baseline }: Rollout, version: string): void {
  if (version !== candidate && version !== baseline) return;
  throw new Refusal('conflict', `version "${version}" is in rollout ${id}; abort the rollout first`);
}

/** What a change of its service is to a rollout. */
function eventsOf(
  { type, service }: ServiceCommand,
  rollout: Rollout,
  before: Service,
  state: State,
  { actor: { name: by } }: Circumstances,
): RolloutEvent[] {
  const after = serviceOf(state, service);
  if (type === 'version.delete' || type === 'schema') return [];
  if (type === 'version.put') return [{ type: 'reload', changed: otherEndpoints(rollout, before, after) }];
  const weight = own(after.split.weights, rollout.candidate) ?? 0;
  const baseline = own(after.split.weights, rollout.baseline) ?? 0;
  const hand: RolloutEvent = { type: 'hand', by, weight, baseline };
  // Whoever presses the button wants the candidate off, even if it has no traffic yet.
  return type === 'rollback' && weight === 0 ? [hand, { type: 'abort', by }] : [hand];
}

function start(
  state: State,
  { service, id, launch }: Extract<Command, { type: 'rollout.start' }>,
  circumstances: Circumstances,
): Decision {
  const running = liveRollout(state, service);
  const newer: RolloutEvent = { type: 'newer', rollout: id, by: circumstances.actor.name };
  const cleared = running && turn(state, running, { events: [newer], digest: '' }, circumstances);
  if (running && !(cleared && isEnded(cleared.rollout.phase)))
    throw new Refusal('conflict', `rollout ${running.id} is under way; abort it first`);
  const ground = cleared?.state ?? state;
  const outcome = begin(specOf(ground, service, id, launch, circumstances), circumstances.now);
  const unborn = { ...outcome.next, seq: 0, history: [] };
  const before: Turn = { state: ground, rollout: unborn, transitions: [], records: [], back: false };
  return decisionOf(
    state,
    taken(before, outcome, '', circumstances),
    signature('rollout.start', circumstances),
  );
}

function ask(state: State, id: string, event: RolloutEvent, circumstances: Circumstances): Decision {
  const rollout = rolloutOf(state, id);
  refuseUnfit(state, rollout, event, circumstances);
  const refused = refusal(rollout, event, circumstances.now);
  if (refused !== undefined) throw new Refusal('conflict', refused);
  const turned = turn(state, rollout, { events: [event], digest: '' }, circumstances);
  if (turned === undefined) throw new Refusal('conflict', `rollout ${id} stays as it is, ${where(rollout)}`);
  return decisionOf(state, turned, signature(`rollout.${event.type}`, circumstances));
}

/** Throws Refusal if this person may not approve, or if a promotion would burn the way back. */
function refuseUnfit(state: State, rollout: Rollout, event: RolloutEvent, { actor }: Circumstances): void {
  const { id, phase, plan, baseline } = rollout;
  if (event.type === 'approve' && event.link !== undefined && rollout.links?.includes(event.link))
    throw new Refusal('conflict', 'this link has been used, and works once; approve with a token instead');
  if (event.type === 'approve' && phase.at === 'waiting') {
    const gate = gatesOf(plan, phase).find(
      ({ kind, name }) =>
        kind === 'approval' && !phase.passed.includes(name) && (event.gate ?? name) === name,
    );
    const shut = schemaShut(serviceOf(state, rollout.service), rollout);
    if (shut !== undefined) throw new Refusal('conflict', shut);
    if (gate?.kind === 'approval' && gate.role === 'admin' && actor.role !== 'admin')
      throw new Refusal(
        'forbidden',
        `gate "${gate.name}" takes the role admin; "${actor.name}" has the role ${actor.role}`,
      );
  }
  if (event.type === 'promote' && phase.at !== 'baking' && rollout.stranded !== undefined)
    throw new Refusal('conflict', `rollout ${id} could not go back: ${rollout.stranded}; mend that first`);
  const way = own(serviceOf(state, rollout.service).versions, baseline)?.endpoints.length ?? 0;
  if (event.type === 'promote' && way === 0)
    throw new Refusal(
      'conflict',
      `version "${baseline}" has no endpoints, so rollout ${id} could not go back; add some first`,
    );
}

/** Why a schema that is asked about at this door cannot be approved. */
function schemaShut(service: Service, { plan, phase, candidate }: Rollout): string | undefined {
  for (const gate of gatesOf(plan, phase)) {
    if (gate.kind !== 'schema') continue;
    const conflict = schemaConflict(gate.schema, service.versions, neededVersions(service, candidate));
    if (conflict !== undefined) return `schema "${gate.name}": ${conflict}`;
  }
  return undefined;
}

function happen(
  state: State,
  id: string,
  happening: Happening,
  circumstances: Circumstances,
): Decision | undefined {
  const rollout = own(state.rollouts ?? {}, id);
  const turned = rollout && turn(state, rollout, happening, circumstances);
  return turned && decisionOf(state, turned, signature('rollout', circumstances));
}

function release(state: State, name: string, build: string, circumstances: Circumstances): Decision {
  const service = serviceOf(state, name);
  const before = service.quarantine ?? [];
  const quarantine = released(before, build);
  if (quarantine === before)
    throw new Refusal(
      'unknown-build',
      `build "${build}" is not in quarantine; in it are ${before.map((each) => each.build).join(', ') || 'none'}`,
    );
  return {
    ...partsOf(withService(state, name, { ...service, quarantine })),
    entry: {
      ...signature('quarantine.release', circumstances),
      service: name,
      before: before.find((each) => each.build === build),
    },
    urgent: false,
  };
}

/** What a rollout's turn comes to, and what the audit log is to say of it. */
function decisionOf(
  before: State,
  { state, rollout, transitions, records, back }: Turn,
  entry: Omit<AuditEntry, 'revision'>,
): Decision {
  const was = own(before.services, rollout.service)?.split.weights;
  const is = own(state.services, rollout.service)?.split.weights;
  const says = entry.reason ?? transitions.at(-1)?.says;
  return {
    ...partsOf(state),
    entry: {
      ...entry,
      service: rollout.service,
      rollout: rollout.id,
      ...(says !== undefined && { reason: says }),
      ...(was !== is && { before: { weights: was }, after: { weights: is } }),
      ...(transitions.length > 0 && { transitions }),
      ...(records.length > 0 && { decisions: records }),
    },
    urgent: back,
  };
}

function withService(state: State, name: string, service: Service): State {
  return { ...state, services: { ...state.services, [name]: service } };
}

/** What a store holds of a state. */
export function partsOf({ services, rollouts }: Omit<State, 'revision'>): Omit<State, 'revision'> {
  return rollouts === undefined ? { services } : { services, rollouts };
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
  const told = reloadedRollouts(state, next, circumstances);
  const before = Object.keys(state.services);
  const after = Object.keys(next.services);
  return {
    ...partsOf(told),
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
    urgent: false,
  };
}

/** Every rollout under way is told what the file has changed for it; one without a service is gone. */
function reloadedRollouts(before: State, after: State, circumstances: Circumstances): State {
  const kept = Object.values(after.rollouts ?? {}).filter(({ service }) =>
    Object.hasOwn(after.services, service),
  );
  const state =
    after.rollouts === undefined
      ? after
      : { ...after, rollouts: Object.fromEntries(kept.map((rollout) => [rollout.id, rollout])) };
  return kept.reduce((made, rollout) => {
    const changed = otherEndpoints(
      rollout,
      own(before.services, rollout.service),
      after.services[rollout.service]!,
    );
    return (
      turn(made, rollout, { events: [{ type: 'reload', changed }], digest: '' }, circumstances)?.state ?? made
    );
  }, state);
}

/** Whether candidate or baseline are served elsewhere now. */
function otherEndpoints(
  { candidate, baseline }: Rollout,
  before: Service | undefined,
  after: Service,
): boolean {
  return [candidate, baseline].some(
    (name) =>
      !isDeepStrictEqual(own(before?.versions ?? {}, name)?.endpoints, own(after.versions, name)?.endpoints),
  );
}

/** What an entry of the audit log says whatever was done. */
export function signature(
  action: string,
  { actor, reason, replica, now }: Circumstances,
): Pick<AuditEntry, 'at' | 'actor' | 'action' | 'replica' | 'reason'> {
  return {
    at: new Date(now).toISOString(),
    actor,
    action,
    ...(replica !== undefined && { replica }),
    ...(reason !== undefined && { reason }),
  };
}
