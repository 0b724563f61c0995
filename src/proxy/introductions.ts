import type { Socket } from 'node:net';
import { plainAddress } from '../base/cidr.ts';
import { type End, proxyHeader } from '../http/proxyprotocol.ts';
import type { ProxyProtocol } from '../model/tls.ts';
import type { Pool } from '../upstream/pool.ts';
import { UNIX_PEER } from './clients.ts';

/** What stands for our own end of a connection that is over. */
const NOWHERE: End = { address: '0.0.0.0', port: 0 };

/**
 * How the connection of one client is introduced to endpoints by a PROXY header, and where it was. What began with
 * that is of use to nobody when the client has gone, so it is closed then, and does not take up room until it has
 * been idle for long enough.
 */
export class Introductions {
  readonly #socket: Socket;
  readonly #source: End;
  readonly #destination: End | undefined;
  readonly #pools = new Map<string, Set<Pool>>();

  /** `destination`: where the client has connected to; undefined: to us. */
  constructor(socket: Socket, source: End, destination: End | undefined) {
    this.#socket = socket;
    this.#source = source;
    this.#destination = destination;
    socket.once('close', () => {
      for (const [header, pools] of this.#pools) for (const pool of pools) pool.dismiss(header);
    });
  }

  /** The header that a connection of this pool begins with. */
  to(pool: Pool, version: ProxyProtocol): string {
    if (this.#source.address === UNIX_PEER) return proxyHeader(version, undefined);
    const header = proxyHeader(version, {
      source: this.#source,
      destination: this.#destination ?? this.#here,
    });
    const pools = this.#pools.get(header);
    if (pools === undefined) this.#pools.set(header, new Set([pool]));
    else pools.add(pool);
    return header;
  }

  get #here(): End {
    const { localAddress, localPort = 0 } = this.#socket;
    return localAddress === undefined ? NOWHERE : { address: plainAddress(localAddress), port: localPort };
  }
}
