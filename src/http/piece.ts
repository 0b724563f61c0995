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
  let before = lead;
  let after = '';
  if (chunked) {
    if (size > 0) {
      before += `${size.toString(16)}\r\n`;
      after = '\r\n';
    }
    if (end !== undefined) after += end === '' ? '0\r\n\r\n' : `0\r\n${end}\r\n`;
  }
  if (size === 0) return before + after;
  if (size <= SMALL) return before + text(buffer, from, to) + after;
  const out = outletFor(before.length + size + after.length);
  out.write(before, 0, 'latin1');
  buffer.copy(out, before.length, from, to);
  out.write(after, before.length + size, 'latin1');
  return out;
}
