import type { TestContext } from 'node:test';
import { type Log, silent } from '../../src/base/log.ts';
import type { LedgerCounts } from '../../src/model/counts.ts';
import { FAULT_KINDS } from '../../src/model/fault.ts';
import { type Config, type ProxySettings, settingsOf } from '../../src/model/settings.ts';
import type { Service, Split, State, Version } from '../../src/model/state.ts';
import { PLAIN, type Speech } from '../../src/model/tls.ts';
import type { Load } from '../../src/proxy/overload.ts';
import { DataPlane } from '../../src/proxy/plane.ts';
import { HandClock } from './clock.ts';
import { atEnd } from './end.ts';
import { patiently } from './patience.ts';
import { connect, type Message, type Peer } from './peer.ts';

/** A service as a test writes it: what is not said is the same in all tests. */
export type Draft = Partial<Omit<Service, 'versions' | 'split'>> & {
  /** Endpoints by version. The first version has all the traffic unless `weights` says otherwise. */
  readonly versions: Readonly<Record<string, readonly string[] | Version>>;
  readonly weights?: Readonly<Record<string, number>>;
  /** What made the split. */
  readonly cause?: Split['cause'];
};

/** What stands in an access-log line. */
export interface Line {
  readonly service: string | null;
  readonly version: string | null;
  readonly rescuedBy: string | null;
  readonly endpoint: string | null;
  readonly why: string | null;
  readonly client?: string;
  readonly method: string | null;
  readonly host: string | null;
  readonly path: string | null;
  readonly status: number;
  readonly latency: number | null;
  readonly duration: number | null;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly fault: string | null;
  readonly key: string | null;
  readonly id: string;
  readonly time: string;
}

export interface SiteOptions {
  readonly settings?: Omit<Partial<Config>, 'listen' | 'services'>;
  readonly at?: string;
  readonly log?: Log;
  readonly load?: () => Load;
  readonly speech?: Partial<Speech>;
}

/** What a version's ledger has counted, in words. */
export interface Counted {
  readonly codes: Readonly<Record<number, number>>;
  readonly faults: Readonly<Record<string, number>>;
  /** Exchanges that failed by the version's doing. */
  readonly errors: number;
  readonly inFlight: number;
}

function serviceOf({ versions, weights, cause = 'seed', ...rest }: Draft): Service {
  const names = Object.keys(versions);
  return {
    match: [{}],
    versions: Object.fromEntries(names.map((name) => [name, versionOf(versions[name]!)])),
    split: {
      weights: weights ?? { [names[0]!]: 100 },
      salt: 'salt',
      hashVersion: 1,
      cause,
      since: '2026-01-01T00:00:00Z',
    },
    wholes: [names[0]!],
    ...rest,
  };
}

function versionOf(drafted: readonly string[] | Version): Version {
  return 'endpoints' in drafted ? drafted : { endpoints: [...drafted] };
}

export function stateOf(revision: number, services: Readonly<Record<string, Draft>>): State {
  return {
    revision,
    services: Object.fromEntries(Object.entries(services).map(([name, draft]) => [name, serviceOf(draft)])),
  };
}

/** A data plane with a clock wound by hand, listening on a port of its own, with everything written to its log. */
export class Site {
  readonly clock: HandClock;
  readonly plane: DataPlane;
  address = '';
  readonly #counts: LedgerCounts[] = [];
  readonly #lines: Line[] = [];
  readonly #waiting: ((line: Line) => void)[] = [];
  readonly #clients: Peer[] = [];
  #revision = 0;

  private constructor(settings: ProxySettings, clock: HandClock, log: Log, load?: () => Load) {
    this.clock = clock;
    this.plane = new DataPlane(settings, {
      clock,
      log,
      ...(load && { load }),
      accessLog: {
        write: (text) => {
          const line = JSON.parse(text) as Line;
          const waiting = this.#waiting.shift();
          if (waiting) waiting(line);
          else this.#lines.push(line);
        },
      },
    });
  }

  /** Open until the test is over. */
  static async open(
    t: TestContext,
    services: Readonly<Record<string, Draft>>,
    { settings = {}, at = '127.0.0.1:0', log = silent, load, speech = {} }: SiteOptions = {},
  ): Promise<Site> {
    const site = new Site(settingsFor(settings), new HandClock(), log, load);
    atEnd(t, async () => {
      for (const client of site.#clients) client.socket.destroy();
      await site.plane.drain(0);
    });
    site.adopt(services);
    site.address = await site.plane.listen(at, undefined, { ...PLAIN, ...speech });
    return site;
  }

  /** Swaps the table for one of these services, with the next revision. */
  adopt(services: Readonly<Record<string, Draft>>): void {
    this.plane.adopt(stateOf(++this.#revision, services));
  }

  /** Lets the clock run until the test is over: so many ms of its own every now and then. */
  run(t: TestContext, ms: number): void {
    const winding = setInterval(() => this.clock.wind(ms), 50);
    atEnd(t, () => clearInterval(winding));
  }

  async connect(): Promise<Peer> {
    const client = await connect(this.address);
    this.#clients.push(client);
    return client;
  }

  /** One request on a connection of its own, and its answer. */
  async get(fields = '', target = '/'): Promise<Message> {
    const client = await this.connect();
    client.say(get(fields, target));
    const answer = await client.message();
    client.socket.destroy();
    return answer;
  }

  /** What was recorded of the next exchange to end: the one event that every exchange has. */
  record(): Promise<Line> {
    const line = this.#lines.shift();
    return line ? Promise.resolve(line) : patiently('a record', (resolve) => this.#waiting.push(resolve));
  }

  /** How often requests to a version were sent again, and how often another version took one over, so far. */
  repeated(version: string, service = 'app'): { retries: number; rescues: number } {
    const of = this.#of(version, service);
    return { retries: total(of, 'retries'), rescues: total(of, 'rescues') };
  }

  /** How often that was not done, so far, since the budget was spent. */
  refused(version: string, service = 'app'): { retries: number; rescues: number } {
    const of = this.#of(version, service);
    return { retries: total(of, 'retriesRefused'), rescues: total(of, 'rescuesRefused') };
  }

  /** Streams of a version that are open, and that have ended so far. */
  streams(version: string, service = 'app'): { open: number; ended: number } {
    const of = this.#of(version, service);
    const ended = Object.values(sum(of.map((each) => each.streamDuration)));
    return { open: of.at(-1)?.streams ?? 0, ended: ended.reduce((total, count) => total + count, 0) };
  }

  /** Requests that cannot be sent to a version at the moment. */
  pending(version: string, service = 'app'): number {
    return this.#of(version, service).at(-1)?.pending ?? 0;
  }

  /** All that was collected so far of a version. */
  #of(version: string, service: string): LedgerCounts[] {
    this.#counts.push(...this.plane.collect());
    return this.#counts.filter((each) => each.service === service && each.version === version);
  }

  /** What was counted so far of a version. */
  counted(version: string, service = 'app'): Counted {
    const of = this.#of(version, service);
    return {
      codes: sum(of.map((each) => each.codes)),
      faults: Object.fromEntries(
        Object.entries(sum(of.map((each) => each.faults))).map(([index, count]) => [
          FAULT_KINDS[Number(index)],
          count,
        ]),
      ),
      errors: total(of, 'errors'),
      inFlight: of.at(-1)?.inFlight ?? 0,
    };
  }
}

/** Settings in which every request is written to the access log. */
export function settingsFor(settings: SiteOptions['settings']): ProxySettings {
  return settingsOf({ listen: [], accessLog: { path: '-' }, ...settings }, 1).proxy;
}

export function get(fields = '', target = '/'): string {
  return `GET ${target} HTTP/1.1\r\nhost: a.example\r\n${fields}\r\n`;
}

export function post(body: string, fields = ''): string {
  return `POST / HTTP/1.1\r\nhost: a.example\r\ncontent-length: ${body.length}\r\n${fields}\r\n${body}`;
}

function total(
  counts: readonly LedgerCounts[],
  of: 'errors' | 'retries' | 'retriesRefused' | 'rescues' | 'rescuesRefused',
): number {
  return counts.reduce((sum, each) => sum + each[of], 0);
}

/** Adds up flat [index, count] pairs. */
function sum(pairs: readonly (readonly number[])[]): Record<number, number> {
  const out: Record<number, number> = {};
  for (const flat of pairs)
    for (let i = 0; i < flat.length; i += 2) out[flat[i]!] = (out[flat[i]!] ?? 0) + flat[i + 1]!;
  return out;
}
