import { INLET } from '../base/inlet.ts';

/**
 * Classes of bytes, as tables of 256, so that one look decides (RFC 9110 §5.6.2, RFC 9112 §2–3).
 * 0 is in no class: a head is always followed by a 0 that is not part of it, and so no loop that runs
 * through a class needs to ask where the data ends.
 */
export const TAB = 9;
export const LF = 10;
export const CR = 13;
export const SPACE = 32;
export const COMMA = 44;
export const SLASH = 47;
export const COLON = 58;
export const SEMICOLON = 59;

/** Value in TOKEN of the one token character that some servers read as a dash. */
export const UNDERSCORE = 2;

/** tchar: 1, or UNDERSCORE. */
export const TOKEN = table("!#$%&'*+-.^`|~", alphanumerics());
TOKEN[0x5f] = UNDERSCORE;

/** What a field value may hold: tab, space, visible ASCII and obs-text. */
export const VALUE = new Uint8Array(256);
for (let byte = 0x20; byte < 256; byte++) VALUE[byte] = 1;
VALUE[TAB] = 1;
VALUE[0x7f] = 0;

const INLET_WORDS = viewOf(INLET);

/** The same bytes, to be read four at a time. */
export function wordsOf(buffer: Buffer): DataView {
  return buffer === INLET ? INLET_WORDS : viewOf(buffer);
}

function viewOf({ buffer, byteOffset, length }: Buffer): DataView {
  return new DataView(buffer, byteOffset, length);
}

/**
 * The first position from `at` on that is no VALUE; no further than `end`, where the 0 is. Most bytes of a head are
 * in values, so they are looked at four at a time: bytes below 0x20 and bytes that are 0x7f show by what they borrow
 * (S. E. Anderson, Bit Twiddling Hacks: "byte less than n", "zero byte"). A tab shows, too, and is looked at by itself.
 */
export function endOfValue(buffer: Buffer, words: DataView, at: number, end: number): number {
  let i = at;
  for (; i < end - 3; i += 4) {
    const word = words.getInt32(i, true);
    const deleted = word ^ 0x7f7f7f7f;
    const odd = ((word - 0x20202020) & ~word) | ((deleted - 0x01010101) & ~deleted);
    if ((odd & 0x80808080) !== 0) break;
  }
  while (VALUE[buffer[i]!] !== 0) i++;
  return i;
}

/** What a request target may hold: visible ASCII but `#`, since a fragment never travels. */
export const TARGET = new Uint8Array(256);
for (let byte = 0x21; byte < 0x7f; byte++) TARGET[byte] = 1;
TARGET[0x23] = 0;

/** What a host name may hold. Percent-encoding and sub-delims are legal there, and used by nobody honest. */
export const HOST = table('-._', alphanumerics());

/** The value of a hexadecimal digit, or -1. */
export const HEX = new Int8Array(256).fill(-1);
for (let digit = 0; digit < 16; digit++) {
  HEX[digit.toString(16).charCodeAt(0)] = digit;
  HEX[digit.toString(16).toUpperCase().charCodeAt(0)] = digit;
}

export function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}

/** Whether buffer[start, end) is `word`, which is in lower case, letters of any case counting as equal. */
export function equalsFolded(buffer: Uint8Array, start: number, end: number, word: Uint8Array): boolean {
  const length = word.length;
  if (end - start !== length) return false;
  for (let i = 0; i < length; i++) {
    const byte = buffer[start + i]!;
    if (byte !== word[i] && (byte < 0x41 || byte > 0x5a || (byte | 0x20) !== word[i])) return false;
  }
  return true;
}

/** ASCII bytes of a word. */
export function ascii(word: string): Uint8Array {
  return Uint8Array.from(word, (char) => char.charCodeAt(0));
}

function alphanumerics(): string {
  return '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';
}

function table(...characters: string[]): Uint8Array {
  const out = new Uint8Array(256);
  for (const char of characters.join('')) out[char.charCodeAt(0)] = 1;
  return out;
}

/** buffer[start, end) as text, a character a byte. (Buffer's own, which its type does not tell of: the documented `toString('latin1')` does the same and takes three times as long.) */
export function text(buffer: Buffer, start: number, end: number): string {
  return start === end ? '' : (buffer as Buffer & Latin1).latin1Slice(start, end);
}

interface Latin1 {
  latin1Slice(start: number, end: number): string;
}

/** Whether buffer[start, end) is exactly `word`. */
export function equals(buffer: Uint8Array, start: number, end: number, word: Uint8Array): boolean {
  if (end - start !== word.length) return false;
  for (let i = 0; i < word.length; i++) if (buffer[start + i] !== word[i]) return false;
  return true;
}
