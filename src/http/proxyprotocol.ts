import { isIP } from 'node:net';
import type { ProxyProtocol } from '../model/tls.ts';
import { MORE } from './head.ts';

/**
 * The PROXY protocol, versions 1 and 2 (haproxy.org/download/3.0/doc/proxy-protocol.txt): what a proxy says
 * of the client before the client's first byte. Read strictly, since whoever can bend it can be anybody.
 */

/** One end of a connection. */
export interface End {
  readonly address: string;
  readonly port: number;
}

/** Both ends of the connection that a client made. */
export interface Ends {
  readonly source: End;
  readonly destination: End;
}

export interface ProxyHeader {
  /** Bytes it takes; what follows is the client's. */
  readonly length: number;
  /** Undefined if the proxy speaks for itself, or the client has no address of the Internet's. */
  readonly ends: Ends | undefined;
}

/** It is no PROXY header. */
export const NO_HEADER = -2;

const V1 = Buffer.from('PROXY ', 'latin1');
const V2 = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
/** The longest line there can be: two IPv6 addresses and ports. */
const LONGEST_V1 = 107;
/** Address and extensions of version 2, bytes; what is known to be in use takes some hundred. */
const LONGEST_V2 = 4096;

/** The header that buffer[0, end) begins with; MORE if it has not come whole. */
export function parseProxyHeader(buffer: Buffer, end: number): ProxyHeader | typeof MORE | typeof NO_HEADER {
  const signature = buffer[0] === V2[0] ? V2 : V1;
  const seen = Math.min(end, signature.length);
  if (buffer.compare(signature, 0, seen, 0, seen) !== 0) return NO_HEADER;
  if (seen < signature.length) return MORE;
  return signature === V2 ? version2(buffer, end) : version1(buffer, end);
}

function version1(buffer: Buffer, end: number): ProxyHeader | typeof MORE | typeof NO_HEADER {
  const text = buffer.toString('latin1', 0, Math.min(end, LONGEST_V1));
  const lineEnd = text.indexOf('\r\n');
  if (lineEnd < 0) return end < LONGEST_V1 ? MORE : NO_HEADER;
  const length = lineEnd + 2;
  const line = text.slice(0, lineEnd);
  if (line === 'PROXY UNKNOWN' || line.startsWith('PROXY UNKNOWN ')) return { length, ends: undefined };
  const [, family, source, destination, sourcePort, destinationPort, more] = line.split(' ');
  const wanted = family === 'TCP4' ? 4 : family === 'TCP6' ? 6 : -1;
  const sound =
    more === undefined &&
    isAddress(source, wanted) &&
    isAddress(destination, wanted) &&
    isPort(sourcePort) &&
    isPort(destinationPort);
  if (!sound) return NO_HEADER;
  const point = (address: string, port: string): End => ({
    address: wanted === 6 ? addressOf(bytesOf(address)) : address,
    port: Number(port),
  });
  return {
    length,
    ends: { source: point(source!, sourcePort!), destination: point(destination!, destinationPort!) },
  };
}

function isAddress(text: string | undefined, family: number): boolean {
  return text !== undefined && !text.includes('%') && isIP(text) === family;
}

function isPort(text: string | undefined): boolean {
  return text !== undefined && /^(0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 65_535;
}

function version2(buffer: Buffer, end: number): ProxyHeader | typeof MORE | typeof NO_HEADER {
  if (end < 16) return MORE;
  const command = buffer[12]!;
  const family = buffer[13]! >> 4;
  const transport = buffer[13]! & 0x0f;
  const rest = buffer.readUInt16BE(14);
  if ((command !== 0x20 && command !== 0x21) || family > 3 || transport > 2 || rest > LONGEST_V2)
    return NO_HEADER;
  const length = 16 + rest;
  const size = [0, 4, 16, 108][family]!;
  // The addresses, and with those of the Internet two ports.
  const due = family === 0 ? 0 : 2 * size + (family === 3 ? 0 : 4);
  if (command === 0x21 && rest < due) return NO_HEADER;
  if (end < length) return MORE;
  if (command === 0x20 || transport !== 1 || (family !== 1 && family !== 2))
    return { length, ends: undefined };
  const point = (index: 0 | 1): End => ({
    address: addressOf(buffer.subarray(16 + index * size, 16 + (index + 1) * size)),
    port: buffer.readUInt16BE(16 + 2 * size + 2 * index),
  });
  return { length, ends: { source: point(0), destination: point(1) } };
}

/** The header that tells an endpoint of a client, a character a byte. Without a client: we speak for ourselves. */
export function proxyHeader(version: ProxyProtocol, ends: Ends | undefined): string {
  return version === 'v1' ? line(ends) : block(ends);
}

/** What goes before a request of our own; nothing, unless the endpoint expects it. */
export function ownHeader(version: ProxyProtocol | undefined): string {
  return version ? proxyHeader(version, undefined) : '';
}

function line(ends: Ends | undefined): string {
  if (ends === undefined) return 'PROXY UNKNOWN\r\n';
  const { source, destination } = ends;
  const six = isIP(source.address) === 6 || isIP(destination.address) === 6;
  const [from, to] = [source.address, destination.address].map((address) =>
    six && isIP(address) === 4 ? `::ffff:${address}` : withoutZone(address),
  );
  return `PROXY ${six ? 'TCP6' : 'TCP4'} ${from} ${to} ${source.port} ${destination.port}\r\n`;
}

function block(ends: Ends | undefined): string {
  if (ends === undefined) return `${V2.toString('latin1')}\x20\0\0\0`;
  const { source, destination } = ends;
  let from = bytesOf(source.address);
  let to = bytesOf(destination.address);
  if (from.length !== to.length) [from, to] = [mapped(from), mapped(to)];
  const family = from.length === 4 ? '\x11' : '\x21';
  const rest = Buffer.alloc(2 + 2 * from.length + 4);
  rest.writeUInt16BE(rest.length - 2, 0);
  rest.set(from, 2);
  rest.set(to, 2 + from.length);
  rest.writeUInt16BE(source.port, rest.length - 4);
  rest.writeUInt16BE(destination.port, rest.length - 2);
  return `${V2.toString('latin1')}\x21${family}${rest.toString('latin1')}`;
}

/** By which of our networks a neighbour is reached means nothing to anybody else. */
function withoutZone(address: string): string {
  return address.replace(/%.*$/, '');
}

/** An IPv4 address as it is written where IPv6 is spoken. */
function mapped(bytes: Uint8Array): Uint8Array {
  return bytes.length === 16 ? bytes : Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, ...bytes);
}

/** The 4 or 16 bytes of an address. */
function bytesOf(address: string): Uint8Array {
  if (isIP(address) === 4) return Uint8Array.from(address.split('.'), Number);
  // A URL knows every way of writing it, and has one way of its own, without dots.
  const [head = '', tail] = shortest(withoutZone(address)).split('::');
  const groups = (text = '') => (text === '' ? [] : text.split(':'));
  const [front, back] = [groups(head), groups(tail)];
  const all = [...front, ...Array<string>(8 - front.length - back.length).fill('0'), ...back];
  return Uint8Array.from(all.flatMap((group) => [parseInt(group, 16) >> 8, parseInt(group, 16) & 0xff]));
}

/** An address in its one canonical form; one of IPv4 in IPv6's clothes comes out as IPv4. */
function addressOf(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  if (mapped(bytes.subarray(12)).every((byte, at) => byte === bytes[at])) return bytes.subarray(12).join('.');
  const groups = Array.from({ length: 8 }, (_, at) =>
    ((bytes[2 * at]! << 8) | bytes[2 * at + 1]!).toString(16),
  );
  return shortest(groups.join(':'));
}

function shortest(address: string): string {
  return new URL(`http://[${address}]/`).hostname.slice(1, -1);
}
