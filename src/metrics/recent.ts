import { type LatencyCounts, latencyBucket } from '../analysis/latency.ts';
import { BUCKETS, middle } from '../base/histogram.ts';
import type { LedgerCounts } from '../model/counts.ts';

/** Minutes that are looked back on. */
const MINUTES = 5;
const MINUTE = 60_000;

/** The judge's bucket of a ledger's bucket. */
const JUDGED = Uint16Array.from({ length: BUCKETS }, (_, bucket) => latencyBucket(middle(bucket)));

interface Minute {
  readonly number: number;
  /** Answers by the judge's bucket of latency. */
  readonly counts: Map<number, number>;
  requests: number;
  failures: number;
}

/**
 * What every version did in the last five minutes, so that a rollout knows at its start how fast its baseline
 * usually is, and at its end what it was like. Whole minutes: up to one more than five. All answers are in it, errors too: it only
 * chooses what is bet on.
 */
export class Recent {
  /** By service and version; of each the minutes in which it answered, oldest first. */
  readonly #minutes = new Map<string, Minute[]>();

  /** `now`: monotonic ms. */
  add(ledgers: readonly LedgerCounts[], now: number): void {
    for (const { service, version, codes, errors, latency } of ledgers) {
      if (codes.length === 0 && latency.length === 0) continue;
      const minute = this.#minute(`${service}/${version}`, now);
      const { counts } = minute;
      minute.failures += errors;
      for (let i = 1; i < codes.length; i += 2) minute.requests += codes[i]!;
      for (let i = 0; i + 1 < latency.length; i += 2) {
        const bucket = JUDGED[latency[i]!]!;
        counts.set(bucket, (counts.get(bucket) ?? 0) + latency[i + 1]!);
      }
    }
  }

  /** The latencies of a version, by the judge's buckets. */
  latency(service: string, version: string, now: number): LatencyCounts {
    const sum = new Map<number, number>();
    for (const { counts } of this.#since(service, version, now))
      for (const [bucket, count] of counts) sum.set(bucket, (sum.get(bucket) ?? 0) + count);
    return [...sum].sort(([a], [b]) => a - b);
  }

  /** How many requests a version had, and how many of them failed. */
  requests(service: string, version: string, now: number): { requests: number; failures: number } {
    const sum = { requests: 0, failures: 0 };
    for (const { requests, failures } of this.#since(service, version, now)) {
      sum.requests += requests;
      sum.failures += failures;
    }
    return sum;
  }

  /** Forgets versions that the truth no longer has. */
  retain(exists: (service: string, version: string) => boolean): void {
    for (const id of this.#minutes.keys()) {
      const [service, version] = id.split('/') as [string, string];
      if (!exists(service, version)) this.#minutes.delete(id);
    }
  }

  #since(service: string, version: string, now: number): readonly Minute[] {
    const since = Math.floor(now / MINUTE) - MINUTES;
    return (this.#minutes.get(`${service}/${version}`) ?? []).filter(({ number }) => number >= since);
  }

  #minute(id: string, now: number): Minute {
    const number = Math.floor(now / MINUTE);
    const minutes = this.#minutes.get(id) ?? [];
    this.#minutes.set(id, minutes);
    const last = minutes.at(-1);
    if (last?.number === number) return last;
    const made: Minute = { number, counts: new Map(), requests: 0, failures: 0 };
    minutes.push(made);
    while (minutes[0]!.number < number - MINUTES) minutes.shift();
    return made;
  }
}
