import type { Table } from '../routing/table.ts';
import type { Client } from './clients.ts';
import { Departure } from './departure.ts';
import type { Exchange } from './exchange.ts';
import type { Lane } from './lane.ts';
import type { Traffic } from './traffic.ts';

/** What is left of a service that is gone is treated as what a shift of weight left. */
const GONE = { split: { cause: 'weights' } } as const;

/** Ends the streams of versions that have lost their weight. Nothing is looked at while there are none to end. */
export class Departures {
  readonly #leaving = new Map<Traffic, Departure>();
  /** That of all WebSockets; undefined while the process stays. */
  #shutdown: Departure | undefined;

  /** A table is in force. A version that gets weight again stays, and a rollback hastens whoever is leaving. */
  adopt(table: Table<Lane>, traffic: Iterable<Traffic>, now: number): void {
    for (const each of traffic) {
      if (each.counted === undefined) continue;
      const service = table.service(each.service);
      if ((service?.version(each.version)?.weight ?? 0) > 0) {
        this.#leaving.delete(each);
        continue;
      }
      const known = this.#leaving.get(each);
      const rolledBack = service?.service.split.cause === 'rollback';
      if (known === undefined || (rolledBack && !known.rolledBack))
        this.#leaving.set(each, new Departure(service?.service ?? GONE, now));
    }
  }

  /**
   * The process ends in so many ms. A WebSocket would not before, so after two thirds of the time they are closed
   * like those of a version that was rolled back, and in time for the last of them to answer; all else has until the
   * end.
   */
  shutDown(now: number, ms: number): void {
    const rollback = { split: { cause: 'rollback' }, streams: { evictOver: ms / 6 } } as const;
    this.#shutdown = new Departure(rollback, now + (2 * ms) / 3);
  }

  sweep(clients: Iterable<Client>, now: number): void {
    if (this.#shutdown?.begun(now)) {
      const open: Exchange[] = [];
      for (const client of clients)
        client.visit((exchange) => {
          if (exchange.webSocket) open.push(exchange);
        });
      close(open, this.#shutdown, now);
    }
    const due = [...this.#leaving].filter(([, departure]) => departure.begun(now));
    if (due.length === 0) return;
    const streams = new Map<Traffic, Exchange[]>(due.map(([traffic]) => [traffic, []]));
    const look = (exchange: Exchange) => {
      const traffic = exchange.streamOf(now);
      if (traffic !== undefined) streams.get(traffic)?.push(exchange);
    };
    for (const client of clients) client.visit(look);
    for (const [traffic, departure] of due) {
      const open = streams.get(traffic)!;
      close(open, departure, now);
      if (departure.over(now) && open.length === 0) departure.done = true;
    }
  }
}

/** Closes those whose turn has come, and sees to the end of those whose turn it was. */
function close(open: readonly Exchange[], departure: Departure, now: number): void {
  const staying = open.filter((exchange) => !exchange.leaving);
  for (const exchange of open) if (exchange.leaving) exchange.evict(now);
  for (const exchange of staying.slice(0, departure.due(staying.length, now))) exchange.evict(now);
}
