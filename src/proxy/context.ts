import { type AddressSet, addressSet } from '../base/cidr.ts';
import type { Clock } from '../base/clock.ts';
import { Deadlines } from '../base/deadlines.ts';
import { type Drops, requestDrops, withoutHost } from '../http/rewrite.ts';
import type { ProxySettings } from '../model/settings.ts';
import type { Table } from '../routing/table.ts';
import type { AccessLog } from './accesslog.ts';
import { type Client, Clients } from './clients.ts';
import { DateLine } from './dateline.ts';
import { Exchange } from './exchange.ts';
import type { Farewell } from './farewell.ts';
import type { Lane } from './lane.ts';
import { Mint } from './mint.ts';
import { AT_EASE, roomFor, taken } from './overload.ts';
import { type Pace, paceOf } from './pace.ts';
import type { Requester } from './requester.ts';

/** How often deadlines are looked at, ms. */
export const SWEEP = 200;

/**
 * Who a peer is to us: one that is believed, or not; or one that is, but of whose certificate we know ourselves.
 */
export type Standing = 'trusted' | 'stranger' | 'vouched';

/** Settings worked out for requests; replaced whole, like a table. */
export interface Rules {
  readonly settings: ProxySettings;
  /** Of clients that are between requests. */
  readonly pace: Pace;
  readonly trusted: AddressSet;
  /** Fields of requests that are not passed on, by who sends them and whether Host is rewritten. */
  readonly drops: Readonly<Record<Standing, Drops>>;
  readonly dropsWithHost: Readonly<Record<Standing, Drops>>;
}

export function rulesOf(settings: ProxySettings): Rules {
  const underscores = settings.underscoreHeaders;
  const drops = {
    trusted: requestDrops({ trusted: true, underscores }),
    stranger: requestDrops({ trusted: false, underscores }),
    vouched: requestDrops({ trusted: true, underscores, vouched: true }),
  };
  return {
    settings,
    pace: paceOf(settings.rates),
    trusted: addressSet(settings.trustedProxies),
    drops,
    dropsWithHost: {
      trusted: withoutHost(drops.trusted),
      stranger: withoutHost(drops.stranger),
      vouched: withoutHost(drops.vouched),
    },
  };
}

/** Exchanges kept for later requests: a peak of traffic should not be remembered for ever. */
const MOST_SPARE = 1024;

/** What all connections of this process share. */
export class Context {
  rules: Rules;
  /** The table in force; undefined before the first state. A request reads it once. */
  table: Table<Lane> | undefined;
  draining = false;
  accessLog: AccessLog | undefined;
  readonly clock: Clock;
  readonly date: DateLine;
  readonly deadlines: Deadlines;
  readonly mint = new Mint();
  readonly clients = new Clients();
  /** Connections that have not come to HTTP yet, oldest first: they wait for a PROXY header or a handshake. */
  readonly opening = new Set<Client>();
  /** Exchanges that nobody uses at the moment. */
  readonly #exchanges: Exchange[] = [];
  /** Answers to requests that reached no service, by status, since they were last collected. */
  unrouted: Record<string, number> = {};
  /** Handshakes by how they ended, since they were last collected. */
  handshakes: Record<string, number> = {};
  /** Connections that were turned away, by what there was too much of, since they were last collected. */
  shed: Record<string, number> = {};
  /** Connections that are told no. */
  readonly farewells = new Set<Farewell>();
  /** As of the last look; so are connections to endpoints. */
  overload = AT_EASE;
  upstreams = 0;
  /** What connections hold is short: each ends with the answer under way. */
  short = false;

  constructor(settings: ProxySettings, clock: Clock) {
    this.rules = rulesOf(settings);
    this.clock = clock;
    this.date = new DateLine(clock);
    this.deadlines = new Deadlines(clock.monotonic(), SWEEP);
  }

  /** An exchange for one request. */
  lend(client: Requester): Exchange {
    const exchange = this.#exchanges.pop() ?? new Exchange(this);
    exchange.client = client;
    return exchange;
  }

  /** It is over and recorded: kept for the next request, unless there are plenty. */
  returned(exchange: Exchange): void {
    if (this.#exchanges.length < MOST_SPARE) this.#exchanges.push(exchange);
  }

  /** Descriptors that are taken, or will be when every client has a request under way. */
  get descriptors(): number {
    return taken(this.clients.size, this.upstreams);
  }

  /** Why one more connection from this address is turned away; undefined if it may come. Counts those that may not. */
  refuses(address: string): string | undefined {
    const { limits, overload } = this.rules.settings;
    const reason =
      this.overload.cause ??
      (this.descriptors >= roomFor(overload) ? 'descriptors' : undefined) ??
      (this.clients.admits(address, limits) ? undefined : 'limits');
    if (reason !== undefined) this.shed[reason] = (this.shed[reason] ?? 0) + 1;
    return reason;
  }

  countHandshake(result: string): void {
    this.handshakes[result] = (this.handshakes[result] ?? 0) + 1;
  }

  /** Makes room for one more connection that has yet to come to HTTP: the oldest gives way, as it is the one least likely to. */
  makeRoom(): void {
    if (this.opening.size < this.rules.settings.limits.handshakes) return;
    for (const oldest of this.opening) return oldest.abandon();
  }

  countUnrouted(status: number): void {
    this.unrouted[status] = (this.unrouted[status] ?? 0) + 1;
  }
}
