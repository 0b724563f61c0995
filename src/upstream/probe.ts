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
import { type Wire, wireOf } from '../model/wire.ts';
import type { Asker, End } from './asker.ts';
import type { Channel, UpstreamTerms } from './channel.ts';
import { dial, type Opening } from './dial.ts';
import { type Finding, type Inquiry, inquiryOf } from './inquiry.ts';
import { isOurLack } from './lack.ts';
import { Pool, type WireLimits } from './pool.ts';
import { hostOf, Security } from './security.ts';

/** Limits of what is read of an answer to a probe. */
const LIMITS: WireLimits = { targetBytes: 16_384, headBytes: 32_768, headers: 100, bufferBytes: 131_072 };
/** Bytes of an answer that are read, where its body matters. */
const MOST = 1024;
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

/** A probe ends by its own timer; the times of a request do not matter to it. */
const TERMS: UpstreamTerms = { connect: 1e9, head: 1e9, body: 1e9, keepAlive: 1 };

/** The terms of TLS where a version has none. */
const PUBLIC: EndpointTls = {};

/**
 * Asks an endpoint whether it serves, in what its version speaks unless the policy says otherwise. Undefined if there
 * was no asking, for want of something of our own.
 */
export function probe({ endpoint, address, policy, version, service }: Probed): Promise<Finding | undefined> {
  const { port, host, timeout, scheme } = policy;
  const at = port !== undefined && 'host' in address ? { host: address.host, port } : address;
  const wire = wireOf(service, service.versions[version]);
  const { tls, http2, proxyProtocol } = scheme === undefined ? wire : plainly(scheme, wire);
  const security = tls && securityOf(tls, endpoint);
  const introduction = ownHeader(proxyProtocol);
  const name = host ?? ('host' in address ? endpoint : 'localhost');
  const inquiry = inquiryOf(policy, name);
  if (inquiry === undefined)
    return knock(at, { security, protocol: http2 ? 'h2' : 'http/1.1', introduction }, timeout);
  const pooling = { connections: 1, requests: 1, pending: 0 };
  const pool = new Pool(at, DEADLINES, LIMITS, pooling, silent, security, http2);
  const channel = pool.take(TERMS.connect, true, introduction)!;
  return asked(channel, inquiry, timeout).finally(() => pool.destroy());
}

/** In HTTP/1.1, whatever requests are made in: a health port of another kind. */
function plainly(scheme: 'http' | 'https', { tls = PUBLIC }: Wire): Wire {
  return { tls: scheme === 'https' ? tls : undefined, http2: false, proxyProtocol: undefined };
}

/**
 * A probe goes the way of a request, so that it meets what a request would; on a connection of its own, since one that was accepted long ago says nothing of whether the next one will be.
 */
function asked(channel: Channel, inquiry: Inquiry, timeout: number): Promise<Finding | undefined> {
  return new Promise((resolve) => {
    let body = Buffer.alloc(0);
    const end = (finding: Finding | undefined) => {
      clearTimeout(timer);
      channel.destroy();
      resolve(finding);
    };
    const fail = (says: string) => end({ sound: false, says });
    const timer = setTimeout(
      () => fail(channel.connected ? `it did not answer within ${timeout} ms` : tooLate(timeout)),
      timeout,
    );
    const more = (buffer: Buffer, from: number, to: number, last: End) => {
      body = Buffer.concat([body, buffer.subarray(from, to)]);
      if (body.length > MOST) fail(`its answer is longer than ${MOST} bytes`);
      else if (last !== undefined) end(inquiry.read(body, last));
    };
    const asker: Asker = {
      granted() {},
      interim() {},
      writable() {},
      answer(buffer: Buffer, head: Head, from: number, to: number, last: End) {
        const found = inquiry.heard(buffer, head);
        if (found === undefined) more(buffer, from, to, last);
        else end(found);
      },
      more,
      upgraded: () => fail('it answers 101'),
      failed: (fault: Fault) => (fault === FAULTS.exhausted ? end(undefined) : fail(inTheMiddle(fault.says))),
    };
    channel.ask(asker, TERMS, inquiry.question);
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
