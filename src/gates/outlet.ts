import type { LookupAddress } from 'node:dns';
import { readFileSync } from 'node:fs';
import { isIP, type LookupFunction } from 'node:net';
import { type ConnectionOptions, checkServerIdentity, type SecureContextOptions } from 'node:tls';
import { buildConnector, Client, errors } from 'undici';
import { reasonOf } from '../base/reason.ts';
import { parseAddress } from '../model/address.ts';
import type { EndpointTls } from '../model/tls.ts';
import { NoAnswer } from './fault.ts';
import { isPrivate } from './guard.ts';
import type { World } from './world.ts';

/** How to get there, looked up and checked. */
export interface Way {
  readonly origin: string;
  readonly socketPath?: string;
  /** The only addresses that will be connected to, whatever the name should lead to by then. */
  readonly addresses?: readonly LookupAddress[];
  /** On what terms TLS is spoken there, where they are not the usual ones. */
  readonly secure?: SecureContextOptions &
    Pick<ConnectionOptions, 'servername' | 'checkServerIdentity' | 'rejectUnauthorized'>;
  /** What is said there before everything else, a character a byte. */
  readonly introduction?: string;
}

export interface Request {
  readonly method: string;
  /** With the leading slash, and the query. */
  readonly path: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  /** So many bytes of the answer's body are read; then the connection is closed. */
  readonly most: number;
}

export interface Answer {
  readonly status: number;
  /** Names in lower case; several of a name are joined by a comma. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** Whether there was more of the body than was to be read. */
  readonly cut: boolean;
}

/** Whether an answer is a yes. */
export function isYes({ status }: Answer): boolean {
  return status >= 200 && status < 300;
}

/** A URL read from a setting. Throws NoAnswer when it is none; the text is not shown, as it may be a secret. */
export function readUrl(text: string): URL {
  if (!URL.canParse(text))
    throw new NoAnswer('its url cannot be read; write it as in https://hooks.example.com/path', false);
  return new URL(text);
}

/** Whom a URL leads to, without the parts of it that may be secret. */
export function hostOf(url: string): string {
  return URL.canParse(url) ? new URL(url).host : 'the receiver';
}

/**
 * The way to a URL. The name is resolved here, once, and only the addresses that were checked here are
 * connected to: a name that answers otherwise the next time (DNS rebinding) gains nothing by it. A name with
 * even one private address is refused unless that is allowed. Rejects with NoAnswer.
 */
export async function wayTo(url: URL, allowPrivate: boolean, world: World): Promise<Way> {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const addresses = isIP(host) ? [{ address: host, family: isIP(host) }] : await resolve(host, world);
  if (!allowPrivate && addresses.some(({ address }) => isPrivate(address)))
    throw new NoAnswer(
      `${host} leads to a private address; say allowPrivate: true if it shall be asked all the same`,
      false,
    );
  return { origin: url.origin, addresses };
}

/** The way straight to an endpoint of a version, as its requests go. Throws NoAnswer when there is none. */
export function wayToEndpoint(endpoint: string, tls?: EndpointTls, introduction = ''): Way {
  const address = parseAddress(endpoint);
  if (typeof address === 'string') throw new NoAnswer(`"${endpoint}" is not an address: ${address}`, false);
  const scheme = tls === undefined ? 'http' : 'https';
  const secure = tls && { secure: termsTo('host' in address ? address.host : 'localhost', tls) };
  return 'path' in address
    ? { origin: `${scheme}://localhost`, socketPath: address.path, introduction, ...secure }
    : { origin: `${scheme}://${endpoint}`, introduction, ...secure };
}

/** On these terms the endpoint is believed, and told who asks. */
function termsTo(
  host: string,
  { ca, cert, key, serverName = host, verify = true }: EndpointTls,
): NonNullable<Way['secure']> {
  return {
    ...(ca !== undefined && { ca: pem(ca) }),
    ...(cert !== undefined && { cert: pem(cert) }),
    ...(key !== undefined && { key: pem(key) }),
    minVersion: 'TLSv1.2',
    // An IP address is no name to ask for, but one to find in the certificate.
    ...(isIP(serverName) === 0 && { servername: serverName }),
    checkServerIdentity: (_, certificate) => checkServerIdentity(serverName, certificate),
    rejectUnauthorized: verify,
  };
}

function pem(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new NoAnswer(`${file} cannot be read: ${reasonOf(error)}`, false, error);
  }
}

/**
 * One request on a connection of its own, and its answer. Redirects are answers like any other: following
 * one would lead where nobody has checked. Rejects with NoAnswer, or with the signal's reason.
 */
export async function send(way: Way, request: Request, signal: AbortSignal): Promise<Answer> {
  const client = new Client(way.origin, {
    connect: connector(way),
    // No keep-alive: there is one request.
    pipelining: 0,
    // Whoever asks says how long it may take as a whole.
    headersTimeout: 0,
    bodyTimeout: 0,
  });
  try {
    const { method, path, headers, body = null, most } = request;
    const answer = await client.request({ method, path, headers, body, signal });
    return {
      status: answer.statusCode,
      headers: Object.fromEntries(
        Object.entries(answer.headers).map(([name, value]) => [name, [value].flat().join(', ')]),
      ),
      ...(await read(answer.body, most)),
    };
  } catch (error) {
    signal.throwIfAborted();
    // What may not be sent at all, such as a header of two lines, will not be the next time either.
    throw new NoAnswer(reasonOf(error), !(error instanceof errors.InvalidArgumentError), error);
  } finally {
    void client.destroy();
  }
}

/** Connects, says what is to be said first, and shakes hands if that is to be. */
function connector({ secure, socketPath, addresses, introduction = '' }: Way): buildConnector.connector {
  const connect = buildConnector({
    ...secure,
    ...(socketPath !== undefined && { socketPath }),
    ...(addresses !== undefined && { lookup: alwaysTo(addresses) }),
  });
  if (introduction === '') return connect;
  return (options, done) =>
    connect({ ...options, protocol: 'http:' }, (fault, socket) => {
      if (fault !== null) return done(fault, null);
      socket.write(introduction, 'latin1');
      if (options.protocol === 'https:') connect({ ...options, httpSocket: socket }, done);
      else done(null, socket);
    });
}

async function resolve(host: string, world: World): Promise<readonly LookupAddress[]> {
  try {
    return await world.resolve(host);
  } catch (error) {
    throw new NoAnswer(`${host} cannot be resolved: ${reasonOf(error)}`, true, error);
  }
}

function alwaysTo(addresses: readonly LookupAddress[]): LookupFunction {
  return (_host, options, callback) => {
    if (options.all) callback(null, [...addresses]);
    else callback(null, addresses[0]!.address, addresses[0]!.family);
  };
}

async function read(
  body: AsyncIterable<Buffer>,
  most: number,
): Promise<{ readonly body: string; readonly cut: boolean }> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of body) {
    parts.push(part);
    length += part.length;
    if (length > most) break;
  }
  return { body: Buffer.concat(parts).subarray(0, most).toString('utf8'), cut: length > most };
}
