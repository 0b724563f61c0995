import { BUCKETS, quantile } from '../base/histogram.ts';
import type { VersionSummary } from '../model/api.ts';
import type { LedgerCounts } from '../model/counts.ts';
import { FAULT_KINDS } from '../model/fault.ts';

/**
 * What all workers together counted since this process started. A worker's ledger sends increases, so a
 * worker that dies leaves what it counted here, and its successor only adds: no counter ever goes back.
 */
export class Totals {
  readonly #services = new Map<string, Map<string, VersionTotals>>();

  /** Merges what one worker counted since it last told. */
  add(counts: readonly LedgerCounts[], worker: number): void {
    for (const each of counts) this.#ensure(each.service, each.version).add(each, worker);
  }

  /** A worker is gone: nothing of it is in flight any more; what it counted stays. */
  forget(worker: number): void {
    for (const totals of this.all()) totals.forget(worker);
  }

  /** Drops versions that the truth no longer has, so that years of releases do not pile up. */
  retain(exists: (service: string, version: string) => boolean): void {
    for (const [service, versions] of this.#services) {
      for (const version of versions.keys()) if (!exists(service, version)) versions.delete(version);
      if (versions.size === 0) this.#services.delete(service);
    }
  }

  /** Undefined while nothing was counted of this version. */
  of(service: string, version: string): VersionTotals | undefined {
    return this.#services.get(service)?.get(version);
  }

  /** Every version of which something was counted. */
  *all(): Generator<VersionTotals> {
    for (const versions of this.#services.values()) yield* versions.values();
  }

  #ensure(service: string, version: string): VersionTotals {
    const versions = this.#services.get(service) ?? new Map<string, VersionTotals>();
    const totals = versions.get(version) ?? new VersionTotals(service, version);
    this.#services.set(service, versions.set(version, totals));
    return totals;
  }
}

/** What ledgers tell as increases, one number each. */
const SUMS = [
  'errors',
  'retries',
  'retriesRefused',
  'rescues',
  'rescuesRefused',
  'latencySum',
  'durationSum',
  'streamDurationSum',
  'bytesIn',
  'bytesOut',
] as const satisfies readonly (keyof LedgerCounts)[];
type Sums = Record<(typeof SUMS)[number], number>;

/** What ledgers tell of the moment. */
type Present = Pick<LedgerCounts, 'inFlight' | 'pending' | 'streams'>;

/** What was counted of one version. */
export class VersionTotals {
  readonly service: string;
  readonly version: string;
  /** Count by status code. */
  readonly codes = new Map<number, number>();
  /** Count by fault kind. */
  readonly faults = new Map<string, number>();
  /** Counts by bucket: last byte of the request sent → response head. */
  readonly latency = new Float64Array(BUCKETS);
  /** Counts by bucket: first byte of the request → exchange over. */
  readonly duration = new Float64Array(BUCKETS);
  /** Counts by bucket: how long streams lasted. */
  readonly streamDuration = new Float64Array(BUCKETS);
  readonly #sums = Object.fromEntries(SUMS.map((name) => [name, 0])) as Sums;
  /** As each worker last told. */
  readonly #present = new Map<number, Present>();

  constructor(service: string, version: string) {
    this.service = service;
    this.version = version;
  }

  get sums(): Readonly<Sums> {
    return this.#sums;
  }

  /** At this moment, as the workers last told. */
  present(what: keyof Present): number {
    return sum(Array.from(this.#present.values(), (each) => each[what]));
  }

  add(counts: LedgerCounts, worker: number): void {
    eachPair(counts.codes, (code, count) => increase(this.codes, code, count));
    eachPair(counts.faults, (kind, count) => increase(this.faults, FAULT_KINDS[kind]!, count));
    for (const name of ['latency', 'duration', 'streamDuration'] as const)
      eachPair(counts[name], (bucket, count) => {
        this[name][bucket]! += count;
      });
    for (const name of SUMS) this.#sums[name] += counts[name];
    const { inFlight, pending, streams } = counts;
    this.#present.set(worker, { inFlight, pending, streams });
  }

  forget(worker: number): void {
    this.#present.delete(worker);
  }

  /** The few numbers that a person wants to see; quantiles of the upstream latency, in milliseconds. */
  summary(): VersionSummary {
    const [p50, p95, p99] = [0.5, 0.95, 0.99].map((q) => quantile(this.latency, q));
    return {
      requests: sum(this.codes.values()),
      errors: this.#sums.errors,
      ...(p50 !== undefined && p95 !== undefined && p99 !== undefined && { p50, p95, p99 }),
    };
  }
}

function eachPair(flat: readonly number[], visit: (index: number, count: number) => void): void {
  for (let i = 0; i + 1 < flat.length; i += 2) visit(flat[i]!, flat[i + 1]!);
}

function increase<K>(map: Map<K, number>, key: K, by: number): void {
  map.set(key, (map.get(key) ?? 0) + by);
}

function sum(numbers: Iterable<number>): number {
  let total = 0;
  for (const each of numbers) total += each;
  return total;
}
