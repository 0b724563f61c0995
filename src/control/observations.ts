import { propensity } from '../analysis/evidence.ts';
import { unitSlot } from '../analysis/units.ts';
import { valueBucket } from '../analysis/value.ts';
import type { Clock } from '../base/clock.ts';
import { own } from '../base/own.ts';
import type { Observation, Observed } from '../model/api.ts';
import { businessKind, type Tally } from '../model/evidence.ts';
import type { Service, State, Trial } from '../model/state.ts';
import { Refusal } from './commands.ts';
import type { Evidence } from './evidence.ts';
import { serviceOf } from './lookup.ts';
import { liveRollout } from './rollouts.ts';

/** Observations of one service that were posted together, and what was compared at that moment. */
export interface Posting {
  readonly service: string;
  readonly rollout: string;
  readonly epoch: number;
  readonly observations: readonly Observation[];
}

/** The way to the replica that leads, where there are several. Implemented by the fleet. */
export interface Messenger {
  /** Whether that is this one. */
  readonly leads: boolean;
  /** Has it take them, as soon as it is reached. False if too much waits for that already. */
  pass(posting: Posting): boolean;
}

export interface ObservationsParts {
  state(): State;
  readonly evidence: Pick<Evidence, 'unit' | 'add'>;
  /** Default: there is no other replica. */
  readonly messenger?: Messenger;
  readonly clock: Clock;
}

/** By this name what is posted joins the evidence, as if one more worker had seen it. */
const SOURCE = 'observations';
/** Ids that are remembered, of one rollout. The oldest go first. */
const MOST_IDS = 100_000;
/** Milliseconds that a key is waited for: an order may be told of sooner than a worker tells of its request. */
const PATIENCE = 5_000;
const MOST_WAITING = 10_000;

type Outcome = 'taken' | 'waiting' | 'repeated' | 'unknown' | 'passed';
const NOTHING = { taken: 0, waiting: 0, repeated: 0, unknown: 0, passed: 0 };
type Business = NonNullable<Trial['business']>[number];

/** An observation whose key has not been heard of yet. */
interface Waiting {
  readonly each: Observation;
  readonly service: string;
  readonly rollout: string;
  readonly epoch: number;
  /** Monotonic ms. */
  readonly until: number;
}

/** How many observations of a service have come to what. */
export interface Posted {
  readonly service: string;
  readonly outcome: Outcome;
  readonly count: number;
}

/**
 * What happened to users outside the traffic that passes here, told by whoever knows. A user's label is the
 * version that was first chosen for the key in this epoch, with the odds of that moment; a key that has not been
 * seen since then has none, and counts nowhere. It merges with what workers tell: a key counts once. In a fleet they
 * are taken by the replica that leads, since it knows of all keys and ids.
 */
export class Observations {
  readonly #parts: ObservationsParts;
  /** By rollout. */
  readonly #ids = new Map<string, Set<string>>();
  #waiting: Waiting[] = [];
  readonly #outcomes = new Map<string, Posted>();
  #seq = 0;

  constructor(parts: ObservationsParts) {
    this.#parts = parts;
  }

  /** Takes all of them, or none: throws Refusal, with the cure, when one of them cannot be meant so. */
  post(name: string, observations: readonly Observation[]): Observed {
    const state = this.#parts.state();
    const service = serviceOf(state, name);
    const rollout = liveRollout(state, name);
    const { trial } = service;
    if (rollout === undefined || trial?.rollout !== rollout.id)
      throw new Refusal(
        'conflict',
        `nothing is being compared in service "${name}" now; observations count while a rollout is at a step or in its bake`,
      );
    const { metrics } = rollout.policy;
    observations.forEach((each, index) => {
      const by = metrics.find((metric) => metric.name === each.metric)?.by ?? 'key';
      const fault = faultOf(each, by, trial, service);
      if (fault !== undefined) throw new Refusal('invalid', `observation ${index + 1}: ${fault}`);
    });

    const posting = { service: name, rollout: trial.rollout, epoch: trial.epoch, observations };
    const { messenger } = this.#parts;
    if (messenger === undefined || messenger.leads) return this.take(posting);
    if (!messenger.pass(posting))
      throw new Refusal(
        'unavailable',
        'too many observations wait for the replica that leads, which cannot be reached; post these again later',
      );
    for (const _ of observations) this.#note(name, 'passed');
    return { rollout: trial.rollout, ...NOTHING, passed: observations.length };
  }

  /** Takes what was posted, here or at another replica, where it was found to be meant well. */
  take({ service: name, rollout, epoch, observations }: Posting): Observed {
    const { services, rollouts = {} } = this.#parts.state();
    for (const id of this.#ids.keys()) if (!own(rollouts, id)) this.#ids.delete(id);
    const service = own(services, name);
    const observed = { rollout, ...NOTHING };
    const batches = new Map<number, Tally[]>();
    const until = this.#parts.clock.monotonic() + PATIENCE;
    for (const each of observations) {
      const outcome = this.#isRepeated(rollout, each.id)
        ? 'repeated'
        : this.#take({ each, service: name, rollout, epoch, until }, service, batches);
      observed[outcome]++;
      this.#note(name, outcome);
    }
    if (service?.trial) this.#tell(service.trial, batches);
    return observed;
  }

  /** Looks again for keys that had not been heard of; to be called before evidence is taken. */
  attend(): void {
    const { services } = this.#parts.state();
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const name of new Set(waiting.map((each) => each.service))) {
      const service = own(services, name);
      const trial = service?.trial;
      const batches = new Map<number, Tally[]>();
      for (const each of waiting.filter((one) => one.service === name)) {
        const outcome = this.#take(each, service, batches);
        if (outcome !== 'waiting') this.#note(name, outcome);
      }
      if (trial) this.#tell(trial, batches);
    }
  }

  get outcomes(): Iterable<Posted> {
    return this.#outcomes.values();
  }

  /** What becomes of one; if it is taken it stands in `batches`, by its odds. */
  #take(waiting: Waiting, service: Service | undefined, batches: Map<number, Tally[]>): Outcome {
    const { each, until } = waiting;
    const trial = service?.trial;
    // Where it was posted more may be known of the truth than here.
    const early = trial?.rollout !== waiting.rollout || trial.epoch < waiting.epoch;
    const now = !early && trial.epoch === waiting.epoch;
    const label = now ? this.#labelOf(each, trial, service!) : undefined;
    if (label === undefined) {
      const patient = (early || (now && each.key !== undefined)) && this.#parts.clock.monotonic() < until;
      if (!patient || this.#waiting.length >= MOST_WAITING) return 'unknown';
      this.#waiting.push(waiting);
      return 'waiting';
    }
    const { w, candidate, slot } = label;
    const mark = each.value === undefined ? 0 : valueBucket(each.value);
    const arm = candidate ? 1 : 0;
    const tally: Tally = {
      kind: businessKind(businessOf(trial!, each.metric)!),
      counts: slot === undefined ? [mark, 1 - arm, arm] : [],
      keys: slot === undefined ? [] : [2 * slot + arm, mark],
    };
    batches.set(w, [...(batches.get(w) ?? []), tally]);
    return 'taken';
  }

  #labelOf(
    { key, version }: Observation,
    { rollout, candidate, baseline }: Trial,
    { split: { weights } }: Service,
  ): { readonly w: number; readonly candidate: boolean; readonly slot?: number } | undefined {
    if (key !== undefined) {
      const slot = unitSlot(key);
      const unit = this.#parts.evidence.unit(rollout, slot);
      return unit && { ...unit, slot };
    }
    if (version !== candidate && version !== baseline) return undefined;
    const w = propensity(own(weights, candidate) ?? 0, own(weights, baseline) ?? 0);
    return { w, candidate: version === candidate };
  }

  #isRepeated(rollout: string, id: string | undefined): boolean {
    if (id === undefined) return false;
    const ids = this.#ids.get(rollout) ?? new Set<string>();
    this.#ids.set(rollout, ids);
    if (ids.has(id)) return true;
    ids.add(id);
    // They stand in the order they came in.
    for (const oldest of ids) {
      if (ids.size <= MOST_IDS) break;
      ids.delete(oldest);
    }
    return false;
  }

  #tell({ rollout, epoch }: Trial, told: ReadonlyMap<number, readonly Tally[]>): void {
    if (told.size === 0) return;
    const batches = Array.from(told, ([w, tallies]) => ({ w, tallies }));
    const nobody = [0, 0] as const;
    const counts = { requests: nobody, failures: nobody, slow: nobody, dispersed: [], batches };
    this.#parts.evidence.add([{ rollout, epoch, seq: ++this.#seq, ...counts }], SOURCE);
  }

  #note(service: string, outcome: Outcome): void {
    const name = `${service} ${outcome}`;
    const count = (this.#outcomes.get(name)?.count ?? 0) + 1;
    this.#outcomes.set(name, { service, outcome, count });
  }
}

function businessOf({ business = [] }: Trial, metric: string): Business | undefined {
  return business.find(({ name }) => name === metric);
}

/** Why an observation cannot be meant so, in a sentence with the cure. */
function faultOf(
  { metric, key, version, value }: Observation,
  by: 'key' | 'version',
  trial: Trial,
  { versions }: Service,
): string | undefined {
  const business = businessOf(trial, metric);
  if (business === undefined) {
    const known = (trial.business ?? []).filter(({ when }) => when === undefined).map(({ name }) => name);
    return `the rollout has no metric "${metric}" to be posted; it has ${known.join(', ') || 'none'}`;
  }
  if (business.when !== undefined)
    return `metric "${metric}" is counted in the traffic; leave out its when to post it`;
  if ((key === undefined) === (version === undefined)) return 'it takes a key or a version, and not both';
  if (by === 'key' && key === undefined)
    return `metric "${metric}" is observed by key; name the user's key, or say by: version in the policy`;
  if (by === 'version' && version === undefined)
    return `metric "${metric}" is observed by version; name the version, or leave out by in the policy`;
  if (version !== undefined && !Object.hasOwn(versions, version)) return `there is no version "${version}"`;
  if (business.worse !== undefined && value === undefined) return `metric "${metric}" takes a value`;
  if (business.worse === undefined && value !== undefined)
    return `metric "${metric}" is a conversion, which has no value; use kind value`;
  return undefined;
}
