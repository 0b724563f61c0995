import type { Clock } from '../base/clock.ts';
import { murmur3 } from '../base/hash.ts';
import { text } from '../http/bytes.ts';
import type { Head } from '../http/head.ts';

/** Takes finished access-log lines; must not block. */
export interface LineSink {
  write(line: string): void;
}

/** What was asked for; all of it undefined if what came is no request. */
export interface Asked {
  readonly method: string | undefined;
  /** As it was named, without its port. */
  readonly host: string | undefined;
  /** As received, without the query, which may hold what is nobody's business. */
  readonly path: string | undefined;
}

export const NOTHING: Asked = { method: undefined, host: undefined, path: undefined };

export function askedIn(buffer: Buffer, head: Head): Asked {
  return {
    method: text(buffer, head.start, head.methodEnd),
    host: text(buffer, head.hostStart, head.hostEnd) || undefined,
    path: text(buffer, head.targetStart, head.targetEnd).split('?', 1)[0],
  };
}

/** What stands in a line. Times in ms, negative where there is none; sizes in bytes. */
export interface AccessLine {
  readonly requestId: string;
  readonly service: string | undefined;
  readonly version: string | undefined;
  /** The version that answered in its place; undefined if it did so itself. */
  readonly rescuedBy: string | undefined;
  /** The address that was asked last; undefined if none could be. */
  readonly endpoint: string | undefined;
  /** Why that version: override, header, cookie, minted, address or random. */
  readonly why: string | undefined;
  /** The client's address; undefined unless the settings want it written. */
  readonly client: string | undefined;
  readonly asked: Asked;
  readonly status: number;
  readonly latency: number;
  readonly duration: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly fault: string | undefined;
  /** Hash of the key, or undefined without one. */
  readonly keyHash: number | undefined;
}

/** Not one of the seeds that versions are chosen by. */
const KEY_SEED = 0x5bd1e995;

/** What stands in logs for a key: enough to follow a client through a log, not the key. */
export function hashKey(buffer: Uint8Array, start: number, end: number): number {
  return murmur3(buffer, start, end, KEY_SEED);
}

/** Writes one JSON line for each request, or for a share of them; for those with a fault always. */
export class AccessLog {
  readonly #sink: LineSink;
  readonly #clock: Clock;
  readonly #sample: number;
  /** Whether lines tell the client's address. */
  readonly clients: boolean;
  #owed = 0;
  /** The time of the last line, and how it is written: many lines share a millisecond. */
  #now = 0;
  #time = '';

  constructor(sink: LineSink, clock: Clock, sample: number, clients = false) {
    this.#sink = sink;
    this.#clock = clock;
    this.#sample = sample;
    this.clients = clients;
  }

  /** Whether the next request is to be logged though nothing was wrong with it: evenly spaced, no dice. */
  due(): boolean {
    this.#owed += this.#sample;
    if (this.#owed < 1) return false;
    this.#owed -= 1;
    return true;
  }

  write(line: AccessLine): void {
    const now = this.#clock.now();
    if (now !== this.#now) {
      this.#now = now;
      this.#time = new Date(now).toISOString();
    }
    const { method, host, path } = line.asked;
    const key = line.keyHash === undefined ? 'null' : `"${line.keyHash.toString(16).padStart(8, '0')}"`;
    const client = line.client === undefined ? '' : `"client":${json(line.client)},`;
    this.#sink.write(
      `{"time":"${this.#time}","id":${json(line.requestId)},"service":${quoted(line.service)},"version":${quoted(line.version)},"rescuedBy":${quoted(line.rescuedBy)},"endpoint":${quoted(line.endpoint)},"why":${quoted(line.why)},${client}"method":${quoted(method)},"host":${quoted(host)},"path":${quoted(path)},"status":${line.status},"latency":${micro(line.latency)},"duration":${micro(line.duration)},"bytesIn":${line.bytesIn},"bytesOut":${line.bytesOut},"fault":${quoted(line.fault)},"key":${key}}\n`,
    );
  }
}

/** Milliseconds to the microsecond. */
function micro(ms: number): number | null {
  return ms < 0 ? null : Math.round(ms * 1000) / 1000;
}

/** As JSON.stringify, which takes its time over what nearly never needs escaping. */
function json(text: string): string {
  return PLAIN.test(text) ? `"${text}"` : JSON.stringify(text);
}
const PLAIN = /^[ !#-[\]-~]*$/;

function quoted(text: string | undefined): string {
  return text === undefined ? 'null' : json(text);
}
