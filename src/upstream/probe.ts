import { TLSSocket } from 'node:tls';
import { Deadlines } from '../base/deadlines.ts';
import { silent } from '../base/log.ts';
import { reasonOf } from '../base/reason.ts';
import type { Head } from '../http/head.ts';
import { ownHeader } from '../http/proxyprotocol.ts';
import type { Address } from '../model/address.ts';
import { FAULTS, type Fault } from '../model/fault.ts';
import type { HealthPolicy } from '../model/health.ts';
import type { Service } from '../model/state.ts';
import type { EndpointTls } from '../model/tls.ts';
import type { Asker } from './asker.ts';
import type { Channel, Question, UpstreamTerms } from './channel.ts';
import { dial, type Opening } from './dial.ts';
import { isOurLack } from './lack.ts';
import { Pool, type WireLimits } from './pool.ts';
import { hostOf, Security } from './security.ts';

/** Limits of what is read of an answer to a probe. */
const LIMITS: WireLimits = { targetBytes: 16_384, headBytes: 32_768, headers: 100, bufferBytes: 131_072 };
/** Nobody sweeps these, as every probe ends by its own timer. */
const DEADLINES = new Deadlines(0, 0);

/** What is probed. */
export interface Probed {
  readonly endpoint: string;
  readonly address: Address;
  readonly policy: HealthPolicy;
  readonly version: string;
  readonly service: Service;
}

/** What one probe found. */
export interface Finding {
  readonly sound: boolean;
  /** In a few words, as the end of "because …". */
  readonly says: string;
}

/** A probe ends by its own timer; the times of a request do not matter to it. */
const TERMS: UpstreamTerms = { connect: 1e9, head: 1e9, body: 1e9, keepAlive: 1 };

/** The terms of TLS where a version has none. */
const PUBLIC: EndpointTls = {};

/**
 * Asks an endpoint whether it serves, in what its version speaks unless the policy says otherwise. Undefined if there
 * was no asking, for want of something of our own.
 */
export function probe({ endpoint, address, policy, version, service }: Probed): Promise<Finding | undefined> {
  const { path, port, host, timeout, scheme } = policy;
  const at = port !== undefined && 'host' in address ? { host: address.host, port } : address;
  const {
    tls = service.tls,
    protocol = service.protocol,
    proxyProtocol = service.proxyProtocol,
  } = service.versions[version] ?? {};
  const terms = scheme === undefined ? tls : scheme === 'https' && (tls || PUBLIC);
  const security = terms ? securityOf(terms, endpoint) : undefined;
  const http2 = scheme === undefined && (protocol === 'h2' || protocol === 'h2c');
  const introduction = scheme === undefined ? ownHeader(proxyProtocol) : '';
  if (path === undefined)
    return knock(at, { security, protocol: http2 ? 'h2' : 'http/1.1', introduction }, timeout);
  const pooling = { connections: 1, requests: 1, pending: 0 };
  const pool = new Pool(at, DEADLINES, LIMITS, pooling, silent, security, http2);
  const channel = pool.take(TERMS.connect, true, introduction)!;
  const name = host ?? ('host' in address ? endpoint : 'localhost');
  return asked(channel, path, name, policy).finally(() => pool.destroy());
}

/**
 * A probe goes the way of a request, so that it meets what a request would; on a connection of its own, since one that was accepted long ago says nothing of whether the next one will be.
 */
function asked(
  channel: Channel,
  path: string,
  host: string,
  { timeout, status }: HealthPolicy,
): Promise<Finding | undefined> {
  const [least, most = least] = status.split('-').map(Number) as [number, number?];
  return new Promise((resolve) => {
    const over = (finding: Finding | undefined) => {
      clearTimeout(timer);
      channel.destroy();
      resolve(finding);
    };
    const end = (sound: boolean, says: string) => over({ sound, says });
    const timer = setTimeout(
      () => end(false, channel.connected ? `it did not answer within ${timeout} ms` : tooLate(timeout)),
      timeout,
    );
    const asker: Asker = {
      granted() {},
      interim() {},
      writable() {},
      answer(_: Buffer, head: Head) {
        const sound = head.status >= least && head.status <= most;
        end(sound, `it answers ${head.status}${sound ? '' : `, which is not ${status}`}`);
      },
      more() {},
      upgraded: () => end(false, 'it answers 101'),
      failed: (fault: Fault) =>
        fault === FAULTS.exhausted ? over(undefined) : end(false, inTheMiddle(fault.says)),
    };
    const question: Question = {
      lines: `GET ${path} HTTP/1.1\r\nhost: ${host}\r\nuser-agent: spillway\r\n`,
      chunked: false,
      payload: '',
      end: '',
      headOnly: false,
      expects: false,
      upgrade: undefined,
    };
    channel.ask(asker, TERMS, question);
  });
}

/** What is known of TLS to an endpoint, by the document it is told in. */
const SECURITIES = new WeakMap<EndpointTls, Map<string, Security>>();

/** Files are read again when they have changed. */
function securityOf(tls: EndpointTls, endpoint: string): Security {
  const known = SECURITIES.get(tls) ?? new Map<string, Security>();
  SECURITIES.set(tls, known);
  const security = known.get(endpoint) ?? new Security(tls, hostOf(endpoint), silent);
  known.set(endpoint, security);
  security.look();
  return security;
}

/** Asks no more than that a connection is accepted, and by TLS that it is the right one's. */
function knock(address: Address, opening: Opening, timeout: number): Promise<Finding | undefined> {
  return new Promise((resolve) => {
    const socket = dial(address, opening);
    const over = (finding: Finding | undefined) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(finding);
    };
    const end = (sound: boolean, says: string) => over({ sound, says });
    const timer = setTimeout(() => end(false, tooLate(timeout)), timeout);
    const sign = socket instanceof TLSSocket ? 'secureConnect' : 'connect';
    socket.once(sign, () => end(true, 'it accepts connections'));
    socket.on('error', (error) => (isOurLack(error) ? over(undefined) : end(false, reasonOf(error))));
  });
}

function tooLate(timeout: number): string {
  return `it did not accept a connection within ${timeout} ms`;
}

/** A sentence as part of another. */
function inTheMiddle(sentence: string): string {
  return sentence.charAt(0).toLowerCase() + sentence.slice(1).replace(/\.$/, '');
}
