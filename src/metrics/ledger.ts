import { BUCKETS, bucketOf } from '../base/histogram.ts';
import type { LedgerCounts } from '../model/counts.ts';
import { FAULT_KINDS, type Fault, faultIndex } from '../model/fault.ts';

const FIRST_CODE = 100;
const CODES = 500;

/**
 * What one worker counted of one version: fixed arrays, so that recording a request is a handful of
 * increments and makes no garbage. `collect` hands over the increases and starts from nothing again.
 */
export class Ledger {
  readonly service: string;
  readonly version: string;
  inFlight = 0;
  /** Cannot be sent yet: there is no connection, or one still connecting. */
  pending = 0;
  /** Open now: tunnels and event streams. */
  streams = 0;
  readonly #codes = new Uint32Array(CODES);
  readonly #faults = new Uint32Array(FAULT_KINDS.length);
  readonly #latency = new Uint32Array(BUCKETS);
  readonly #duration = new Uint32Array(BUCKETS);
  #errors = 0;
  #retries = 0;
  #retriesRefused = 0;
  #rescues = 0;
  #rescuesRefused = 0;
  #latencySum = 0;
  #durationSum = 0;
  /** Most versions have no streams. */
  #streamDuration: Uint32Array | undefined;
  #streamDurationSum = 0;
  #bytesIn = 0;
  #bytesOut = 0;
  #touched = false;

  constructor(service: string, version: string) {
    this.service = service;
    this.version = version;
  }

  /** A request begins that will be recorded here. */
  begin(): void {
    this.inFlight++;
    this.#touched = true;
  }

  /**
   * One exchange is over. `latency`: ms from the last byte of the request sent to the head of the answer,
   * negative if there was none. `duration`: ms from its first byte to its end. `failed`: by the version's doing.
   */
  record(
    code: number,
    failed: boolean,
    latency: number,
    duration: number,
    bytesIn: number,
    bytesOut: number,
  ): void {
    this.inFlight--;
    this.#touched = true;
    this.#codes[code - FIRST_CODE]!++;
    if (failed) this.#errors++;
    if (latency >= 0) {
      this.#latency[bucketOf(latency)]!++;
      this.#latencySum += latency;
    }
    this.#duration[bucketOf(duration)]!++;
    this.#durationSum += duration;
    this.#bytesIn += bytesIn;
    this.#bytesOut += bytesOut;
  }

  /** Something went wrong with an attempt; the exchange may still end well. */
  fault(fault: Fault): void {
    this.#touched = true;
    this.#faults[faultIndex(fault)]!++;
  }

  streamBegins(): void {
    this.#touched = true;
    this.streams++;
  }

  /** `duration`: ms. */
  streamEnds(duration: number): void {
    this.#touched = true;
    this.streams--;
    this.#streamDuration ??= new Uint32Array(BUCKETS);
    this.#streamDuration[bucketOf(duration)]!++;
    this.#streamDurationSum += duration;
  }

  /** Another attempt is made here. */
  retry(): void {
    this.#touched = true;
    this.#retries++;
  }

  /** One would have been made, but there have been too many. */
  refuseRetry(): void {
    this.#touched = true;
    this.#retriesRefused++;
  }

  /** What failed here is given to another version. */
  rescue(): void {
    this.#touched = true;
    this.#rescues++;
  }

  /** It would have been given, but there have been too many. */
  refuseRescue(): void {
    this.#touched = true;
    this.#rescuesRefused++;
  }

  /** So many more requests cannot be sent yet, or less. */
  hold(change: 1 | -1): void {
    this.#touched = true;
    this.pending += change;
  }

  /** The increases since the last call, or undefined if nothing happened. */
  collect(): LedgerCounts | undefined {
    if (!this.#touched) return undefined;
    this.#touched = false;
    const counts: LedgerCounts = {
      service: this.service,
      version: this.version,
      codes: sparse(this.#codes, FIRST_CODE),
      errors: this.#errors,
      faults: sparse(this.#faults, 0),
      retries: this.#retries,
      retriesRefused: this.#retriesRefused,
      rescues: this.#rescues,
      rescuesRefused: this.#rescuesRefused,
      latency: sparse(this.#latency, 0),
      duration: sparse(this.#duration, 0),
      latencySum: this.#latencySum,
      durationSum: this.#durationSum,
      bytesIn: this.#bytesIn,
      bytesOut: this.#bytesOut,
      streamDuration: this.#streamDuration === undefined ? [] : sparse(this.#streamDuration, 0),
      streamDurationSum: this.#streamDurationSum,
      streams: this.streams,
      inFlight: this.inFlight,
      pending: this.pending,
    };
    this.#errors = 0;
    this.#streamDurationSum = 0;
    this.#retries = 0;
    this.#retriesRefused = 0;
    this.#rescues = 0;
    this.#rescuesRefused = 0;
    this.#latencySum = 0;
    this.#durationSum = 0;
    this.#bytesIn = 0;
    this.#bytesOut = 0;
    return counts;
  }
}

/** [index + offset, count] of what is not 0, flat; the array is emptied. */
function sparse(counts: Uint32Array, offset: number): number[] {
  const out: number[] = [];
  for (let i = 0; i < counts.length; i++) {
    if (counts[i] !== 0) out.push(i + offset, counts[i]!);
  }
  counts.fill(0);
  return out;
}
