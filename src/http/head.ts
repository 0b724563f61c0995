import {
  ascii,
  COLON,
  COMMA,
  CR,
  endOfValue,
  equals,
  equalsFolded,
  HOST as HOST_BYTES,
  isDigit,
  LF,
  SLASH,
  SPACE,
  TAB,
  TARGET,
  TOKEN,
  text,
  UNDERSCORE,
  VALUE,
  wordsOf,
} from './bytes.ts';
import {
  CONNECTION,
  CONTENT_LENGTH,
  EXPECT,
  HOST,
  NOMINATED,
  nameKind,
  OTHER,
  TRANSFER_ENCODING,
  UNDERSCORED,
  UPGRADE,
} from './names.ts';

/**
 * The head of an HTTP/1.1 message, parsed in one pass over its bytes (RFC 9112 §2–6).
 *
 * The rule is: one reading or none. What RFC 9112 lets a recipient repair (bare LF, folded lines, space
 * before the colon, a list of equal lengths) is refused instead, since somewhere behind us is a server that
 * would repair it differently. Nothing is copied and no string is made: a Head holds positions in the buffer
 * it was parsed from and is good for as long as those bytes stay there.
 *
 * Callers own the buffer and must have put a 0 at `buffer[end]` (see bytes.ts).
 */

/** The head is sound as far as it goes, and goes on. */
export const MORE = -1;
/** Results below MORE: why a head is refused. */
export const BAD = -2;
export const TARGET_TOO_LONG = -3;
export const TOO_LARGE = -4;
export const BAD_VERSION = -5;
export const BAD_CODING = -6;
export const BAD_EXPECTATION = -7;
export const BAD_METHOD = -8;

export interface HeadLimits {
  readonly targetBytes: number;
  readonly headBytes: number;
  readonly headers: number;
}

const MOST_FIELDS = 1000;
/** 15 digits are less than 2^53, so a length is always exact. */
const MOST_DIGITS = 15;

/** Tokens in a Connection field: each has to be looked up among all fields. */
const MOST_TOKENS = 32;

const CHUNKED = ascii('chunked');
const CLOSE = ascii('close');
const KEEPALIVE = ascii('keep-alive');
const UPGRADE_WORD = ascii('upgrade');
const CONTINUE = ascii('100-continue');
const HTTP = ascii('HTTP/1.');
const GET = ascii('GET');
const HEAD = ascii('HEAD');
const OPTIONS = ascii('OPTIONS');
/** Methods that may be repeated without harm (RFC 9110 §9.2.2), but GET and HEAD. */
const REPEATABLE = [OPTIONS, ascii('PUT'), ascii('DELETE')];
/** CONNECT would make a tunnel of us, TRACE would echo what cookies and proxies added. */
const UNSERVED = [ascii('CONNECT'), ascii('TRACE')];

export class Head {
  /** Four positions a field: name start, name end, value start, value end (spaces around it left out). */
  readonly spans = new Int32Array(4 * (MOST_FIELDS + 1));
  /** What each field is, by number (names.ts). */
  readonly kinds = new Uint8Array(MOST_FIELDS + 1);
  count = 0;

  /** Where the message begins, after an empty line before it, if there was one. */
  start = 0;
  /** Where the first field begins. */
  fieldsStart = 0;
  /** Where the empty line begins that ends the head; the body begins two bytes later. */
  fieldsEnd = 0;
  /** 1 for HTTP/1.1, 0 for HTTP/1.0. */
  minor = 1;

  methodEnd = 0;
  /** Path and query, without scheme and authority if the target was in absolute-form. Empty means `/`. */
  targetStart = 0;
  targetEnd = 0;
  /** The target was a whole URL. */
  absolute = false;
  /** OPTIONS *. */
  asterisk = false;
  isHead = false;
  /** The method may be repeated without harm (RFC 9110 §9.2.2). */
  idempotent = true;
  /** Authority: of the absolute target, or of the Host field. hostStart is 0 when there is none. */
  hostStart = 0;
  /** End of the name, before a port. */
  hostEnd = 0;
  /** End with the port. */
  authorityEnd = 0;

  status = 0;

  /** Content-Length, or -1 without one. */
  contentLength = -1;
  chunked = false;
  /** Connection says close, or HTTP/1.0 without keep-alive. */
  close = false;
  /** Connection says keep-alive. */
  keepAlive = false;
  /** Connection names upgrade. */
  upgradeNamed = false;
  /** Connection names fields that are not to be passed on. */
  nominates = false;
  expectContinue = false;
  /** Index of the Upgrade field, or -1. */
  upgrade = -1;
  /** Fields of these kinds were seen; a bit each. */
  seen = 0;
  /** Some line is not written as `name: value`, and must be rewritten when it is passed on. */
  loose = false;

  /** Whether a field of this kind is there. */
  has(kind: number): boolean {
    return (this.seen & (1 << kind)) !== 0;
  }

  /** Index of the first field of this kind at or after `from`, or -1. */
  find(kind: number, from = 0): number {
    for (let i = from; i < this.count; i++) if (this.kinds[i] === kind) return i;
    return -1;
  }

  /** Index of the only field with this name (given in lower case), -1 if there is none, -2 if there are more. */
  findName(buffer: Uint8Array, name: Uint8Array): number {
    let found = -1;
    for (let i = 0; i < this.count; i++) {
      if (equalsFolded(buffer, this.spans[4 * i]!, this.spans[4 * i + 1]!, name)) {
        if (found >= 0) return -2;
        found = i;
      }
    }
    return found;
  }

  /** The value of a field as text. */
  value(buffer: Buffer, index: number): string {
    return text(buffer, this.spans[4 * index + 2]!, this.spans[4 * index + 3]!);
  }

  reset(start: number): void {
    this.count = 0;
    this.start = start;
    this.absolute = false;
    this.asterisk = false;
    this.isHead = false;
    this.idempotent = true;
    this.hostStart = 0;
    this.hostEnd = 0;
    this.authorityEnd = 0;
    this.status = 0;
    this.contentLength = -1;
    this.chunked = false;
    this.close = false;
    this.keepAlive = false;
    this.upgradeNamed = false;
    this.nominates = false;
    this.expectContinue = false;
    this.upgrade = -1;
    this.seen = 0;
    this.loose = false;
  }
}

/** Parses a request head. Returns where its body begins, MORE, or why it is refused. */
export function parseRequest(
  buffer: Buffer,
  start: number,
  end: number,
  head: Head,
  limits: HeadLimits,
): number {
  let i = start;
  // One empty line before a request is left over from clients that end a body with one (RFC 9112 §2.2).
  if (buffer[i] === CR) {
    if (i + 1 === end) return MORE;
    if (buffer[i + 1] !== LF) return BAD;
    i += 2;
  }
  head.reset(i);
  while (TOKEN[buffer[i]!] !== 0) i++;
  const methodEnd = i;
  if (methodEnd - head.start > 32) return BAD;
  if (buffer[i] !== SPACE || methodEnd === head.start) return i === end ? MORE : BAD;
  head.methodEnd = methodEnd;
  i++;
  const targetStart = i;
  while (TARGET[buffer[i]!] !== 0) i++;
  if (i - targetStart > limits.targetBytes) return TARGET_TOO_LONG;
  if (buffer[i] !== SPACE || i === targetStart) return i === end ? MORE : BAD;
  head.targetStart = targetStart;
  head.targetEnd = i;
  i++;
  const version = parseVersion(buffer, i, end, head);
  if (version < 0) return version;
  i = version;
  if (buffer[i] !== CR) return i === end ? MORE : BAD;
  if (buffer[i + 1] !== LF) return i + 1 === end ? MORE : BAD;
  head.fieldsStart = i + 2;

  const fields = parseFields(buffer, head.fieldsStart, end, head, limits);
  if (fields < 0) return fields;
  return checkRequest(buffer, head, fields);
}

/** Parses a response head. Returns where its body begins, MORE, or why it is refused. */
export function parseResponse(
  buffer: Buffer,
  start: number,
  end: number,
  head: Head,
  limits: HeadLimits,
): number {
  head.reset(start);
  let i = parseVersion(buffer, start, end, head);
  if (i < 0) return i === BAD_VERSION ? BAD : i;
  if (buffer[i] !== SPACE) return i === end ? MORE : BAD;
  i++;
  let status = 0;
  for (let digits = 0; digits < 3; digits++, i++) {
    const digit = buffer[i]! - 0x30;
    if (digit < 0 || digit > 9) return i === end ? MORE : BAD;
    status = status * 10 + digit;
  }
  if (status < 100 || status > 599) return BAD;
  head.status = status;
  if (buffer[i] === SPACE) {
    i++;
    while (VALUE[buffer[i]!] !== 0) i++;
    if (i - start > limits.headBytes) return TOO_LARGE;
  }
  if (buffer[i] !== CR) return i === end ? MORE : BAD;
  if (buffer[i + 1] !== LF) return i + 1 === end ? MORE : BAD;
  head.fieldsStart = i + 2;
  const fields = parseFields(buffer, head.fieldsStart, end, head, limits);
  if (fields < 0) return fields;
  if (head.chunked && (head.contentLength >= 0 || head.minor === 0)) return BAD;
  return fields;
}

/**
 * Parses field lines up to and with the empty line that ends them; also used for trailers. `head.start` is
 * where the limit on bytes counts from. Returns the position after the empty line, MORE, or why not.
 */
export function parseFields(buffer: Buffer, at: number, end: number, head: Head, limits: HeadLimits): number {
  const spans = head.spans;
  const limit = head.start + limits.headBytes;
  const words = wordsOf(buffer);
  let i = at;
  let count = 0;
  for (;;) {
    const nameStart = i;
    let classes = 0;
    for (let kind = TOKEN[buffer[i]!]!; kind !== 0; kind = TOKEN[buffer[i]!]!) {
      classes |= kind;
      i++;
    }
    const nameEnd = i;
    if (buffer[i] !== COLON || nameEnd === nameStart) {
      if (nameEnd === nameStart && buffer[i] === CR) {
        if (buffer[i + 1] !== LF) return i + 1 === end ? MORE : BAD;
        if (i > limit) return TOO_LARGE;
        head.count = count;
        head.fieldsEnd = i;
        return i + 2;
      }
      return i === end ? (i > limit ? TOO_LARGE : MORE) : BAD;
    }
    i++;
    while (buffer[i] === SPACE || buffer[i] === TAB) i++;
    const valueStart = i;
    i = endOfValue(buffer, words, i, end);
    if (buffer[i] !== CR) return i === end ? (i > limit ? TOO_LARGE : MORE) : BAD;
    if (buffer[i + 1] !== LF) return i + 1 === end ? MORE : BAD;
    let valueEnd = i;
    while (valueEnd > valueStart && (buffer[valueEnd - 1] === SPACE || buffer[valueEnd - 1] === TAB))
      valueEnd--;
    i += 2;
    if (i > limit || count >= limits.headers) return TOO_LARGE;

    const at4 = 4 * count;
    spans[at4] = nameStart;
    spans[at4 + 1] = nameEnd;
    spans[at4 + 2] = valueStart;
    spans[at4 + 3] = valueEnd;
    const kind = (classes & UNDERSCORE) !== 0 ? UNDERSCORED : nameKind(buffer, nameStart, nameEnd);
    head.kinds[count] = kind;
    if (valueStart !== nameEnd + 2 || buffer[nameEnd + 1] !== SPACE || valueEnd !== i - 2) head.loose = true;
    if (kind !== OTHER) {
      const refused = understand(buffer, head, kind, count, valueStart, valueEnd);
      if (refused !== 0) return refused;
      head.seen |= 1 << kind;
    }
    count++;
  }
}

/** Takes in what a known field means. 0, or why the head is refused. */
function understand(
  buffer: Buffer,
  head: Head,
  kind: number,
  index: number,
  start: number,
  end: number,
): number {
  switch (kind) {
    case HOST: {
      if (head.has(HOST)) return BAD;
      const hostEnd = authority(buffer, start, end);
      if (hostEnd < 0) return BAD;
      head.hostStart = start;
      head.hostEnd = hostEnd;
      head.authorityEnd = end;
      return 0;
    }
    case CONTENT_LENGTH: {
      const length = end - start;
      if (head.contentLength >= 0 || length === 0 || length > MOST_DIGITS) return BAD;
      let value = 0;
      for (let i = start; i < end; i++) {
        if (!isDigit(buffer[i]!)) return BAD;
        value = value * 10 + buffer[i]! - 0x30;
      }
      // 010 is ten to us and eight to a server that reads octal.
      if (length > 1 && buffer[start] === 0x30) return BAD;
      head.contentLength = value;
      return 0;
    }
    case TRANSFER_ENCODING:
      if (head.chunked || !equalsFolded(buffer, start, end, CHUNKED)) return BAD_CODING;
      head.chunked = true;
      return 0;
    case CONNECTION:
      return connection(buffer, head, start, end) ? 0 : BAD;
    case EXPECT:
      if (!equalsFolded(buffer, start, end, CONTINUE)) return BAD_EXPECTATION;
      head.expectContinue = true;
      return 0;
    case UPGRADE:
      head.upgrade = head.upgrade === -1 ? index : -2;
      return 0;
    default:
      return 0;
  }
}

/** Reads the tokens of a Connection field. False if one is no token, or there are too many. */
function connection(buffer: Buffer, head: Head, start: number, end: number): boolean {
  let i = start;
  let tokens = 0;
  while (i < end) {
    if (++tokens > MOST_TOKENS) return false;
    while (i < end && (buffer[i] === SPACE || buffer[i] === TAB || buffer[i] === COMMA)) i++;
    const from = i;
    while (i < end && TOKEN[buffer[i]!] !== 0) i++;
    if (i > from) {
      if (equalsFolded(buffer, from, i, CLOSE)) head.close = true;
      else if (equalsFolded(buffer, from, i, KEEPALIVE)) head.keepAlive = true;
      else if (equalsFolded(buffer, from, i, UPGRADE_WORD)) head.upgradeNamed = true;
      else head.nominates = true;
    }
    while (i < end && (buffer[i] === SPACE || buffer[i] === TAB)) i++;
    if (i < end && buffer[i] !== COMMA) return false;
  }
  return true;
}

/**
 * Marks the fields that Connection names, so that they are not passed on (RFC 9110 §7.6.1). It cannot name
 * what others rely on: only fields of no known meaning, and never `spared` (the key's own header, in lower
 * case).
 */
export function dropNominated(buffer: Buffer, head: Head, spared: Uint8Array | undefined): void {
  for (let c = head.find(CONNECTION); c >= 0; c = head.find(CONNECTION, c + 1)) {
    const end = head.spans[4 * c + 3]!;
    let i = head.spans[4 * c + 2]!;
    while (i < end) {
      const from = i;
      while (i < end && TOKEN[buffer[i]!] !== 0) i++;
      if (i > from) nominate(buffer, head, from, i, spared);
      else i++;
    }
  }
}

function nominate(
  buffer: Buffer,
  head: Head,
  from: number,
  to: number,
  spared: Uint8Array | undefined,
): void {
  const name = new Uint8Array(to - from);
  for (let i = from; i < to; i++)
    name[i - from] = buffer[i]! >= 0x41 && buffer[i]! <= 0x5a ? buffer[i]! | 0x20 : buffer[i]!;
  if (spared !== undefined && equalsFolded(name, 0, name.length, spared)) return;
  for (let f = 0; f < head.count; f++) {
    if (head.kinds[f] === OTHER && equalsFolded(buffer, head.spans[4 * f]!, head.spans[4 * f + 1]!, name))
      head.kinds[f] = NOMINATED;
  }
}

/** `HTTP/1.0` or `HTTP/1.1`. Returns the position after it. */
function parseVersion(buffer: Buffer, at: number, end: number, head: Head): number {
  for (let i = 0; i < 7; i++) {
    const byte = buffer[at + i]!;
    if (byte !== HTTP[i]) {
      if (at + i === end) return MORE;
      return i === 5 && isDigit(byte) ? BAD_VERSION : BAD;
    }
  }
  const minor = buffer[at + 7]! - 0x30;
  if (minor < 0 || minor > 9) return at + 7 === end ? MORE : BAD;
  if (minor > 1) return BAD_VERSION;
  head.minor = minor;
  return at + 8;
}

function isOneOf(buffer: Buffer, head: Head, methods: readonly Uint8Array[]): boolean {
  for (const method of methods) if (equals(buffer, head.start, head.methodEnd, method)) return true;
  return false;
}

/** What must hold for a request as a whole (RFC 9112 §3.2, §6). */
function checkRequest(buffer: Buffer, head: Head, bodyStart: number): number {
  if (!equals(buffer, head.start, head.methodEnd, GET)) {
    if (isOneOf(buffer, head, UNSERVED)) return BAD_METHOD;
    head.isHead = equals(buffer, head.start, head.methodEnd, HEAD);
    head.idempotent = head.isHead || isOneOf(buffer, head, REPEATABLE);
  }
  if (buffer[head.targetStart] !== SLASH) {
    const refused = otherTarget(buffer, head);
    if (refused !== 0) return refused;
  }
  if (head.minor === 0) {
    // HTTP/1.0 knows neither transfer codings nor expectations, and closes unless asked not to.
    if (head.chunked) return BAD;
    head.expectContinue = false;
    if (!head.keepAlive) head.close = true;
  } else if (!head.has(HOST)) {
    return BAD;
  }
  if (head.chunked && head.contentLength >= 0) return BAD;
  return bodyStart;
}

/** absolute-form and asterisk-form. 0, or why the request is refused. */
function otherTarget(buffer: Buffer, head: Head): number {
  if (head.targetEnd - head.targetStart === 1 && buffer[head.targetStart] === 0x2a) {
    if (!equals(buffer, head.start, head.methodEnd, OPTIONS)) return BAD;
    head.asterisk = true;
    return 0;
  }
  const scheme = /^https?:\/\//i.exec(
    text(buffer, head.targetStart, Math.min(head.targetEnd, head.targetStart + 8)),
  );
  if (scheme === null) return BAD;
  const start = head.targetStart + scheme[0].length;
  let end = start;
  while (end < head.targetEnd && buffer[end] !== SLASH && buffer[end] !== 0x3f) end++;
  const hostEnd = authority(buffer, start, end);
  if (hostEnd < 0) return BAD;
  // A Host that says something else is a request with two addresses.
  if (head.hostStart > 0) {
    const said = text(buffer, head.hostStart, head.authorityEnd).toLowerCase();
    if (said !== text(buffer, start, end).toLowerCase()) return BAD;
  }
  head.absolute = true;
  head.hostStart = start;
  head.hostEnd = hostEnd;
  head.authorityEnd = end;
  head.targetStart = end;
  return 0;
}

/** Checks `host`, `host:port` or `[ipv6]:port`. Returns where the host ends, or -1. */
function authority(buffer: Buffer, start: number, end: number): number {
  let i = start;
  if (buffer[i] === 0x5b) {
    i++;
    while (
      i < end &&
      (isDigit(buffer[i]!) ||
        buffer[i] === COLON ||
        buffer[i] === 0x2e ||
        ((buffer[i]! | 0x20) >= 0x61 && (buffer[i]! | 0x20) <= 0x66))
    )
      i++;
    if (buffer[i] !== 0x5d || i - start < 3) return -1;
    i++;
  } else {
    while (i < end && HOST_BYTES[buffer[i]!] !== 0) i++;
    if (i === start) return -1;
  }
  const hostEnd = i;
  if (i < end) {
    if (buffer[i] !== COLON || end - i < 2 || end - i > 6) return -1;
    for (i++; i < end; i++) if (!isDigit(buffer[i]!)) return -1;
  }
  return hostEnd;
}
