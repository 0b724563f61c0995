import { ascii, CR, equalsFolded, HEX, LF, SEMICOLON, VALUE } from './bytes.ts';
import { BAD, type Head, type HeadLimits, MORE, parseFields, TOO_LARGE } from './head.ts';
import { OTHER } from './names.ts';

/**
 * Reads the chunked transfer coding (RFC 9112 §7.1) from however many pieces it comes in. Extensions are
 * dropped; sizes, line ends and the bytes after each chunk must be exactly right.
 *
 * `decode` takes what has arrived and gives back the payload in it as one range of the same buffer: where
 * several chunks arrived together their data is moved together, over the size lines between them.
 */
export const DONE = 1;

/** What the next byte is: the state of a decoder. */
const SIZE = 0;
const DIGITS = 1;
const EXTENSION = 2;
const SIZE_LF = 3;
const DATA = 4;
const DATA_CR = 5;
const DATA_LF = 6;
const TRAILER = 7;

/** Leading zeros are legal; this many digits are not sense any more. */
const MOST_DIGITS = 16;
/** Bytes of extensions in a whole body: they carry nothing for us, so a body of them is an attack. */
const MOST_EXTENSION = 4096;

export class ChunkedDecoder {
  /** The payload found by the last `decode`: buffer[from, to). */
  from = 0;
  to = 0;
  /** Position after the last byte that belongs to this body. */
  next = 0;
  /** The trailer section as it came, or undefined when there is none. Good once `decode` said DONE. */
  trailer: Buffer | undefined;
  #state: number = SIZE;
  #size = 0;
  #digits = 0;
  #extension = 0;

  reset(): void {
    this.#state = SIZE;
    this.#size = 0;
    this.#digits = 0;
    this.#extension = 0;
    this.trailer = undefined;
  }

  /** DONE, MORE, BAD or TOO_LARGE. `fields` is used to check trailers and is written over. */
  decode(buffer: Buffer, start: number, end: number, fields: Head, limits: HeadLimits): number {
    let i = start;
    let to = start;
    let from = -1;
    while (i < end) {
      switch (this.#state) {
        case SIZE:
        case DIGITS: {
          const digit = HEX[buffer[i]!]!;
          if (digit >= 0) {
            this.#size = this.#size * 16 + digit;
            if (++this.#digits > MOST_DIGITS || this.#size > Number.MAX_SAFE_INTEGER) return BAD;
            this.#state = DIGITS;
          } else if (this.#state === SIZE) {
            return BAD;
          } else if (buffer[i] === CR) {
            this.#state = SIZE_LF;
          } else if (buffer[i] === SEMICOLON) {
            this.#state = EXTENSION;
          } else {
            return BAD;
          }
          i++;
          break;
        }
        case EXTENSION:
          if (buffer[i] === CR) this.#state = SIZE_LF;
          else if (VALUE[buffer[i]!] === 0) return BAD;
          else if (++this.#extension > MOST_EXTENSION) return TOO_LARGE;
          i++;
          break;
        case SIZE_LF:
          if (buffer[i] !== LF) return BAD;
          i++;
          this.#state = this.#size === 0 ? TRAILER : DATA;
          break;
        case DATA: {
          const length = Math.min(this.#size, end - i);
          if (from < 0) {
            from = i;
            to = i + length;
          } else {
            buffer.copyWithin(to, i, i + length);
            to += length;
          }
          this.#size -= length;
          i += length;
          if (this.#size === 0) this.#state = DATA_CR;
          break;
        }
        case DATA_CR:
          if (buffer[i] !== CR) return BAD;
          i++;
          this.#state = DATA_LF;
          break;
        case DATA_LF:
          if (buffer[i] !== LF) return BAD;
          i++;
          this.#digits = 0;
          this.#state = SIZE;
          break;
        default: {
          this.from = from < 0 ? start : from;
          this.to = from < 0 ? start : to;
          return this.#trailer(buffer, i, end, fields, limits);
        }
      }
    }
    this.from = from < 0 ? start : from;
    this.to = from < 0 ? start : to;
    this.next = end;
    return MORE;
  }

  /** The trailer section is kept aside until it is whole; nearly always it is the empty line and nothing else. */
  #trailer(buffer: Buffer, at: number, end: number, fields: Head, limits: HeadLimits): number {
    if (this.trailer === undefined && end - at >= 2 && buffer[at] === CR && buffer[at + 1] === LF) {
      this.next = at + 2;
      return DONE;
    }
    const before = this.trailer?.length ?? 0;
    const held = Buffer.alloc(before + end - at + 1);
    if (this.trailer !== undefined) this.trailer.copy(held);
    buffer.copy(held, before, at, end);
    // Only a line end can finish the section; looking earlier would cost a byte-wise sender's square.
    const ended = buffer.subarray(at, end).includes(LF) || held.length > limits.headBytes;
    fields.reset(0);
    const parsed = ended ? parseFields(held, 0, held.length - 1, fields, limits) : MORE;
    if (parsed < MORE) return parsed;
    this.trailer = parsed === MORE ? held.subarray(0, held.length - 1) : fields.count > 0 ? held : undefined;
    this.next = parsed === MORE ? end : at + parsed - before;
    return parsed === MORE ? MORE : DONE;
  }
}

/**
 * Trailer fields that may travel on, as lines, from a parsed trailer section. What frames, routes,
 * authenticates or describes a message must stand in its head (RFC 9110 §6.5.1); as a trailer it can only be
 * there to mislead.
 */
export function allowedTrailers(trailer: Buffer, fields: Head): string {
  let out = '';
  for (let i = 0; i < fields.count; i++) {
    const [nameStart, nameEnd] = [fields.spans[4 * i]!, fields.spans[4 * i + 1]!];
    if (
      fields.kinds[i] !== OTHER ||
      FORBIDDEN.some((name) => equalsFolded(trailer, nameStart, nameEnd, name))
    )
      continue;
    out += `${trailer.toString('latin1', nameStart, nameEnd)}: ${fields.value(trailer, i)}\r\n`;
  }
  return out;
}

const FORBIDDEN = [
  'authorization',
  'www-authenticate',
  'set-cookie',
  'cache-control',
  'content-encoding',
  'content-type',
  'content-range',
  'content-location',
  'age',
  'date',
  'expires',
  'location',
  'retry-after',
  'vary',
  'warning',
  'range',
  'max-forwards',
  'pragma',
  'if-match',
  'if-none-match',
  'if-modified-since',
  'if-unmodified-since',
  'if-range',
  'trailer',
].map(ascii);
