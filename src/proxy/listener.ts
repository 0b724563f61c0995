import net from 'node:net';
import { plainAddress } from '../base/cidr.ts';
import { INLET, READ_INTO, READ_SIZE } from '../base/inlet.ts';
import { formatAddress, parseAddress } from '../model/address.ts';
import { FAULTS } from '../model/fault.ts';
import { lastAnswer } from './answer.ts';
import { Client, type ClientSocket } from './client.ts';
import { UNIX_PEER } from './clients.ts';
import type { Context } from './context.ts';

/** Connections that may wait in the kernel to be accepted. */
const BACKLOG = 4096;

/** What a connection is told that is one too many; made once, since there will be many of them. */
const TURNED_AWAY = lastAnswer(FAULTS.shedding);

/** Accepts connections on one address, as many as may be. */
export class Listener {
  readonly #context: Context;
  readonly #server: net.Server;
  #unix = false;

  constructor(context: Context) {
    this.#context = context;
    this.#server = net.createServer({ noDelay: true, pauseOnConnect: true, allowHalfOpen: true }, (socket) =>
      this.#accept(socket),
    );
  }

  /**
   * Resolves with the address bound; port 0 has been replaced. Rejects with the system's error. `handle` is a
   * socket that is bound already, as `node:net` passes it between processes.
   */
  async open(address: string, handle?: object): Promise<string> {
    const parsed = parseAddress(address);
    if (typeof parsed === 'string') throw new RangeError(`listen address "${address}": ${parsed}`);
    this.#unix = 'path' in parsed;
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      const listening = () => {
        this.#server.off('error', reject);
        resolve();
      };
      if (handle === undefined) this.#server.listen({ ...parsed, backlog: BACKLOG }, listening);
      else this.#server.listen(handle, BACKLOG, listening);
    });
    // A connection that could not be accepted, for want of a descriptor, is no reason to end.
    this.#server.on('error', () => {});
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
    const socket = readingInline(accepted);
    const address = this.#unix ? UNIX_PEER : plainAddress(socket.remoteAddress ?? '');
    if (
      address === undefined ||
      !this.#context.clients.admits(address, this.#context.rules.settings.limits)
    ) {
      if (address !== '') this.#context.countUnrouted(FAULTS.shedding.status);
      socket.on('error', () => {});
      socket.end(TURNED_AWAY, 'latin1', () => socket.destroy());
      return;
    }
    new Client(this.#context, socket, address, 'http');
    socket.resume();
  }
}

/**
 * The same connection as a socket that reads into our one buffer. `net.connect` and `new net.Socket` can be
 * told to (`onread`), `net.createServer` cannot; so the handle of the accepted socket is given to a new one.
 * It saves a 64 KB allocation and a stream event for every read: 1 µs of 20. Should a future Node hide the
 * handle, the socket itself is used, and data is copied over.
 */
function readingInline(accepted: ClientSocket): ClientSocket {
  const holder = accepted as { _handle?: object | null };
  const handle = holder._handle;
  if (handle === undefined || handle === null) {
    accepted.on('data', (data: Buffer) => {
      for (let at = 0; at < data.length; at += READ_SIZE) {
        accepted.client?.read(data.copy(INLET, 0, at, at + READ_SIZE));
      }
    });
    return accepted;
  }
  holder._handle = null;
  const onread = { buffer: READ_INTO, callback: onRead };
  return new net.Socket({ handle, allowHalfOpen: true, onread } as net.SocketConstructorOpts);
}

/** Called by the socket, as a method of it. */
function onRead(this: ClientSocket, length: number): boolean {
  this.client?.read(length);
  return true;
}
