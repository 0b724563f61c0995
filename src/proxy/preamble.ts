import type { Socket } from 'node:net';
import type { Expiring } from '../base/deadlines.ts';
import { MORE } from '../http/head.ts';
import { type Ends, NO_HEADER, parseProxyHeader } from '../http/proxyprotocol.ts';
import type { Caller, Client } from './clients.ts';
import type { Context } from './context.ts';

/** Reads the PROXY header that a connection begins with, and puts back what follows it. */
export class Preamble implements Client, Expiring {
  readonly address: string;
  readonly listener: string;
  readonly protocol = 'opening';
  readonly deadline: number;
  readonly #context: Context;
  readonly #socket: Socket;
  readonly #told: (ends: Ends | undefined) => void;
  #read = Buffer.alloc(0);

  /** `told`: of the client's connection, or undefined if the proxy speaks for itself. The socket is paused then. */
  constructor(context: Context, socket: Socket, peer: Caller, told: (ends: Ends | undefined) => void) {
    this.#context = context;
    this.#socket = socket;
    this.address = peer.address;
    this.listener = peer.listener;
    this.#told = told;
    this.deadline = context.deadlines.in(context.rules.settings.timeouts.handshake);
    context.deadlines.add(this);
    context.clients.add(this);
    context.opening.add(this);
    socket.on('data', this.#take);
    socket.on('end', this.#fail);
    socket.on('error', this.#fail);
    socket.on('close', this.#fail);
    socket.resume();
  }

  readonly #take = (data: Buffer): void => {
    this.#read = Buffer.concat([this.#read, data]);
    const header = parseProxyHeader(this.#read, this.#read.length);
    if (header === MORE) return;
    if (header === NO_HEADER) return this.#fail();
    this.#leave();
    this.#socket.pause();
    if (this.#read.length > header.length) this.#socket.unshift(this.#read.subarray(header.length));
    this.#told(header.ends);
  };

  readonly #fail = (): void => {
    if (!this.#leave()) return;
    this.#context.countHandshake('no-proxy-header');
    this.#socket.on('error', () => {});
    this.#socket.destroy();
  };

  expire(): void {
    this.#fail();
  }

  visit(): void {}

  close(): void {
    this.#fail();
  }

  abandon(): void {
    this.#fail();
  }

  #leave(): boolean {
    if (!this.#context.opening.delete(this)) return false;
    this.#socket.off('data', this.#take);
    this.#socket.off('end', this.#fail);
    this.#socket.off('error', this.#fail);
    this.#socket.off('close', this.#fail);
    this.#context.deadlines.delete(this);
    this.#context.clients.delete(this);
    return true;
  }
}
