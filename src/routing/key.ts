import type { KeyPolicy } from '../model/state.ts';

/** The cookie in which a client keeps a key that was minted for it. */
export const MINTED_COOKIE = 'spillway_key';

/** Where a service's key comes from, in the form in which heads are read: names as bytes. */
export interface CompiledKey {
  /** Name of the request header, in lower case. */
  readonly header: Uint8Array | undefined;
  /** Name of the request cookie, as it is written. */
  readonly cookie: Uint8Array | undefined;
  /** Whether a client without a key is given one. */
  readonly mint: boolean;
  /** Whether the client address serves as key when there is no other. */
  readonly address: boolean;
}

/** Without a policy, or where it says nothing, keys are minted. */
export function compileKey(policy: KeyPolicy | undefined): CompiledKey {
  return {
    header: policy?.header === undefined ? undefined : Buffer.from(policy.header.toLowerCase(), 'latin1'),
    cookie: policy?.cookie === undefined ? undefined : Buffer.from(policy.cookie, 'latin1'),
    mint: policy?.mint ?? true,
    address: policy?.address ?? false,
  };
}

/** A stretch of a buffer, filled in by whoever finds something. */
export interface Span {
  start: number;
  end: number;
}

const TAB = 0x09;
const SPACE = 0x20;
const QUOTE = 0x22;
const SEMICOLON = 0x3b;
const EQUALS = 0x3d;

/**
 * Looks in one Cookie header value, `buffer[start, end)`, for the first cookie of this name that has a value,
 * and writes where the value stands to `out`. Names are case-sensitive; double quotes around a value are not
 * part of it, white space around a cookie or value neither. Without a find `out` is left alone.
 */
export function findCookie(
  buffer: Uint8Array,
  start: number,
  end: number,
  name: Uint8Array,
  out: Span,
): boolean {
  let at = start;
  while (at < end) {
    at = skipBlanks(buffer, at, end);
    const value = valueStart(buffer, at, end, name);
    while (at < end && buffer[at] !== SEMICOLON) at++;
    if (value > 0 && trimValue(buffer, value, at, out)) return true;
    at++;
  }
  return false;
}

/** Where the value begins if `name=` stands at `at`, else 0. */
function valueStart(buffer: Uint8Array, at: number, end: number, name: Uint8Array): number {
  const equals = at + name.length;
  if (equals >= end || buffer[equals] !== EQUALS) return 0;
  for (let i = 0; i < name.length; i++) if (buffer[at + i] !== name[i]) return 0;
  return equals + 1;
}

function trimValue(buffer: Uint8Array, from: number, to: number, out: Span): boolean {
  let start = skipBlanks(buffer, from, to);
  let end = to;
  while (end > start && isBlank(buffer[end - 1]!)) end--;
  if (end - start >= 2 && buffer[start] === QUOTE && buffer[end - 1] === QUOTE) {
    start++;
    end--;
  }
  if (start === end) return false;
  out.start = start;
  out.end = end;
  return true;
}

function skipBlanks(buffer: Uint8Array, at: number, end: number): number {
  while (at < end && isBlank(buffer[at]!)) at++;
  return at;
}

function isBlank(byte: number): boolean {
  return byte === SPACE || byte === TAB;
}
