import { READ_SIZE } from './inlet.ts';

/** Room for what was read, and for a usual head and chunk framing around it. */
const SIZE = READ_SIZE + 4096;

let outlet = Buffer.allocUnsafeSlow(SIZE);

/**
 * A buffer to put together what goes out next. It is the same one again and again, since nearly always the
 * kernel takes all of it during the write; whoever finds that it did not says `outletKept`. Memory for every
 * 64 KB relayed would cost more than copying them. For much less it is not lent: a write that could not be
 * finished would hold many times what it needs.
 */
export function outletFor(size: number): Buffer {
  return size > SIZE / 2 && size <= SIZE ? outlet.subarray(0, size) : Buffer.allocUnsafeSlow(size);
}

/** A write still holds what `outletFor` gave: the next one gets other memory. */
export function outletKept(data: Buffer): void {
  if (data.buffer === outlet.buffer) outlet = Buffer.allocUnsafeSlow(SIZE);
}
