/**
 * The one buffer that every socket of this process reads into. A read is consumed, or what is left of it
 * copied aside, before the callback that brought it returns; so one is enough, and a connection that is
 * waiting holds no buffer at all.
 *
 * INLET has one byte more than a read can fill, so that a 0 can be put behind the data (http/bytes.ts).
 */
export const READ_SIZE = 65_536;
export const INLET = Buffer.alloc(READ_SIZE + 1);
/** What sockets are given to read into. */
export const READ_INTO = INLET.subarray(0, READ_SIZE);

/** Copies what a socket has read that cannot be told to read there. `read` as if it had. */
export function copyToInlet(data: Buffer, read: (length: number) => void): void {
  for (let at = 0; at < data.length; at += READ_SIZE) read(data.copy(INLET, 0, at, at + READ_SIZE));
}
