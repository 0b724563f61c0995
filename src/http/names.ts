import { ascii, equalsFolded } from './bytes.ts';

/**
 * Field names that mean something to a proxy, as small numbers. All others are OTHER: they are passed on
 * and nobody makes a string of them.
 */
export const OTHER = 0;
export const HOST = 1;
export const CONNECTION = 2;
export const CONTENT_LENGTH = 3;
export const TRANSFER_ENCODING = 4;
export const COOKIE = 5;
export const EXPECT = 6;
export const UPGRADE = 7;
export const KEEP_ALIVE = 8;
export const X_FORWARDED_FOR = 9;
export const X_FORWARDED_PROTO = 10;
export const X_FORWARDED_HOST = 11;
export const X_REQUEST_ID = 12;
export const X_SPILLWAY_VERSION = 13;
/** Hop-by-hop and proxy-only fields: TE, Proxy-Connection, Proxy-Authorization and the like. */
export const HOP = 14;
/** Who the client is, as other proxies say it: Forwarded, X-Real-IP, X-Forwarded-Port, and so on. */
export const PROVENANCE = 15;
/** x-spillway-…, which is ours to set. */
export const OURS = 16;
/** A name with an underscore. */
export const UNDERSCORED = 17;
/** Named by Connection: not passed on. */
export const NOMINATED = 18;
/** What an endpoint tells us, and nobody else, of what has happened. */
export const X_SPILLWAY_EVENT = 19;
/** What a proxy says of the client's certificate: Client-Cert (RFC 9440), X-Client-Cert-… */
export const CREDENTIAL = 20;
export const STRICT_TRANSPORT_SECURITY = 21;
export const DATE = 22;
export const KINDS = 23;

const KNOWN: Record<string, number> = {
  host: HOST,
  connection: CONNECTION,
  'content-length': CONTENT_LENGTH,
  'transfer-encoding': TRANSFER_ENCODING,
  cookie: COOKIE,
  expect: EXPECT,
  upgrade: UPGRADE,
  'keep-alive': KEEP_ALIVE,
  te: HOP,
  'proxy-connection': HOP,
  'proxy-authorization': HOP,
  'proxy-authenticate': HOP,
  'proxy-authentication-info': HOP,
  'http2-settings': HOP,
  'x-forwarded-for': X_FORWARDED_FOR,
  'x-forwarded-proto': X_FORWARDED_PROTO,
  'x-forwarded-host': X_FORWARDED_HOST,
  'x-request-id': X_REQUEST_ID,
  forwarded: PROVENANCE,
  'x-real-ip': PROVENANCE,
  'x-client-ip': PROVENANCE,
  'true-client-ip': PROVENANCE,
  'x-cluster-client-ip': PROVENANCE,
  'client-cert': CREDENTIAL,
  'client-cert-chain': CREDENTIAL,
  'x-client-cert-subject': CREDENTIAL,
  'x-client-cert-sha256': CREDENTIAL,
  'x-client-cert': CREDENTIAL,
  'x-ssl-client-cert': CREDENTIAL,
  'strict-transport-security': STRICT_TRANSPORT_SECURITY,
  date: DATE,
  'x-spillway-version': X_SPILLWAY_VERSION,
  'x-spillway-event': X_SPILLWAY_EVENT,
};

interface Name {
  readonly word: Uint8Array;
  readonly kind: number;
}

/** Known names by their shape: mostly there is none of a name's shape, and hardly ever a second one. */
const BY_SHAPE = Array.from({ length: 256 }, (): Name[] => []);
for (const [name, kind] of Object.entries(KNOWN)) {
  const word = ascii(name);
  BY_SHAPE[shapeOf(word, 0, word.length)]!.push({ word, kind });
}
const X_FORWARDED = ascii('x-forwarded-');
const X_SPILLWAY = ascii('x-spillway-');

/** Length, first and last letter of buffer[start, end) as a number below 256, the same for letters of any case. */
function shapeOf(buffer: Uint8Array, start: number, end: number): number {
  return ((end - start) * 9 + (buffer[start]! | 0x20) * 47 + (buffer[end - 1]! | 0x20)) & 255;
}

/** What the field name at buffer[start, end) is. */
export function nameKind(buffer: Uint8Array, start: number, end: number): number {
  const known = BY_SHAPE[shapeOf(buffer, start, end)]!;
  for (let i = 0; i < known.length; i++) {
    if (equalsFolded(buffer, start, end, known[i]!.word)) return known[i]!.kind;
  }
  return (buffer[start]! | 0x20) === 0x78 ? prefixKind(buffer, start, end) : OTHER;
}

/** What a name that begins with x is, if nobody knows it. */
function prefixKind(buffer: Uint8Array, start: number, end: number): number {
  if (startsWith(buffer, start, end, X_SPILLWAY)) return OURS;
  return startsWith(buffer, start, end, X_FORWARDED) ? PROVENANCE : OTHER;
}

function startsWith(buffer: Uint8Array, start: number, end: number, prefix: Uint8Array): boolean {
  const to = start + prefix.length;
  return to < end && equalsFolded(buffer, start, to, prefix);
}
