import { randomBytes } from 'node:crypto';
import { Duplex } from 'node:stream';
import tls from 'node:tls';
import type { KeyPair, TlsTerms } from '../../src/model/tls.ts';
import { Peer, reachable } from './peer.ts';

/** TLS of a listener as a test wants it. */
export function termsOf(certificates: readonly KeyPair[], more: Partial<TlsTerms> = {}): TlsTerms {
  return {
    certificates,
    minVersion: '1.2',
    ciphers: tls.DEFAULT_CIPHERS,
    clients: undefined,
    hsts: '',
    ticketKey: randomBytes(48).toString('hex'),
    ...more,
  };
}

/** A raw client whose hands were shaken. Rejects with the error of the handshake. */
export async function connectSecurely(to: string, options: tls.ConnectionOptions): Promise<SecurePeer> {
  const socket = tls.connect({ ...reachable(to), ...options });
  let session: Buffer | undefined;
  socket.on('session', (given) => {
    session = given;
  });
  await new Promise<void>((resolve, reject) => {
    socket.once('secureConnect', resolve);
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('closed')));
  });
  return Object.assign(new Peer(socket), { tls: socket, session: () => session });
}

export type SecurePeer = Peer & {
  readonly tls: tls.TLSSocket;
  /** What the server gave to resume with, once it did. */
  readonly session: () => Buffer | undefined;
};

/** What a client says first who is given these options. */
export function helloOf(options: tls.ConnectionOptions): Promise<Buffer> {
  return new Promise((resolve) => {
    const socket = new Duplex({
      read() {},
      write(data: Buffer, _encoding, done) {
        done();
        resolve(data);
      },
    });
    tls.connect({ socket, ...options }).on('error', () => {});
  });
}
