import { STATUS_CODES } from 'node:http';
import { allowedTrailers } from './chunked.ts';
import {
  BAD,
  BAD_METHOD,
  type Head,
  type HeadLimits,
  MORE,
  parseFields,
  parseRequest,
  parseResponse,
  TOO_LARGE,
} from './head.ts';

/**
 * Heads as HTTP/2 has them, a list of names and values (RFC 9113 §8), from and to HTTP/1.1.
 *
 * There is one set of rules for heads, and it is in head.ts. So a list that comes in is written as the one
 * HTTP/1.1 head it can mean and given to that parser; what is left to check here is only what a list can say
 * and lines cannot. A value that would come out as more than one line, or a target as more than one, shows in
 * what the parser found: other positions, another number of fields.
 *
 * A list is flat: name, value, name, value.
 */
export type List = readonly string[];

/** What `node:http2` takes: several values of one name only where they cannot be one. */
export type Fields = Record<string, string | string[]>;

/** Names as HTTP/2 knows them: tokens in lower case. */
const NAME = /^[a-z0-9!#$%&'*+.^_`|~-]+$/;

/** What is said of a connection has no meaning in a stream (RFC 9113 §8.2.2). */
const OF_CONNECTION = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
]);

/** Methods whose requests say how long their body is, even if there is none (RFC 9110 §8.6). */
const WITH_BODY = new Set(['POST', 'PUT', 'PATCH']);

/**
 * Writes a request's list into `buffer` as a head of HTTP/1.1 and parses it. `ended`: no body follows. Returns
 * where the head ends, or why it is refused, as `parseRequest` does.
 */
export function parseRequestList(
  list: List,
  ended: boolean,
  buffer: Buffer,
  head: Head,
  limits: HeadLimits,
): number {
  let method: string | undefined;
  let scheme: string | undefined;
  let path: string | undefined;
  let authority: string | undefined;
  let host: string | undefined;
  let cookie: string | undefined;
  let lines = '';
  let count = 0;
  let length: string | undefined;
  let regular = false;
  for (let i = 0; i < list.length; i += 2) {
    const name = list[i]!;
    const value = list[i + 1]!;
    if (name.charCodeAt(0) === 0x3a) {
      if (regular) return BAD;
      if (name === ':method' && method === undefined) method = value;
      else if (name === ':scheme' && scheme === undefined) scheme = value;
      else if (name === ':path' && path === undefined) path = value;
      else if (name === ':authority' && authority === undefined) authority = value;
      else return BAD;
      continue;
    }
    regular = true;
    if (!NAME.test(name) || OF_CONNECTION.has(name)) return BAD;
    switch (name) {
      case 'host':
        if (host !== undefined) return BAD;
        host = value;
        continue;
      case 'cookie':
        // A cookie may be sent in crumbs, to be compressed better (RFC 9113 §8.2.3).
        cookie = cookie === undefined ? value : `${cookie}; ${value}`;
        continue;
      case 'te':
        if (value.toLowerCase() !== 'trailers') return BAD;
        break;
      case 'content-length':
        length ??= value;
        break;
    }
    lines += `${name}: ${value}\r\n`;
    count++;
  }
  if (method === 'CONNECT') return BAD_METHOD;
  if (method === undefined || path === undefined || (scheme !== 'http' && scheme !== 'https')) return BAD;
  if (authority !== undefined && host !== undefined && authority.toLowerCase() !== host.toLowerCase())
    return BAD;
  if (authority === undefined && host === undefined) return BAD;
  if (cookie !== undefined) {
    lines += `cookie: ${cookie}\r\n`;
    count++;
  }
  if (ended && length !== undefined && length !== '0') return BAD;
  if (length === undefined && (!ended || WITH_BODY.has(method))) {
    lines += ended ? 'content-length: 0\r\n' : 'transfer-encoding: chunked\r\n';
    count++;
  }
  const end = put(`${method} ${path} HTTP/1.1\r\nhost: ${authority ?? host}\r\n${lines}\r\n`, buffer);
  const parsed = end === TOO_LARGE ? end : parseRequest(buffer, 0, end, head, limits);
  if (parsed < 0) return parsed === MORE ? BAD : parsed;
  const asMeant =
    asWritten(head, parsed, end, count + 1) &&
    head.methodEnd === method.length &&
    head.targetEnd - head.targetStart === path.length &&
    !head.absolute;
  return asMeant ? parsed : BAD;
}

/** As `parseRequestList`, for the list of an answer, interim ones among them. */
export function parseResponseList(list: List, buffer: Buffer, head: Head, limits: HeadLimits): number {
  let lines = '';
  let count = 0;
  const status = list[0] === ':status' ? list[1]! : '';
  if (!/^[1-5][0-9][0-9]$/.test(status)) return BAD;
  for (let i = 2; i < list.length; i += 2) {
    const name = list[i]!;
    if (!NAME.test(name) || OF_CONNECTION.has(name)) return BAD;
    lines += `${name}: ${list[i + 1]!}\r\n`;
    count++;
  }
  // HTTP/2 has no reason phrases, and there are clients that cannot do without.
  const end = put(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${lines}\r\n`, buffer);
  const parsed = end === TOO_LARGE ? end : parseResponse(buffer, 0, end, head, limits);
  if (parsed < 0) return parsed === MORE ? BAD : parsed;
  return asWritten(head, parsed, end, count) ? parsed : BAD;
}

/** The trailers in a list that may travel on, as lines; undefined if it is not sound. `head` is written over. */
export function trailerLines(list: List, head: Head, limits: HeadLimits): string | undefined {
  let lines = '';
  for (let i = 0; i < list.length; i += 2) {
    if (!NAME.test(list[i]!)) return undefined;
    lines += `${list[i]!}: ${list[i + 1]!}\r\n`;
  }
  const section = Buffer.from(`${lines}\r\n\0`, 'latin1');
  head.reset(0);
  const parsed = parseFields(section, 0, section.length - 1, head, limits);
  return asWritten(head, parsed, section.length - 1, list.length / 2)
    ? allowedTrailers(section, head)
    : undefined;
}

/** Whether a head holds what was written and no more: every field a line of its own, nothing trimmed. */
function asWritten(head: Head, parsed: number, end: number, count: number): boolean {
  return parsed === end && head.count === count && !head.loose;
}

/** Puts a head into a buffer, and the 0 behind it that parsing needs. Where it ends, or TOO_LARGE. */
function put(head: string, buffer: Buffer): number {
  if (head.length >= buffer.length) return TOO_LARGE;
  const end = buffer.write(head, 'latin1');
  buffer[end] = 0;
  return end;
}

/** Canonical lines of an answer as `node:http2` takes them: what they say of the connection is left out. */
export function responseFields(lines: string): Fields {
  const start = lines.indexOf('\r\n') + 2;
  const status = lines.slice(9, 12);
  const fields = fieldsFrom({ __proto__: null, ':status': status } as unknown as Fields, lines, start);
  // Whatever content an endpoint gives a 205, which may have none (RFC 9110 §15.3.6), Node ends it with its head.
  if (status === '205') delete fields['content-length'];
  return fields;
}

/** Canonical lines of a request, the same way. */
export function requestFields(lines: string, scheme: string): Fields {
  const start = lines.indexOf('\r\n') + 2;
  const [method, path] = lines.slice(0, start).split(' ', 2);
  const fields = fieldsFrom(
    {
      __proto__: null,
      ':method': method!,
      ':scheme': scheme,
      ':authority': '',
      ':path': path!,
    } as unknown as Fields,
    lines,
    start,
  );
  fields[':authority'] = fields['host'] ?? '';
  delete fields['host'];
  return fields;
}

/** Canonical trailer lines, the same way. */
export function trailerFields(lines: string): Fields {
  return fieldsFrom({ __proto__: null } as unknown as Fields, lines, 0);
}

function fieldsFrom(fields: Fields, lines: string, start: number): Fields {
  for (let at = start; at < lines.length; ) {
    const colon = lines.indexOf(':', at);
    const end = lines.indexOf('\r\n', colon);
    const name = lines.slice(at, colon).toLowerCase();
    const value = lines.slice(colon + 2, end);
    at = end + 2;
    if (OF_CONNECTION.has(name)) continue;
    const before = fields[name];
    if (before === undefined) fields[name] = name === 'set-cookie' ? [value] : value;
    else if (typeof before !== 'string') before.push(value);
    // Lines of one name are one list (RFC 9110 §5.3), but for Set-Cookie. Node refuses two of many a name.
    else fields[name] = name === 'cookie' ? `${before}; ${value}` : `${before}, ${value}`;
  }
  return fields;
}
