import { own } from '../base/own.ts';
import type { DecisionRecord } from '../model/decision.ts';
import type { Effect } from '../model/effect.ts';
import type { RolloutEvent } from '../model/event.ts';
import type { Rollout, Transition } from '../model/rollout.ts';
import type { Service, State, Trial } from '../model/state.ts';
import { weightsFault } from '../model/weights.ts';
import { step } from '../rollout/machine.ts';
import { isEnded, type Outcome } from '../rollout/move.ts';
import { quarantined } from '../rollout/quarantine.ts';
import { shownPolicy } from '../rollout/shown.ts';
import type { Circumstances } from './decide.ts';
import { resplit } from './resplit.ts';

/** Ended rollouts that are remembered, of one service. */
const REMEMBERED = 5;

/** What something that happened to a rollout makes of the truth. */
export interface Turn {
  readonly state: State;
  readonly rollout: Rollout;
  /** What the rollout's history says of it. */
  readonly transitions: readonly Transition[];
  readonly records: readonly DecisionRecord[];
  /** Whether traffic was taken back from the candidate, which waits for nobody. */
  readonly back: boolean;
}

/** What has happened, and what it was judged by. */
export interface Happening {
  readonly events: readonly RolloutEvent[];
  /** SHA-256 of all that the judge was fed, for the records. */
  readonly digest: string;
}

/** What the baseline was like in the minutes before. */
export interface Marks {
  readonly past: NonNullable<Trial['past']>;
  /** The judge's latency buckets above which its slowest 5 % and 1 % lie. */
  readonly slow?: { readonly p95: number; readonly p99: number };
}

/** The rollout of a service that is under way. */
export function liveRollout({ rollouts }: State, service: string): Rollout | undefined {
  return Object.values(rollouts ?? {}).find((each) => each.service === service && !isEnded(each.phase));
}

/** The truth after events have happened to a rollout, one after the other; undefined if it stays as it was. */
export function turn(
  state: State,
  rollout: Rollout,
  { events, digest }: Happening,
  circumstances: Circumstances,
): Turn | undefined {
  let turned: Turn = { state, rollout, transitions: [], records: [], back: false };
  for (const event of events) {
    const outcome = step(turned.rollout, event, circumstances.now);
    if (!isSame(outcome.next, turned.rollout)) turned = taken(turned, outcome, digest, circumstances);
  }
  return turned.rollout === rollout ? undefined : turned;
}

/** Whether nothing has come of it. A copy is nothing new, and would be written every second. */
function isSame(a: Rollout, b: Rollout): boolean {
  return a === b || Object.entries(a).every(([name, value]) => b[name as keyof Rollout] === value);
}

/** The truth with what the machine wants to be true of it. */
export function taken(before: Turn, outcome: Outcome, digest: string, circumstances: Circumstances): Turn {
  const { next, effects } = outcome;
  const { state, rollout } = before;
  const service = own(state.services, next.service);
  const changed =
    service && effects.reduce((made, effect) => madeTrue(made, next, effect, circumstances), service);
  return {
    state: {
      ...state,
      ...(changed && changed !== service && { services: { ...state.services, [next.service]: changed } }),
      rollouts: remembered({ ...state.rollouts, [next.id]: next }, next.service),
    },
    rollout: next,
    transitions: [...before.transitions, ...next.history.filter(({ seq }) => seq > rollout.seq)],
    records: [
      ...before.records,
      ...effects.flatMap((effect) =>
        effect.type === 'record' ? [recordOf(rollout, effect, digest, circumstances)] : [],
      ),
    ],
    back: before.back || effects.some((effect) => effect.type === 'weights' && effect.leave === 'evict'),
  };
}

function madeTrue(service: Service, rollout: Rollout, effect: Effect, circumstances: Circumstances): Service {
  switch (effect.type) {
    case 'weights':
      return weighted(service, rollout, effect, circumstances);
    case 'epoch': {
      const { trial: _, ...rest } = service;
      return effect.epoch === undefined
        ? rest
        : { ...rest, trial: trialOf(rollout, effect.epoch, pastOf(service, rollout, circumstances)) };
    }
    case 'quarantine': {
      const since = new Date(circumstances.now).toISOString();
      const { build, says } = effect;
      return {
        ...service,
        quarantine: quarantined(service.quarantine, { build, rollout: rollout.id, since, says }),
      };
    }
    default:
      return service;
  }
}

function weighted(
  service: Service,
  { baseline, candidate }: Rollout,
  effect: Extract<Effect, { type: 'weights' }>,
  circumstances: Circumstances,
): Service {
  const weights = {
    ...service.split.weights,
    [baseline]: effect.baseline,
    [candidate]: effect.candidate,
  };
  const fault = weightsFault(weights, Object.keys(service.versions));
  if (fault !== undefined) throw new Error(`a rollout asks for weights that cannot be: ${fault}`);
  if (effect.leave === 'drain') return resplit(service, weights, 'weights', circumstances) ?? service;
  // The version gone back from is taken off the trail: it is not where the next rollback should go.
  const wholes = service.wholes.at(-1) === candidate ? service.wholes.slice(0, -1) : service.wholes;
  return resplit({ ...service, wholes }, weights, 'rollback', circumstances) ?? service;
}

/** What the baseline was like; once it has no traffic, what it was like when it had. */
function pastOf({ trial }: Service, rollout: Rollout, { marks }: Circumstances): Partial<Marks> {
  if (trial?.rollout !== rollout.id || trial.past === undefined)
    return marks?.(rollout.service, rollout.baseline) ?? {};
  const { p95, p99 } = trial.latency ?? {};
  return { past: trial.past, ...(p95 !== undefined && p99 !== undefined && { slow: { p95, p99 } }) };
}

function trialOf(
  { id, baseline, candidate, policy, weight }: Rollout,
  epoch: number,
  { slow, past }: Partial<Marks>,
): Trial {
  const { mode, latencyTolerance: tolerance, latencySlack: slack, metrics } = policy;
  const business = metrics
    .filter(({ kind, use }) => (kind === 'conversion' || kind === 'value') && use !== 'off')
    .map(({ name, kind, when, worse = 'lower' }) => ({
      name,
      ...(when && { when }),
      ...(kind === 'value' && { worse }),
    }));
  return {
    rollout: id,
    epoch,
    baseline,
    candidate,
    sticky: mode === 'sticky',
    latency: { tolerance, slack, ...slow },
    // While the baseline has traffic of its own there is better to compare with.
    ...(weight === 100 && past && { past }),
    ...(business.length > 0 && { business }),
  };
}

function recordOf(
  { id: rollout, service, epoch, phase, policy }: Rollout,
  { id, result, event }: Extract<Effect, { type: 'record' }>,
  digest: string,
  { replica, now }: Circumstances,
): DecisionRecord {
  return {
    id,
    rollout,
    service,
    at: new Date(now).toISOString(),
    ...(replica !== undefined && { replica }),
    epoch,
    phase,
    ...(event.type === 'verdict' && { verdict: event.verdict }),
    ...(event.type === 'harm' && { harm: event.harm }),
    digest,
    // The audit log is read by those who may not see headers.
    policy: shownPolicy(policy),
    result,
  };
}

/** Without those that ended long ago and have nothing left to do. */
function remembered(
  rollouts: Readonly<Record<string, Rollout>>,
  service: string,
): Readonly<Record<string, Rollout>> {
  const over = Object.values(rollouts)
    .filter((each) => each.service === service && isEnded(each.phase) && each.errands.length === 0)
    .sort((a, b) => b.phase.since - a.phase.since);
  const forgotten = new Set(over.slice(REMEMBERED).map(({ id }) => id));
  if (forgotten.size === 0) return rollouts;
  return Object.fromEntries(Object.entries(rollouts).filter(([id]) => !forgotten.has(id)));
}
