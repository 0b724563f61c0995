import net from 'node:net';
import type { TLSSocket } from 'node:tls';
import { isDeepStrictEqual } from 'node:util';
import { type AddressSet, addressSet, plainAddress } from '../base/cidr.ts';
import { copyToInlet, READ_INTO } from '../base/inlet.ts';
import { formatAddress, parseAddress } from '../model/address.ts';
import { FAULTS } from '../model/fault.ts';
import type { Speech } from '../model/tls.ts';
import { Client, type ClientSocket } from './client.ts';
import { type Caller, UNIX_PEER } from './clients.ts';
import type { Context } from './context.ts';
import { Farewell } from './farewell.ts';
import { type Manner, mannerOf } from './manner.ts';
import { Preamble } from './preamble.ts';
import { Termination } from './termination.ts';

/** Connections that may wait in the kernel to be accepted. */
const BACKLOG = 4096;

/**
 * Accepts connections on one address, as many as may be, and leads each to HTTP: past a PROXY header and
 * through a TLS handshake, if that is spoken there.
 */
export class Listener {
  readonly #context: Context;
  readonly #server: net.Server;
  #unix = false;
  #address = '';
  #speech: Speech;
  #manner: Manner;
  #proxies: AddressSet | undefined;
  #termination: Termination | undefined;

  constructor(context: Context, speech: Speech) {
    this.#context = context;
    this.#server = net.createServer({ noDelay: true, pauseOnConnect: true, allowHalfOpen: true }, (socket) =>
      this.#accept(socket),
    );
    this.#speech = speech;
    this.#manner = mannerOf(speech);
    this.#proxies = speech.proxyFrom && addressSet(speech.proxyFrom);
    this.#termination = this.#terminationFor(speech);
  }

  /** What is spoken with connections accepted from now on. Throws, and changes nothing, if that cannot be. */
  speak(speech: Speech): void {
    if (isDeepStrictEqual(speech, this.#speech)) return;
    this.#termination = this.#terminationFor(speech);
    this.#proxies = speech.proxyFrom && addressSet(speech.proxyFrom);
    this.#manner = mannerOf(speech);
    this.#speech = speech;
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
        this.#address = this.#bound(address);
        resolve();
      };
      if (handle === undefined) this.#server.listen({ ...parsed, backlog: BACKLOG }, listening);
      else this.#server.listen(handle, BACKLOG, listening);
    });
    // A connection that could not be accepted, for want of a descriptor, is no reason to end.
    this.#server.on('error', () => {});
    return this.#address;
  }

  #bound(wanted: string): string {
    const bound = this.#server.address();
    return bound === null || typeof bound === 'string'
      ? wanted
      : formatAddress({ host: bound.address, port: bound.port });
  }

  /** Accepts no more. Connections that are open stay. */
  close(): void {
    this.#server.close();
  }

  #terminationFor(speech: Speech): Termination | undefined {
    if (speech.tls === undefined) return undefined;
    const manner = mannerOf(speech);
    return new Termination(this.#context, speech.tls, manner.http2, (socket, caller, credential) =>
      this.#secured(socket, caller, manner, credential),
    );
  }

  #accept(socket: net.Socket): void {
    const peer = this.#unix ? UNIX_PEER : plainAddress(socket.remoteAddress ?? '');
    // What is known of it now may be lost in a moment, when it hangs up.
    const caller = { address: peer, port: socket.remotePort ?? 0, to: undefined, listener: this.#address };
    // Whoever may open a Unix socket is trusted with more than that.
    if (this.#proxies === undefined || !(this.#unix || this.#proxies.has(peer)))
      return this.#arrived(socket, caller);
    if (!this.#admits(socket, peer)) return;
    this.#context.makeRoom();
    new Preamble(this.#context, socket, caller, (ends) =>
      this.#arrived(
        socket,
        ends === undefined ? caller : { ...caller, ...ends.source, to: ends.destination },
      ),
    );
  }

  #arrived(socket: net.Socket, caller: Caller): void {
    if (!this.#admits(socket, caller.address)) return;
    if (this.#termination === undefined) {
      this.#serve(readingInline(socket), caller, this.#manner, '');
    } else {
      this.#context.makeRoom();
      this.#termination.begin(socket, caller);
    }
  }

  #admits(socket: net.Socket, address: string): boolean {
    if (address !== '' && this.#context.refuses(address) === undefined) return true;
    socket.on('error', () => {});
    // Who is to shake hands first would take an answer for nonsense.
    if (this.#termination !== undefined || address === '') {
      socket.destroy();
    } else {
      this.#context.countUnrouted(FAULTS.shedding.status);
      Farewell.bid(this.#context, socket);
    }
    return false;
  }

  /** Hands were shaken; what is spoken now was agreed on there (`socket.alpnProtocol`). */
  #secured(socket: TLSSocket, caller: Caller, manner: Manner, credential: string): void {
    this.#serve(readingInline(socket), caller, manner, credential);
  }

  #serve(socket: ClientSocket, caller: Caller, manner: Manner, credential: string): void {
    new Client(this.#context, socket, caller, manner, credential);
    socket.resume();
  }
}

/**
 * Has a socket that was accepted read into our one buffer. `net.connect` and `new net.Socket` can be told to
 * (`onread`), `net.createServer` and `node:tls` cannot; so what that comes to in a socket, as one that was told shows,
 * is put into this one. It saves a 64 KB allocation and a stream event for every read: 1 µs of 20. Should a future Node
 * hide it, or have read something already (behind a PROXY header), data is copied over.
 */
function readingInline(socket: ClientSocket): ClientSocket {
  const { _handle: handle } = socket as { _handle?: { useUserBuffer?(buffer: Buffer): void } | null };
  if (TOLD.length === 0 || !handle?.useUserBuffer || socket.readableLength > 0) return readingCopies(socket);
  for (const [symbol, value] of TOLD) Reflect.set(socket, symbol, value);
  handle.useUserBuffer(READ_INTO);
  return socket;
}

function readingCopies(socket: ClientSocket): ClientSocket {
  const read = (length: number) => socket.client?.read(length);
  socket.on('data', (data: Buffer) => copyToInlet(data, read));
  return socket;
}

/** Called by the socket, as a method of it. */
function onRead(this: ClientSocket, length: number): boolean {
  this.client?.read(length);
  return true;
}

/** What a socket that was told to read into our buffer has, and others have not. */
const TOLD = told(
  new net.Socket({ onread: { buffer: READ_INTO, callback: onRead } } as net.SocketConstructorOpts),
);

function told(model: net.Socket): [symbol, unknown][] {
  const symbols = Object.getOwnPropertySymbols(model).filter(({ description }) =>
    /^kBuffer(Cb|Gen)?$/.test(description!),
  );
  return symbols.length === 3 ? symbols.map((symbol) => [symbol, Reflect.get(model, symbol)]) : [];
}
