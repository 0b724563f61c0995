import { SLOTS } from '../analysis/dispersion.ts';
import { propensity } from '../analysis/evidence.ts';
import {
  LATENCY_BUCKETS,
  type Leniency,
  latencyBucket,
  leniently,
  logMiddle,
  strictly,
} from '../analysis/latency.ts';
import { DEFAULT_POLICY } from '../analysis/policy.ts';
import { dispersionSlotOf, noUnits, unitSlotOf } from '../analysis/units.ts';
import { readValue, VALUE_BUCKETS, valueBucket } from '../analysis/value.ts';
import { businessKind, type TrialBatch, type TrialCounts } from '../model/evidence.ts';
import type { Trial } from '../model/trial.ts';
import { type Arm, BASELINE, CANDIDATE, KEYED, Tallier, type Ticket } from './tally.ts';

/** Behind a ticket's slot and KEYED: the dispersion slot, then what the request has been through. */
const DISPERSION_SHIFT = 21;
/** Arrived in the warm-up, so its latency counts nowhere. */
const COLD = 2 ** 28;
/** Has been counted as slow already. */
const SLOW_95 = 2 ** 29;
const SLOW_99 = 2 ** 30;

/** Columns of the dispersion rows. */
const REQUESTS = 0;
const FAILURES = 1;
const SLOW = 2;
const COLUMNS = 3;

/**
 * What one worker counts of one epoch of a trial, by the rules of the ingest contract: a unit belongs to the
 * version first chosen for it, with the propensity of that decision; a key counts once an epoch for each kind
 * of event; a client that leaves speaks neither for nor against. All is laid out beforehand: one call when a
 * version is chosen, one when the exchange is over.
 *
 * An exchange holds on to the recorder it began with. When the epoch is over nobody reads that one any more,
 * so what comes of an earlier epoch's request is counted nowhere.
 */
export class TrialRecorder {
  readonly trial: Trial;
  readonly requests = new Uint32Array(2);
  readonly failures = new Uint32Array(2);
  readonly slow = new Uint32Array(2);
  readonly dispersed: Uint32Array;
  readonly #warmAt: number;
  readonly #batches: Batch[] = [];
  readonly #units = new Map<string, ReturnType<typeof noUnits>>();
  #seq = 0;

  /** `now`: monotonic milliseconds, as everywhere here. */
  constructor(trial: Trial, now: number) {
    this.trial = trial;
    this.dispersed = new Uint32Array(trial.sticky ? SLOTS * COLUMNS : 0);
    this.#warmAt = now + 1000 * (trial.latency?.warmUp ?? DEFAULT_POLICY.latencyWarmup);
  }

  /** Who counts for a version while a split gives these weights; undefined if it is not in the trial. */
  arm(version: string, candidate: number, baseline: number): TrialArm | undefined {
    const { trial } = this;
    if (version !== trial.candidate && version !== trial.baseline) return undefined;
    const w = propensity(candidate, baseline);
    let batch = this.#batches.find((each) => each.w === w);
    if (batch === undefined) {
      batch = new Batch(w, trial, (kind, marks) => new Tallier(kind, marks, this.#unitsOf(kind)));
      this.#batches.push(batch);
    }
    return new TrialArm(this, batch, version === trial.candidate ? CANDIDATE : BASELINE);
  }

  /** The increases since the last call. Never nothing: a worker that is silent is missing, not idle. */
  collect(): TrialCounts {
    const { rollout, epoch } = this.trial;
    const batches = this.#batches.map((batch) => batch.collect());
    const counts: TrialCounts = {
      rollout,
      epoch,
      seq: ++this.#seq,
      requests: [this.requests[BASELINE]!, this.requests[CANDIDATE]!],
      failures: [this.failures[BASELINE]!, this.failures[CANDIDATE]!],
      slow: [this.slow[BASELINE]!, this.slow[CANDIDATE]!],
      dispersed: rows(this.dispersed),
      batches: batches.filter(({ tallies }) => tallies.length > 0),
    };
    for (const counted of [this.requests, this.failures, this.slow, this.dispersed]) counted.fill(0);
    return counts;
  }

  warm(now: number): boolean {
    return now >= this.#warmAt;
  }

  #unitsOf(kind: string): ReturnType<typeof noUnits> | undefined {
    if (!this.trial.sticky) return undefined;
    const units = this.#units.get(kind) ?? noUnits();
    this.#units.set(kind, units);
    return units;
  }
}

/** The units of one propensity, by kind of event. */
class Batch {
  readonly w: number;
  readonly seen: Tallier;
  readonly tried: Tallier;
  readonly erred: Tallier;
  readonly timed: Tallier;
  readonly slow95: Tallier;
  readonly slow99: Tallier;
  readonly business: readonly Tallier[];

  constructor(w: number, { business = [] }: Trial, tallier: (kind: string, marks: number) => Tallier) {
    this.w = w;
    this.seen = tallier('seen', 1);
    this.tried = tallier('tried', 2);
    this.erred = tallier('erred', 1);
    this.timed = tallier('timed', LATENCY_BUCKETS);
    this.slow95 = tallier('slow95', 1);
    this.slow99 = tallier('slow99', 1);
    this.business = business.map((metric) =>
      tallier(businessKind(metric), metric.worse === undefined ? 1 : VALUE_BUCKETS),
    );
  }

  collect(): TrialBatch {
    const { seen, tried, erred, timed, slow95, slow99, business } = this;
    const tallies = [seen, tried, erred, timed, slow95, slow99, ...business].flatMap(
      (tallier) => tallier.collect() ?? [],
    );
    return { w: this.w, tallies };
  }
}

/** Who counts for one of the two versions while one split is in force. */
export class TrialArm {
  readonly #recorder: TrialRecorder;
  readonly #batch: Batch;
  readonly #arm: Arm;
  readonly #sticky: boolean;
  readonly #leniency: Leniency;
  readonly #p95: number;
  readonly #p99: number;
  /** Nobody who waited so long at most, in ms, is slow: spares the others the logarithm. */
  readonly #patience: number;
  readonly #business: NonNullable<Trial['business']>;
  /** Whether `occasions` has to be asked at all. */
  readonly converts: boolean;

  constructor(recorder: TrialRecorder, batch: Batch, arm: Arm) {
    const { sticky, latency = {}, business = [] } = recorder.trial;
    const { latencyTolerance, latencySlack } = DEFAULT_POLICY;
    const { tolerance = latencyTolerance, slack = latencySlack, p95, p99 } = latency;
    this.#recorder = recorder;
    this.#batch = batch;
    this.#arm = arm;
    this.#sticky = sticky;
    this.#leniency = arm === CANDIDATE ? { tolerance, slack } : { tolerance: 0, slack: 0 };
    this.#p95 = p95 ?? LATENCY_BUCKETS;
    this.#p99 = p99 ?? LATENCY_BUCKETS;
    this.#patience = strictly(Math.exp(logMiddle(Math.min(this.#p95, this.#p99))), this.#leniency);
    this.#business = business;
    this.converts = business.some(({ when }) => when !== undefined);
  }

  /** The version has been chosen by the split, for the key buffer[start, end), which is made up if not `keyed`. */
  assign(buffer: Uint8Array, start: number, end: number, keyed: boolean, now: number): Ticket {
    let ticket = this.#recorder.warm(now) ? 0 : COLD;
    if (this.#sticky) {
      ticket |= dispersionSlotOf(buffer, start, end) << DISPERSION_SHIFT;
      if (keyed) ticket |= KEYED | unitSlotOf(buffer, start, end);
    }
    this.#batch.seen.count(ticket, this.#arm);
    return ticket;
  }

  /** The business metrics that a request may come to count for, one bit each. */
  occasions(method: string, target: string): number {
    const path = target.split('?', 1)[0]!;
    let some = 0;
    this.#business.forEach(({ when }, i) => {
      if (when === undefined || (when.method !== undefined && when.method !== method)) return;
      if (when.path === undefined || leadsTo(path, when.path)) some |= 1 << i;
    });
    return some;
  }

  /** Its answer has begun. `events`: what the endpoint says has happened, as x-spillway-event has it. */
  convert(ticket: Ticket, occasions: number, status: number, events: string): void {
    const told = toldIn(events);
    this.#business.forEach(({ when: { statuses, event } = {}, worse }, i) => {
      if ((occasions & (1 << i)) === 0) return;
      if (statuses === undefined ? status < 200 || status > 299 : !statuses.includes(status)) return;
      const named = told.filter(({ name }) => name === event);
      const value = worse && named.find((each) => each.value !== undefined)?.value;
      if (worse ? value === undefined : event !== undefined && named.length === 0) return;
      this.#batch.business[i]!.count(ticket, this.#arm, value === undefined ? 0 : valueBucket(value));
    });
  }

  /**
   * Its answer has been waited for so long, in ms, and may still not be there: a request is slow from the
   * moment it is, so that a version that hangs is seen. Returns the ticket to go on with.
   */
  wait(ticket: Ticket, age: number): Ticket {
    if (age <= this.#patience || (ticket & COLD) !== 0) return ticket;
    const bucket = this.#bucket(age);
    let waited = ticket;
    if (bucket > this.#p95 && (ticket & SLOW_95) === 0) {
      waited |= SLOW_95;
      this.#batch.slow95.count(ticket, this.#arm);
      this.#recorder.slow[this.#arm]!++;
      this.#disperse(ticket, SLOW);
    }
    if (bucket > this.#p99 && (ticket & SLOW_99) === 0) {
      waited |= SLOW_99;
      this.#batch.slow99.count(ticket, this.#arm);
    }
    return waited;
  }

  /** It is over. `failed`: by the version's doing. `latency`: ms to the head of the answer, negative without one. */
  end(ticket: Ticket, status: number, failed: boolean, latency: number): void {
    const arm = this.#arm;
    this.#recorder.requests[arm]!++;
    this.#disperse(ticket, REQUESTS);
    this.#batch.tried.count(ticket, arm, failed ? 1 : 0);
    if (failed) {
      this.#recorder.failures[arm]!++;
      this.#disperse(ticket, FAILURES);
      this.#batch.erred.count(ticket, arm);
    } else if (status < 400 && latency >= 0 && (ticket & COLD) === 0) {
      // What is refused is refused fast, and would look like speed.
      this.#batch.timed.count(ticket, arm, this.#bucket(latency));
    }
  }

  #bucket(ms: number): number {
    return latencyBucket(leniently(ms, this.#leniency));
  }

  #disperse(ticket: Ticket, column: number): void {
    if (this.#sticky && this.#arm === BASELINE) {
      const slot = (ticket >>> DISPERSION_SHIFT) & (SLOTS - 1);
      this.#recorder.dispersed[slot * COLUMNS + column]!++;
    }
  }
}

/** What x-spillway-event says has happened: "order=49.90, signup". A value that is no number is none. */
function toldIn(events: string): { readonly name: string; readonly value: number | undefined }[] {
  if (events === '') return [];
  return events.split(',').map((event) => {
    const [name = '', value = ''] = event.split('=', 2);
    return { name: name.trim(), value: readValue(value.trim()) };
  });
}

/** Whether a path is the one wanted, or below it where that ends in an asterisk. */
function leadsTo(path: string, wanted: string): boolean {
  return wanted.endsWith('/*') ? path.startsWith(wanted.slice(0, -1)) : path === wanted;
}

/** [slot, requests, failures, slow] of the slots in which anything was counted, flat. */
function rows(dispersed: Uint32Array): number[] {
  const out: number[] = [];
  for (let i = 0; i < dispersed.length; i += COLUMNS) {
    const requests = dispersed[i + REQUESTS]!;
    const failures = dispersed[i + FAILURES]!;
    const slow = dispersed[i + SLOW]!;
    if (requests + failures + slow > 0) out.push(i / COLUMNS, requests, failures, slow);
  }
  return out;
}
