import type { Head } from '../http/head.ts';
import { COOKIE } from '../http/names.ts';
import { type CompiledKey, findCookie, MINTED_COOKIE } from '../routing/key.ts';
import type { Mint } from './mint.ts';

/** How long a minted key is good for: longer than any rollout, shorter than for ever. */
const KEY_COOKIE = 'Path=/; Max-Age=2592000; HttpOnly; SameSite=Lax';
const MINTED = Buffer.from(MINTED_COOKIE, 'latin1');

/** A client's key: bytes[start, end), where it comes from, and the line that hands it out if it is new. */
export interface FoundKey {
  bytes: Buffer;
  start: number;
  end: number;
  why: 'header' | 'cookie' | 'minted' | 'address' | 'random';
  setCookie: string;
}

/** Written over by every call: keys are looked at once, at once. */
const found: FoundKey = { bytes: Buffer.alloc(0), start: 0, end: 0, why: 'random', setCookie: '' };

/** The key ladder: named header, named cookie, minted cookie, client address; made up where there is none. */
export function findKey(
  buffer: Buffer,
  head: Head,
  key: CompiledKey,
  client: { readonly address: string; readonly scheme: string },
  mint: Mint,
): FoundKey {
  found.bytes = buffer;
  found.setCookie = '';
  if (key.header !== undefined && inHeader(buffer, head, key.header)) {
    found.why = 'header';
    return found;
  }
  if (head.has(COOKIE)) {
    if (key.cookie !== undefined && inCookies(buffer, head, key.cookie)) {
      found.why = 'cookie';
      return found;
    }
    if (key.mint && inCookies(buffer, head, MINTED)) {
      found.why = 'minted';
      return found;
    }
  }
  const made = key.mint || !key.address ? mint.key() : client.address;
  found.bytes = Buffer.from(made, 'latin1');
  found.start = 0;
  found.end = found.bytes.length;
  found.why = key.mint ? 'minted' : key.address ? 'address' : 'random';
  if (key.mint) {
    const secure = client.scheme === 'https' ? '; Secure' : '';
    found.setCookie = `set-cookie: ${MINTED_COOKIE}=${made}; ${KEY_COOKIE}${secure}\r\n`;
  }
  return found;
}

/** A header that is there twice names two keys, and so none. */
function inHeader(buffer: Buffer, head: Head, name: Uint8Array): boolean {
  const index = head.findName(buffer, name);
  if (index < 0) return false;
  found.start = head.spans[4 * index + 2]!;
  found.end = head.spans[4 * index + 3]!;
  return found.end > found.start;
}

function inCookies(buffer: Buffer, head: Head, name: Uint8Array): boolean {
  for (let i = head.find(COOKIE); i >= 0; i = head.find(COOKIE, i + 1)) {
    if (findCookie(buffer, head.spans[4 * i + 2]!, head.spans[4 * i + 3]!, name, found)) return true;
  }
  return false;
}
