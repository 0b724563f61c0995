import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { Trials } from '../metrics/trials.ts';
import type { Connections } from '../model/connections.ts';
import type { LedgerCounts } from '../model/counts.ts';
import type { TrialCounts } from '../model/evidence.ts';
import { EJECTION, type Outcomes, type Seat, type Standing } from '../model/health.ts';
import { limitsOf } from '../model/limits.ts';
import type { ProxySettings } from '../model/settings.ts';
import type { Service, State, Version } from '../model/state.ts';
import { PLAIN, type Speech, type Speeches } from '../model/tls.ts';
import { wireOf } from '../model/wire.ts';
import { compileTable } from '../routing/table.ts';
import { Balancer, type Place } from '../upstream/balancer.ts';
import type { Pool, PoolLimits } from '../upstream/pool.ts';
import { ownerOf, Pools } from '../upstream/pools.ts';
import { AccessLog, type LineSink } from './accesslog.ts';
import { Budgets } from './again.ts';
import { Context, rulesOf, SWEEP } from './context.ts';
import { Departures } from './departures.ts';
import type { Exchange } from './exchange.ts';
import type { Lane } from './lane.ts';
import { Listener } from './listener.ts';
import { type Load, type Overload, weigh } from './overload.ts';
import { paceOf } from './pace.ts';
import { Traffic } from './traffic.ts';

export type { LineSink } from './accesslog.ts';

export interface World {
  readonly clock: Clock;
  readonly log: Log;
  readonly accessLog: LineSink | undefined;
  /** Called when an endpoint has failed so often in a row that its outcomes should be collected now. */
  readonly alarm?: () => void;
  /** What this process has to bear since the last call. Left out: nothing. */
  readonly load?: () => Load;
}

/** An endpoint of which nothing is known is used, where it says it is. */
const UNKNOWN: readonly Seat[] = [{ out: false }];

/** What a process has to bear of which nobody says. */
const NO_LOAD: Load = { loopDelay: 0, memory: 0 };

/** How often pools that no table names are looked for, ms; they are few and cost little. */
const TIDY = 5000;

/**
 * The data plane of one process: listeners, connections, pools, ledgers, and the table in force. It knows
 * nothing of workers or of messages; `process/` runs one in every worker, or one inside the primary.
 */
export class DataPlane {
  readonly #context: Context;
  readonly #world: World;
  readonly #pools: Pools;
  /** By the address bound. */
  readonly #listeners = new Map<string, Listener>();
  /** By service and version. */
  readonly #traffic = new Map<string, Traffic>();
  /** By service. */
  readonly #budgets = new Map<string, Budgets>();
  readonly #trials = new Trials();
  readonly #departures = new Departures();
  /** By service and version: what was told of their endpoints, and when, monotonic ms. */
  readonly #standings = new Map<string, { readonly standing: Standing; readonly at: number }>();
  readonly #timers: NodeJS.Timeout[];
  #state: State | undefined;

  constructor(settings: ProxySettings, world: World) {
    this.#world = world;
    this.#context = new Context(settings, world.clock);
    this.#pools = new Pools(this.#context.deadlines, world.log);
    this.configure(settings);
    this.#timers = [setInterval(() => this.#sweep(), SWEEP), setInterval(() => this.#tidy(), TIDY)];
    for (const timer of this.#timers) timer.unref();
  }

  /** The revision being served; 0 before the first state. */
  get revision(): number {
    return this.#context.table?.revision ?? 0;
  }

  /** Compiles the state and swaps the table whole. Throws, and changes nothing, if it cannot be compiled. */
  adopt(state: State): void {
    this.#trials.begin();
    this.#context.table = compileTable(
      state,
      this.#context.table,
      (service, version, versionDoc, serviceDoc) => this.#lane(service, version, versionDoc, serviceDoc),
    );
    this.#state = state;
    this.#trials.adopt(state.services);
    this.#departures.adopt(this.#context.table, this.#traffic.values(), this.#world.clock.monotonic());
    this.#tidy();
  }

  /** Takes over new settings: limits, timeouts, trusted proxies. Listeners stay as they are. */
  configure(settings: ProxySettings): void {
    const { accessLog } = settings;
    const sink = this.#world.accessLog;
    this.#context.rules = rulesOf(settings);
    this.#context.accessLog =
      accessLog && sink && new AccessLog(sink, this.#world.clock, accessLog.sample, accessLog.client);
    if (this.#state === undefined) return;
    // Lanes hold what services inherit from the settings, so they are made out anew.
    const state = this.#state;
    this.#context.table = compileTable(state, undefined, (service, version, versionDoc, serviceDoc) =>
      this.#lane(service, version, versionDoc, serviceDoc),
    );
  }

  /** Takes over how the endpoints of some versions stand. */
  stand(standings: readonly Standing[]): void {
    const at = this.#world.clock.monotonic();
    this.#context.deadlines.now = at;
    for (const standing of standings) {
      const { service, version } = standing;
      this.#standings.set(`${service}/${version}`, { standing, at });
      const routed = this.#context.table?.service(service);
      const lane = routed?.version(version)?.lane;
      if (routed !== undefined && lane !== undefined)
        this.#seat(lane.balancer, service, version, routed.service);
    }
    this.#tidy();
  }

  /** What came of the requests to endpoints since the last call, where there is a choice between them. */
  collectOutcomes(): Outcomes[] {
    return this.#pools.outcomes();
  }

  /** Accepts connections there, as in `Listener.open`. */
  async listen(address: string, handle?: object, speech: Speech = PLAIN): Promise<string> {
    const listener = new Listener(this.#context, speech);
    const bound = await listener.open(address, handle);
    this.#listeners.set(bound, listener);
    return bound;
  }

  /** What is spoken from now on with connections accepted at these addresses. */
  speak(speeches: Speeches): void {
    for (const [bound, listener] of this.#listeners) listener.speak(speeches[bound] ?? PLAIN);
  }

  /** Accepts no more connections there. Those that are open stay. */
  unlisten(bound: string): void {
    this.#listeners.get(bound)?.close();
    this.#listeners.delete(bound);
  }

  /**
   * Resolves when no request that was given to one of these versions of the service is still unsent, with
   * the wall-clock time (ms) of the last one sent to any of them by this process, or undefined if none was.
   */
  async settled(service: string, versions: readonly string[]): Promise<number | undefined> {
    const traffic = versions.flatMap((version) => this.#traffic.get(`${service}/${version}`) ?? []);
    await Promise.all(traffic.map((each) => each.settled()));
    const last = Math.max(-1, ...traffic.map((each) => each.lastSentAt));
    const { clock } = this.#world;
    return last < 0 ? undefined : clock.now() - (clock.monotonic() - last);
  }

  /** What every ledger counted since the last call. */
  collect(): LedgerCounts[] {
    return [...this.#traffic.values()].flatMap((each) => each.counted?.collect() ?? []);
  }

  /** What every trial under way counted since the last call. */
  collectTrials(): TrialCounts[] {
    return this.#trials.collect();
  }

  /** Answers to requests that reached no service, by status, since the last call. */
  collectUnrouted(): Readonly<Record<string, number>> {
    const { unrouted } = this.#context;
    this.#context.unrouted = {};
    return unrouted;
  }

  /** Handshakes by how they ended, since the last call. */
  collectHandshakes(): Readonly<Record<string, number>> {
    const { handshakes } = this.#context;
    this.#context.handshakes = {};
    return handshakes;
  }

  /** Connections that were turned away, by what there was too much of, since the last call. */
  collectShed(): Readonly<Record<string, number>> {
    const { shed } = this.#context;
    this.#context.shed = {};
    return shed;
  }

  /** Connections of clients that are open. */
  get connections(): Connections {
    return this.#context.clients.spoken(this.#listeners.keys());
  }

  /** How it bears what it has to. */
  get overload(): Pick<Overload, 'pressure' | 'cause'> {
    return this.#context.overload;
  }

  /** Stops accepting, closes idle connections, lets what is in flight finish for up to `ms`, then cuts. */
  async drain(ms: number): Promise<void> {
    this.#context.draining = true;
    for (const listener of this.#listeners.values()) listener.close();
    for (const client of this.#context.clients) client.close();
    const now = this.#world.clock.monotonic();
    const deadline = now + ms;
    this.#departures.shutDown(now, ms);
    while (this.#context.clients.size > 0 && this.#world.clock.monotonic() < deadline)
      await new Promise((resolve) => setTimeout(resolve, 10));
    for (const client of [...this.#context.clients]) client.abandon();
    for (const farewell of this.#context.farewells) farewell.expire();
    for (const timer of this.#timers) clearInterval(timer);
    this.#pools.keepOnly(new Set());
  }

  /** The lane of a version by the table being compiled. Nothing that is in use is touched. */
  #lane(service: string, version: string, versionDoc: Version, doc: Service): Lane {
    const { fallback } = versionDoc;
    const { requests, pending } = limitsOf(doc, versionDoc);
    const { settings } = this.#context.rules;
    const { timeouts, maxBodyBytes, rates } = doc;
    const balancer = new Balancer([]);
    this.#seat(balancer, service, version, doc);
    return {
      version,
      line: `x-spillway-version: ${version}\r\n`,
      balancer,
      fallback: fallback ?? doc.fallback,
      terms: { connect: 3000, head: 60_000, body: 60_000, keepAlive: 30_000, ...timeouts },
      proxyProtocol: wireOf(doc, versionDoc).proxyProtocol,
      maxBodyBytes: maxBodyBytes ?? settings.limits.bodyBytes,
      pace: paceOf({ ...settings.rates, ...rates }),
      mostInFlight: requests ?? Number.POSITIVE_INFINITY,
      mostPending: pending ?? Number.POSITIVE_INFINITY,
      again: this.#budgetsOf(service).againOf(doc, version),
      traffic: this.#trafficOf(service, version),
      trial: this.#trials.arm(service, version, doc, this.#world.clock.monotonic()),
    };
  }

  /** Gives a balancer the endpoints of its version, as they stand. */
  #seat(balancer: Balancer, service: string, version: string, doc: Service): void {
    const { limits, ejection, slowStart = 0 } = doc;
    const { tls, http2 } = wireOf(doc, doc.versions[version]);
    const known = this.#standings.get(`${service}/${version}`);
    const seats = doc.versions[version]!.endpoints.map(
      (endpoint) => [endpoint, known?.standing.endpoints[endpoint] ?? UNKNOWN] as const,
    );
    const { connections } = limitsOf(doc, doc.versions[version]!);
    const owner = ownerOf(service, version, doc);
    const pooling = poolLimits(
      limits,
      connections,
      seats.reduce((count, [, of]) => count + of.length, 0),
    );
    const places = seats.flatMap(([endpoint, of]) =>
      of.map(({ address, out, back }): Place => {
        const where = { endpoint, address, tls, http2, owner };
        const pool = this.#pools.get(where, this.#context.rules.settings.limits, pooling);
        pool.use(!out);
        return { pool, out, back: back === undefined ? undefined : known!.at - back };
      }),
    );
    // Of one alone nobody needs to know how it compares, unless others want to who have it as well.
    const { consecutive, maxShare } = { ...EJECTION, ...ejection };
    if (places.length > 1 && maxShare > 0)
      for (const { pool } of places) {
        pool.alarmAt = consecutive || Number.MAX_VALUE;
        pool.alarm = this.#world.alarm ?? pool.alarm;
      }
    balancer.seat(places, slowStart);
  }

  #budgetsOf(service: string): Budgets {
    const budgets = this.#budgets.get(service) ?? new Budgets();
    this.#budgets.set(service, budgets);
    return budgets;
  }

  #trafficOf(service: string, version: string): Traffic {
    const id = `${service}/${version}`;
    const known = this.#traffic.get(id);
    if (known !== undefined) return known;
    const traffic = new Traffic(service, version);
    this.#traffic.set(id, traffic);
    return traffic;
  }

  /** Looks at what time alone brings about. */
  #sweep(): void {
    const now = this.#world.clock.monotonic();
    this.#context.deadlines.sweep(now);
    this.#departures.sweep(this.#context.clients, now);
    this.#weigh();
    if (!this.#trials.any) return;
    const look = (exchange: Exchange) => exchange.wait(now);
    for (const client of this.#context.clients) client.visit(look);
  }

  /** Looks whether there is too much of anything, and makes room where that can be had. */
  #weigh(): void {
    const context = this.#context;
    const before = context.overload;
    const load = this.#world.load?.() ?? NO_LOAD;
    context.upstreams = this.#pools.open;
    const { descriptors } = context;
    context.overload = weigh(before, { ...load, descriptors }, context.rules.settings.overload);
    const { cause, pressure } = context.overload;
    context.short = cause === 'memory' || cause === 'descriptors';
    if (cause === 'descriptors') this.#pools.rest();
    if (cause === before.cause) return;
    if (cause === undefined) this.#world.log.info({ pressure }, 'new connections are taken again');
    else
      this.#world.log.warn({ cause, pressure, ...load, descriptors }, 'too much to bear: no new connections');
  }

  /** Closes what no table names any more. */
  #tidy(): void {
    this.#pools.look();
    const named = new Set<Pool>();
    for (const service of this.#context.table?.services ?? []) {
      for (const version of service.versions) for (const pool of version.lane.balancer.pools) named.add(pool);
    }
    this.#pools.keepOnly(named);
    const { table } = this.#context;
    if (table === undefined) return;
    for (const [id, { standing }] of this.#standings)
      if (table.service(standing.service)?.version(standing.version) === undefined)
        this.#standings.delete(id);
    for (const service of this.#budgets.keys())
      if (table.service(service) === undefined) this.#budgets.delete(service);
  }
}

/** What one endpoint bears: what the service says, and its part of what the version may have in all. */
function poolLimits(
  limits: Service['limits'],
  ofVersion = Number.POSITIVE_INFINITY,
  endpoints: number,
): PoolLimits {
  const { connections = 1024, requests = Number.POSITIVE_INFINITY, pending = 1024 } = limits ?? {};
  const part = Math.max(1, Math.floor(ofVersion / endpoints));
  return { connections: Math.min(connections, part), requests, pending };
}
