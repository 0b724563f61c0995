import type { End } from '../http/proxyprotocol.ts';
import { type Connections, NONE, PROTOCOLS, type Protocol } from '../model/connections.ts';
import type { ProxySettings } from '../model/settings.ts';
import type { Exchange } from './exchange.ts';

/** What stands for the address of a peer on a Unix socket (RFC 7239 §6). */
export const UNIX_PEER = 'unknown';

/** Who is at the other end of a connection, and not whoever stands in between. */
export interface Caller {
  readonly address: string;
  /** 0 on a Unix socket. */
  readonly port: number;
  /** Where it has connected to; undefined: to us. */
  readonly to: End | undefined;
  /** The address of ours that it was accepted at. */
  readonly listener: string;
}

/** A connection of a client, whatever it speaks. */
export interface Client {
  readonly address: string;
  readonly listener: string;
  readonly protocol: Protocol;
  /** Shows every exchange under way. */
  visit(look: (exchange: Exchange) => void): void;
  /** Closes it once it waits for nothing. */
  close(): void;
  /** Ends whatever is going on: there is no more time for it. */
  abandon(): void;
}

/** The client connections of this process, and how many there may be. */
export class Clients {
  readonly #all = new Set<Client>();
  readonly #byAddress = new Map<string, number>();
  readonly #byListener = new Map<string, Record<Protocol, number>>();

  get size(): number {
    return this.#all.size;
  }

  /** Whether one more may come from this address. All peers on Unix sockets are one machine, and not counted. */
  admits(address: string, limits: ProxySettings['limits']): boolean {
    const { connections, connectionsPerAddress } = limits;
    if (this.#all.size >= connections) return false;
    return address === UNIX_PEER || (this.#byAddress.get(address) ?? 0) < connectionsPerAddress;
  }

  add(client: Client): void {
    this.#all.add(client);
    this.#byAddress.set(client.address, (this.#byAddress.get(client.address) ?? 0) + 1);
    this.#count(client, 1);
  }

  delete(client: Client): void {
    if (!this.#all.delete(client)) return;
    const left = this.#byAddress.get(client.address)! - 1;
    if (left === 0) this.#byAddress.delete(client.address);
    else this.#byAddress.set(client.address, left);
    this.#count(client, -1);
  }

  #count({ listener, protocol }: Client, more: number): void {
    const spoken = this.#byListener.get(listener) ?? { ...NONE };
    spoken[protocol] += more;
    this.#byListener.set(listener, spoken);
  }

  /** What is spoken at these listeners, and at others that accept no more but still have connections. */
  spoken(listeners: Iterable<string>): Connections {
    const at = new Map([...listeners].map((listener) => [listener, NONE]));
    for (const [listener, spoken] of this.#byListener) {
      if (at.has(listener) || PROTOCOLS.some((each) => spoken[each] > 0)) at.set(listener, { ...spoken });
      else this.#byListener.delete(listener);
    }
    return Object.fromEntries(at);
  }

  [Symbol.iterator](): IterableIterator<Client> {
    return this.#all.values();
  }
}
