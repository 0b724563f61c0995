/**
 * MurmurHash3, x86 32-bit variant (Austin Appleby, public domain, 2011; SMHasher's MurmurHash3.cpp).
 *
 * Chosen because it is published in every language, so a client, a test or another replica can compute the
 * version of a key for itself, and because its finaliser spreads keys that differ in one digit: sequential
 * user ids come out even, which plain FNV-1a does not manage.
 */
export function murmur3(bytes: Uint8Array, start: number, end: number, seed: number): number {
  let h = seed | 0;
  let i = start;
  for (; i + 4 <= end; i += 4) {
    const block = bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24);
    h = mixBody(h, block);
  }
  const rest = end - i;
  if (rest > 0) {
    const tail = bytes[i]! | (rest > 1 ? bytes[i + 1]! << 8 : 0) | (rest > 2 ? bytes[i + 2]! << 16 : 0);
    h ^= scramble(tail);
  }
  return finalise(h ^ (end - start));
}

/** The hash of a string's UTF-8 bytes. */
export function murmur3Text(text: string, seed: number): number {
  const bytes = Buffer.from(text, 'utf8');
  return murmur3(bytes, 0, bytes.length, seed);
}

function scramble(block: number): number {
  const k = Math.imul(block, 0xcc9e2d51);
  return Math.imul((k << 15) | (k >>> 17), 0x1b873593);
}

function mixBody(h: number, block: number): number {
  const mixed = h ^ scramble(block);
  return (Math.imul((mixed << 13) | (mixed >>> 19), 5) + 0xe6546b64) | 0;
}

function finalise(h: number): number {
  h ^= h >>> 16;
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
