import net from 'node:net';
import { INLET, READ_INTO } from '../base/inlet.ts';
import { formatAddress, parseAddress } from '../model/address.ts';
import { FAULTS } from '../model/fault.ts';
import { faultAnswer } from './answer.ts';
import { Client } from './client.ts';
import type { Context } from './context.ts';

/** Connections that may wait in the kernel to be accepted. */
const BACKLOG = 4096;

/** What stands for the address of a peer on a Unix socket (RFC 7239 §6). */
const UNIX_PEER = 'unknown';

/** What a connection is told that is one too many; made once, since there will be many of them. */
const TURNED_AWAY = faultAnswer(FAULTS.shedding, { headOnly: false, close: true, extra: '' });

/** Accepts connections on one address, as many as may be. */
export class Listener {
  readonly #context: Context;
  readonly #clients: Clients;
  readonly #server: net.Server;
  #unix = false;

  constructor(context: Context, clients: Clients) {
    this.#context = context;
    this.#clients = clients;
    this.#server = net.createServer({ noDelay: true, pauseOnConnect: true, allowHalfOpen: true }, (socket) =>
      this.#accept(socket),
    );
  }

  /** Resolves with the address bound; port 0 has been replaced. Rejects with the system's error. */
  async open(address: string): Promise<string> {
    const parsed = parseAddress(address);
    if (typeof parsed === 'string') throw new RangeError(`listen address "${address}": ${parsed}`);
    this.#unix = 'path' in parsed;
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ ...parsed, backlog: BACKLOG }, () => {
        this.#server.off('error', reject);
        resolve();
      });
    });
    const bound = this.#server.address();
    return bound === null || typeof bound === 'string'
      ? address
      : formatAddress({ host: bound.address, port: bound.port });
  }

  /** Accepts no more. Connections that are open stay. */
  close(): void {
    this.#server.close();
  }

  #accept(accepted: net.Socket): void {
    let client: Client | undefined;
    const socket = readingInto(accepted, (length) => client?.read(length));
    const address = this.#unix ? UNIX_PEER : socket.remoteAddress;
    if (address === undefined || !this.#clients.admits(address)) {
      if (address !== undefined) this.#context.countUnrouted(FAULTS.shedding.status);
      socket.on('error', () => {});
      socket.end(TURNED_AWAY, 'latin1', () => socket.destroy());
      return;
    }
    client = new Client(this.#context, socket, address, 'http', (gone) => this.#clients.delete(gone));
    this.#clients.add(client);
    socket.resume();
  }
}

/**
 * The same connection as a socket that reads into our one buffer. `net.connect` and `new net.Socket` can be
 * told to (`onread`), `net.createServer` cannot; so the handle of the accepted socket is given to a new one.
 * It saves a 64 KB allocation and a stream event for every read: 1 µs of 20. Should a future Node hide the
 * handle, the socket itself is used, and data is copied over.
 */
function readingInto(accepted: net.Socket, read: (length: number) => void): net.Socket {
  const holder = accepted as { _handle?: object | null };
  const handle = holder._handle;
  if (handle === undefined || handle === null) {
    accepted.on('data', (data: Buffer) => {
      for (let at = 0; at < data.length; at += READ_INTO.length)
        read(data.copy(INLET, 0, at, at + READ_INTO.length));
    });
    return accepted;
  }
  holder._handle = null;
  return new net.Socket({
    handle,
    allowHalfOpen: true,
    onread: {
      buffer: READ_INTO,
      callback: (length: number) => {
        read(length);
        return true;
      },
    },
  } as net.SocketConstructorOpts);
}

/** The client connections of this process, and how many there may be. */
export class Clients {
  readonly #context: Context;
  readonly #all = new Set<Client>();
  readonly #byAddress = new Map<string, number>();

  constructor(context: Context) {
    this.#context = context;
  }

  get size(): number {
    return this.#all.size;
  }

  /** Whether one more may come from this address. All peers on Unix sockets are one machine, and not counted. */
  admits(address: string): boolean {
    const { connections, connectionsPerAddress } = this.#context.rules.settings.limits;
    if (this.#all.size >= connections) return false;
    return address === UNIX_PEER || (this.#byAddress.get(address) ?? 0) < connectionsPerAddress;
  }

  add(client: Client): void {
    this.#all.add(client);
    this.#byAddress.set(client.address, (this.#byAddress.get(client.address) ?? 0) + 1);
  }

  delete(client: Client): void {
    if (!this.#all.delete(client)) return;
    const left = this.#byAddress.get(client.address)! - 1;
    if (left === 0) this.#byAddress.delete(client.address);
    else this.#byAddress.set(client.address, left);
  }

  [Symbol.iterator](): IterableIterator<Client> {
    return this.#all.values();
  }
}
