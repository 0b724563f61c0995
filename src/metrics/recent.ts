import { randomUUID } from 'node:crypto';
import { type LatencyCounts, latencyBucket } from '../analysis/latency.ts';
import { BUCKETS, middle } from '../base/histogram.ts';
import type { LedgerCounts, MinuteCounts } from '../model/counts.ts';

/** Minutes that are looked back on. */
const MINUTES = 5;
const MINUTE = 60_000;

/** The judge's bucket of a ledger's bucket. */
const JUDGED = Uint16Array.from({ length: BUCKETS }, (_, bucket) => latencyBucket(middle(bucket)));

/** What a version did here in a minute. */
class Minute {
  /** Answers by the judge's bucket of latency. */
  readonly latency = new Map<number, number>();
  requests = 0;
  failures = 0;
  /** Whether others know of all of it. */
  known = false;

  add({ codes, errors, latency }: LedgerCounts): void {
    this.known = false;
    this.failures += errors;
    for (let i = 1; i < codes.length; i += 2) this.requests += codes[i]!;
    for (let i = 0; i + 1 < latency.length; i += 2) {
      const bucket = JUDGED[latency[i]!]!;
      this.latency.set(bucket, (this.latency.get(bucket) ?? 0) + latency[i + 1]!);
    }
  }
}

/** By service and version, then by minute. */
type Minutes<M> = Map<string, Map<number, M>>;

/**
 * What every version did in the last five minutes, so that a rollout knows at its start how fast its baseline
 * usually is, and at its end what it was like. Whole minutes: up to one more than five. All answers are in it, errors too: it only
 * chooses what is bet on. It is of the whole fleet: each replica tells its minutes as they are by now, so what is lost
 * is told with what comes next, and what is late or comes twice adds nothing.
 */
export class Recent {
  /** Whose minutes those here are: what comes back from elsewhere is known. */
  readonly #self = randomUUID();
  readonly #here: Minutes<Minute> = new Map();
  /** By replica. */
  readonly #elsewhere = new Map<string, Minutes<MinuteCounts>>();

  /** `now`, here and below: ms of the clock that minutes are told apart by. */
  add(ledgers: readonly LedgerCounts[], now: number): void {
    const number = Math.floor(now / MINUTE);
    for (const ledger of ledgers) {
      if (ledger.codes.length === 0 && ledger.latency.length === 0) continue;
      const minutes = minutesOf(this.#here, ledger);
      const minute = minutes.get(number) ?? new Minute();
      minutes.set(number, minute);
      minute.add(ledger);
      for (const old of minutes.keys()) if (!isRecent(old, now)) minutes.delete(old);
    }
  }

  /** What others do not know yet of what was done here. `lost`: they were not told after all. */
  news(now: number): { readonly from: string; readonly minutes: readonly MinuteCounts[]; lost(): void } {
    this.#forget(now);
    const told: Minute[] = [];
    const minutes: MinuteCounts[] = [];
    for (const [id, all] of this.#here)
      for (const [number, minute] of all) {
        if (minute.known) continue;
        const { requests, failures, latency } = minute;
        minutes.push({ ...namesIn(id), minute: number, requests, failures, latency: [...latency].flat() });
        minute.known = true;
        told.push(minute);
      }
    return {
      from: this.#self,
      minutes,
      lost() {
        for (const minute of told) minute.known = false;
      },
    };
  }

  /** What was done elsewhere, as it was told there. */
  learn(from: string, told: readonly MinuteCounts[]): void {
    if (from === this.#self) return;
    const elsewhere: Minutes<MinuteCounts> = this.#elsewhere.get(from) ?? new Map();
    this.#elsewhere.set(from, elsewhere);
    for (const each of told) {
      const minutes = minutesOf(elsewhere, each);
      const known = minutes.get(each.minute);
      if (known === undefined || sizeOf(known) < sizeOf(each)) minutes.set(each.minute, each);
    }
  }

  /** The latencies of a version, by the judge's buckets. */
  latency(service: string, version: string, now: number): LatencyCounts {
    const sum = new Map<number, number>();
    const add = (bucket: number, count: number) => sum.set(bucket, (sum.get(bucket) ?? 0) + count);
    for (const { latency } of since(this.#here, service, version, now))
      for (const [bucket, count] of latency) add(bucket, count);
    for (const minutes of this.#elsewhere.values())
      for (const { latency } of since(minutes, service, version, now))
        for (let i = 0; i + 1 < latency.length; i += 2) add(latency[i]!, latency[i + 1]!);
    return [...sum].sort(([a], [b]) => a - b);
  }

  /** How many requests a version had, and how many of them failed. */
  requests(service: string, version: string, now: number): { requests: number; failures: number } {
    const sum = { requests: 0, failures: 0 };
    for (const minutes of [this.#here, ...this.#elsewhere.values()])
      for (const { requests, failures } of since<Minute | MinuteCounts>(minutes, service, version, now)) {
        sum.requests += requests;
        sum.failures += failures;
      }
    return sum;
  }

  /** Forgets versions that the truth no longer has. */
  retain(exists: (service: string, version: string) => boolean): void {
    for (const minutes of [this.#here, ...this.#elsewhere.values()])
      for (const id of minutes.keys()) {
        const { service, version } = namesIn(id);
        if (!exists(service, version)) minutes.delete(id);
      }
  }

  #forget(now: number): void {
    for (const minutes of [this.#here, ...this.#elsewhere.values()])
      for (const [id, all] of minutes) {
        for (const number of all.keys()) if (!isRecent(number, now)) all.delete(number);
        if (all.size === 0) minutes.delete(id);
      }
    for (const [replica, minutes] of this.#elsewhere) if (minutes.size === 0) this.#elsewhere.delete(replica);
  }
}

/** Somebody else's minute may have begun a moment earlier. */
function isRecent(minute: number, now: number): boolean {
  const number = Math.floor(now / MINUTE);
  return minute >= number - MINUTES && minute <= number + 1;
}

function minutesOf<M>(
  minutes: Minutes<M>,
  { service, version }: { readonly service: string; readonly version: string },
): Map<number, M> {
  const id = `${service}/${version}`;
  const known = minutes.get(id) ?? new Map<number, M>();
  minutes.set(id, known);
  return known;
}

function namesIn(id: string): { readonly service: string; readonly version: string } {
  const [service, version] = id.split('/') as [string, string];
  return { service, version };
}

function since<M>(minutes: Minutes<M>, service: string, version: string, now: number): readonly M[] {
  const all = minutes.get(`${service}/${version}`) ?? [];
  return [...all].flatMap(([number, minute]) => (isRecent(number, now) ? [minute] : []));
}

/** Only ever grows, so of two the larger one is the newer. */
function sizeOf({ requests, latency }: MinuteCounts): number {
  let size = requests;
  for (let i = 1; i < latency.length; i += 2) size += latency[i]!;
  return size;
}
