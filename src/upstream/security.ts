import { readFileSync, statSync } from 'node:fs';
import net, { isIP, type OnReadOpts } from 'node:net';
import tls from 'node:tls';
import type { Log } from '../base/log.ts';
import { reasonOf } from '../base/reason.ts';
import { type Address, parseAddress } from '../model/address.ts';
import type { EndpointTls } from '../model/tls.ts';
import { lookup } from './lookup.ts';

/**
 * TLS to the endpoints of one pool: on what terms, with what the files hold, and the session to come back to.
 * Files that cannot be used leave those before in force, and without any before no connection is made.
 */
export class Security {
  readonly #terms: EndpointTls;
  readonly #log: Log;
  /** Whose certificate it must be. */
  readonly #name: string;
  #context: tls.SecureContext | undefined;
  #fault = '';
  #looks = '';
  #session: Buffer | undefined;

  /** `host`: of the endpoint as it is configured, not as its name was resolved. */
  constructor(terms: EndpointTls, host: string, log: Log) {
    this.#terms = terms;
    this.#name = terms.serverName ?? host;
    this.#log = log;
    this.look();
  }

  /** Reads the files, if they look other than before. */
  look(): void {
    const { ca, cert, key } = this.#terms;
    const looks = [ca, cert, key].map(looksOf).join(', ');
    if (looks === this.#looks) return;
    this.#looks = looks;
    try {
      this.#context = tls.createSecureContext({
        minVersion: 'TLSv1.2',
        ...(ca !== undefined && { ca: readFileSync(ca) }),
        ...(cert !== undefined && { cert: readFileSync(cert) }),
        ...(key !== undefined && { key: readFileSync(key) }),
      });
      // What was verified under another authority is to be verified again.
      this.#session = undefined;
    } catch (fault) {
      this.#fault = reasonOf(fault);
      this.#log.error({ ca, cert, key, fault: this.#fault }, 'files for TLS to endpoints cannot be used');
    }
  }

  /**
   * A socket to an endpoint; `secureConnect` says that hands were shaken and the certificate is the right one.
   * `introduction` is said before that, in plain.
   */
  connect(
    address: Address,
    protocol: 'http/1.1' | 'h2',
    introduction: string,
    onread?: OnReadOpts,
  ): tls.TLSSocket {
    // `onread` goes through to `node:net`, which the types do not know.
    const options: tls.ConnectionOptions & { readonly onread?: OnReadOpts } = {
      ...(introduction === '' ? { ...address, lookup } : { socket: introduced(address, introduction) }),
      ...(this.#context && { secureContext: this.#context }),
      ...(this.#session && { session: this.#session }),
      // An IP address is no name to ask for, but one to find in the certificate.
      ...(isIP(this.#name) === 0 && { servername: this.#name }),
      checkServerIdentity: (_, certificate) => tls.checkServerIdentity(this.#name, certificate),
      rejectUnauthorized: this.#terms.verify ?? true,
      ALPNProtocols: [protocol],
      ...(onread && { onread }),
    };
    const socket = tls.connect(options);
    socket.setNoDelay(true);
    socket.on('session', (session) => {
      this.#session = session;
    });
    if (this.#context === undefined) socket.destroy(new Error(this.#fault));
    return socket;
  }
}

/** What is written while it connects goes out before what anybody writes who waits for that. */
function introduced(address: Address, introduction: string): net.Socket {
  const socket = net.connect({ ...address, lookup });
  socket.write(introduction, 'latin1');
  return socket;
}

/** Whose certificate an endpoint must show, unless a server name is given. */
export function hostOf(endpoint: string): string {
  const named = parseAddress(endpoint);
  return typeof named === 'object' && 'host' in named ? named.host : 'localhost';
}

function looksOf(file: string | undefined): string {
  const stat = file === undefined ? undefined : statSync(file, { throwIfNoEntry: false });
  return stat === undefined ? '-' : `${stat.ino} ${stat.size} ${stat.mtimeMs}`;
}
