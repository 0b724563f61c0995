import { outletFor } from '../base/outlet.ts';
import { text } from './bytes.ts';

/** Up to this many bytes of payload go out as part of a string: the runtime encodes it on the stack. */
const SMALL = 12_288;

/**
 * A stretch of a message ready to be written: `lead` (a head, or nothing) and the payload buffer[from, to),
 * with chunk framing if the message is chunked. `end`: undefined if more follows, else the trailer lines.
 * The payload is copied, so the buffer may be read into again. A Buffer that comes back is good until the next
 * call: write it at once, and say `outletKept` if the write could not be finished.
 */
export function piece(
  lead: string,
  buffer: Buffer,
  from: number,
  to: number,
  chunked: boolean,
  end: string | undefined,
): string | Buffer {
  const size = to - from;
  const before = chunked && size > 0 ? `${lead}${size.toString(16)}\r\n` : lead;
  const after = chunked ? closing(size, end) : '';
  if (size === 0) return before + after;
  if (size <= SMALL) return before + text(buffer, from, to) + after;
  const out = outletFor(before.length + size + after.length);
  out.write(before, 0, 'latin1');
  buffer.copy(out, before.length, from, to);
  out.write(after, before.length + size, 'latin1');
  return out;
}

/** A payload that is a string already, as a chunk. */
export function chunk(payload: string, end: string | undefined): string {
  const size = payload.length;
  return `${size > 0 ? `${size.toString(16)}\r\n${payload}` : ''}${closing(size, end)}`;
}

/** What follows the payload of a chunk, and, after the last, ends the message. */
function closing(size: number, end: string | undefined): string {
  const after = size > 0 ? '\r\n' : '';
  if (end === undefined) return after;
  return end === '' ? `${after}0\r\n\r\n` : `${after}0\r\n${end}\r\n`;
}
