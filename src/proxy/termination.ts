import { constants, createHash } from 'node:crypto';
import type { Socket } from 'node:net';
import tls from 'node:tls';
import type { Expiring } from '../base/deadlines.ts';
import type { KeyPair, TlsTerms } from '../model/tls.ts';
import { Certificates, offers } from './certificates.ts';
import type { Caller, Client } from './clients.ts';
import type { Context } from './context.ts';
import { greeting } from './greeting.ts';

/** What is agreed on by ALPN, the one preferred first. */
const PROTOCOLS = ['h2', 'http/1.1'];
const OLD_PROTOCOLS = ['http/1.1'];

/** How long a client may come back to its session, s; less than keys of tickets last. */
const SESSION = 3600;

/** Who takes over when the handshake is done; `credential` are the lines that tell of the client's certificate. */
export type Secured = (socket: tls.TLSSocket, caller: Caller, credential: string) => void;

/**
 * TLS of one listener on one set of terms. Other terms make another one: connections stay with what they
 * began with, so certificates are swapped without anybody's notice.
 *
 * The names of each offer have a server of their own, and who comes is led to it by the name that is asked for.
 * `SNICallback` is of no use: it puts one certificate in the place of the first server's one of the same kind, and
 * leaves those of other kinds, which then may be shown under a name that is not theirs.
 */
export class Termination {
  readonly #context: Context;
  readonly #servers: Certificates<tls.Server>;
  /** There is but one server, so names do not matter. */
  readonly #alone: boolean;
  readonly #vouches: boolean;
  readonly #secured: Secured;

  constructor(context: Context, terms: TlsTerms, http2: boolean, secured: Secured) {
    this.#context = context;
    this.#secured = secured;
    this.#vouches = terms.clients?.forward ?? false;
    const { clients } = terms;
    const ticketKeys = Buffer.from(terms.ticketKey, 'hex');
    const shared: tls.SecureContextOptions = {
      ciphers: terms.ciphers,
      honorCipherOrder: true,
      minVersion: terms.minVersion === '1.3' ? 'TLSv1.3' : 'TLSv1.2',
      // A handshake costs us ten times what it costs a client, so there is one a connection.
      secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
      sessionTimeout: SESSION,
      // Sessions of another listener, or from under another authority, are none of ours.
      sessionIdContext: createHash('sha256').update(ticketKeys).digest('hex').slice(0, 32),
      ticketKeys,
      ...(clients && { ca: clients.ca }),
    };
    const serverOf = (pairs: readonly KeyPair[]): tls.Server => {
      const server = tls.createServer({
        ...shared,
        cert: pairs.map(({ cert }) => cert),
        key: pairs.map(({ key }) => key),
        ALPNProtocols: http2 ? PROTOCOLS : OLD_PROTOCOLS,
        requestCert: clients !== undefined,
        rejectUnauthorized: clients?.required ?? false,
        // Whoever takes too long is found by the sweep, like everybody else.
        handshakeTimeout: 0x7fff_ffff,
      });
      server.on('secureConnection', (socket) => this.#handshakeOf(socket)?.done(socket));
      server.on('tlsClientError', (_error, socket) => this.#handshakeOf(socket)?.failed());
      return server;
    };
    const offered = offers(terms.certificates);
    this.#alone = offered.length === 1;
    this.#servers = new Certificates(offered.map(([names, pairs]) => [names, serverOf(pairs)]));
  }

  /** Shakes hands with a client that has just connected. */
  begin(socket: ShakingSocket, caller: Caller): void {
    socket.handshake = new Handshake(this.#context, socket, caller, (secure) =>
      this.#secured(secure, caller, this.#vouches && secure.authorized ? credentialOf(secure) : ''),
    );
    if (this.#alone) this.#servers.first.emit('connection', socket);
    else greeting(socket, (name) => this.#servers.for(name).emit('connection', socket));
  }

  #handshakeOf(socket: tls.TLSSocket): Handshake | undefined {
    return (socket as { _parent?: ShakingSocket })._parent?.handshake;
  }
}

interface ShakingSocket extends Socket {
  handshake?: Handshake;
}

/** A connection on which hands are being shaken: counted like any other, and not for long. */
class Handshake implements Client, Expiring {
  readonly address: string;
  readonly listener: string;
  readonly protocol = 'opening';
  readonly deadline: number;
  readonly #context: Context;
  readonly #socket: ShakingSocket;
  readonly #secured: (socket: tls.TLSSocket) => void;

  constructor(
    context: Context,
    socket: ShakingSocket,
    { address, listener }: Caller,
    secured: (socket: tls.TLSSocket) => void,
  ) {
    this.#context = context;
    this.#socket = socket;
    this.address = address;
    this.listener = listener;
    this.#secured = secured;
    const { settings } = context.rules;
    this.deadline = context.deadlines.in(settings.timeouts.handshake);
    context.deadlines.add(this);
    context.clients.add(this);
    context.opening.add(this);
    // Who says no more will never have shaken hands.
    socket.allowHalfOpen = false;
    socket.on('error', () => {});
    socket.on('close', () => this.failed());
  }

  done(socket: tls.TLSSocket): void {
    if (!this.#leave()) return;
    socket.allowHalfOpen = true;
    this.#context.countHandshake(socket.isSessionReused() ? 'resumed' : 'full');
    this.#secured(socket);
  }

  failed(): void {
    if (!this.#leave()) return;
    this.#context.countHandshake('failed');
    this.#socket.destroy();
  }

  expire(): void {
    this.failed();
  }

  visit(): void {}

  /** A handshake leads to a request, and there shall be no more of them. */
  close(): void {
    this.failed();
  }

  abandon(): void {
    this.failed();
  }

  /** False if it was over already. */
  #leave(): boolean {
    if (!this.#context.opening.delete(this)) return false;
    this.#context.deadlines.delete(this);
    this.#context.clients.delete(this);
    return true;
  }
}

/** What endpoints are told of a client certificate that was verified. */
function credentialOf(socket: tls.TLSSocket): string {
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return '';
  const subject = certificate.subject
    .split('\n')
    .reverse()
    .join(',')
    .replace(/[^\x20-\x7e]/g, '?');
  const print = certificate.fingerprint256.replaceAll(':', '').toLowerCase();
  return `client-cert: :${certificate.raw.toString('base64')}:\r\nx-client-cert-subject: ${subject}\r\nx-client-cert-sha256: ${print}\r\n`;
}
