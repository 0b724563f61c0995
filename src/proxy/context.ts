import { type AddressSet, addressSet } from '../base/cidr.ts';
import type { Clock } from '../base/clock.ts';
import { Deadlines } from '../base/deadlines.ts';
import { type Drops, requestDrops, withoutHost } from '../http/rewrite.ts';
import type { ProxySettings } from '../model/settings.ts';
import type { Table } from '../routing/table.ts';
import type { AccessLog } from './accesslog.ts';
import { Clients } from './clients.ts';
import { Exchange } from './exchange.ts';
import type { Lane } from './lane.ts';
import { Mint } from './mint.ts';
import type { Requester } from './requester.ts';

/** How often deadlines are looked at, ms. */
export const SWEEP = 200;

/** Settings worked out for requests; replaced whole, like a table. */
export interface Rules {
  readonly settings: ProxySettings;
  readonly trusted: AddressSet;
  /** Fields of requests that are not passed on, by whether the peer is trusted and whether Host is rewritten. */
  readonly drops: { readonly trusted: Drops; readonly stranger: Drops };
  readonly dropsWithHost: { readonly trusted: Drops; readonly stranger: Drops };
}

export function rulesOf(settings: ProxySettings): Rules {
  const underscores = settings.underscoreHeaders;
  const drops = {
    trusted: requestDrops({ trusted: true, underscores }),
    stranger: requestDrops({ trusted: false, underscores }),
  };
  return {
    settings,
    trusted: addressSet(settings.trustedProxies),
    drops,
    dropsWithHost: { trusted: withoutHost(drops.trusted), stranger: withoutHost(drops.stranger) },
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
  readonly deadlines: Deadlines;
  readonly mint = new Mint();
  readonly clients = new Clients();
  /** Exchanges that nobody uses at the moment. */
  readonly #exchanges: Exchange[] = [];
  /** Answers to requests that reached no service, by status, since they were last collected. */
  unrouted: Record<string, number> = {};

  constructor(settings: ProxySettings, clock: Clock) {
    this.rules = rulesOf(settings);
    this.clock = clock;
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

  countUnrouted(status: number): void {
    this.unrouted[status] = (this.unrouted[status] ?? 0) + 1;
  }
}
