import { LF } from './bytes.ts';

/**
 * Bytes that cannot be worked on yet: the start of a head that has not come whole. Kept with one byte to
 * spare behind them, for the 0 that ends every look (bytes.ts); a buffer's last byte is never data.
 */

/** A copy of buffer[at, end). */
export function hold(buffer: Buffer, at: number, end: number): Buffer {
  const held = Buffer.allocUnsafeSlow(end - at + 1);
  buffer.copy(held, 0, at, end);
  return held;
}

/** What was held from `at` on, and `length` bytes of `more` behind it. */
export function join(held: Buffer, at: number, more: Buffer, length: number): Buffer {
  const before = held.length - 1 - at;
  const joined = Buffer.allocUnsafeSlow(before + length + 1);
  held.copy(joined, 0, at, at + before);
  more.copy(joined, before, 0, length);
  return joined;
}

/**
 * Whether `length` more bytes are worth a look at the whole: only a line end can complete a head, and looking
 * at every packet would cost a byte-wise sender's square. Above `limit` it is looked at to be refused.
 */
export function worthALook(more: Buffer, length: number, whole: Buffer, limit: number): boolean {
  return whole.length > limit || more.subarray(0, length).includes(LF);
}
