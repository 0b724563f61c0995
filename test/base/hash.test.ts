import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { murmur3, murmur3Text } from '../../src/base/hash.ts';

/** Published vectors of MurmurHash3_x86_32: [bytes in hex, seed, hash]. */
const BYTES: readonly (readonly [string, number, number])[] = [
  ['', 0, 0],
  ['', 1, 0x514e28b7],
  ['', 0xffffffff, 0x81f16f39],
  ['ffffffff', 0, 0x76293b50],
  ['21436587', 0, 0xf55b516b],
  ['21436587', 0x5082edee, 0x2362f9de],
  ['214365', 0, 0x7e4a8634],
  ['2143', 0, 0xa0f7b07a],
  ['21', 0, 0x72661cf4],
  ['00000000', 0, 0x2362f9de],
  ['000000', 0, 0x85f0b427],
  ['0000', 0, 0x30f4c306],
  ['00', 0, 0x514e28b7],
];

const TEXTS: readonly (readonly [string, number, number])[] = [
  ['a', 0x9747b28c, 0x7fa09ea6],
  ['aa', 0x9747b28c, 0x5d211726],
  ['aaa', 0x9747b28c, 0x283e0130],
  ['aaaa', 0x9747b28c, 0x5a97808a],
  ['ab', 0x9747b28c, 0x74875592],
  ['abc', 0x9747b28c, 0xc84a62dd],
  ['abcd', 0x9747b28c, 0xf0478627],
  ['a'.repeat(256), 0x9747b28c, 0x37405bdc],
  ['Hello, world!', 0x9747b28c, 0x24884cba],
  ['ππππππππ', 0x9747b28c, 0xd58063c1],
  ['The quick brown fox jumps over the lazy dog', 0x9747b28c, 0x2fa826cd],
  ['abc', 0, 0xb3dd93fa],
  ['abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq', 0, 0xee925b90],
];

test('the published vectors of MurmurHash3 x86 32 bit hold', () => {
  for (const [hex, seed, hash] of BYTES) {
    const bytes = Buffer.from(hex, 'hex');
    assert.equal(murmur3(bytes, 0, bytes.length, seed), hash, `${hex} ${seed}`);
  }
  for (const [text, seed, hash] of TEXTS) assert.equal(murmur3Text(text, seed), hash, text);
});

test("SMHasher's verification value holds, over all lengths up to 255 and as many seeds", () => {
  const key = Uint8Array.from({ length: 256 }, (_, i) => i);
  const hashes = Buffer.alloc(4 * 256);
  for (let i = 0; i < 256; i++) hashes.writeUInt32LE(murmur3(key, 0, i, 256 - i), 4 * i);
  assert.equal(murmur3(hashes, 0, hashes.length, 0), 0xb0f57ee3);
});

test('only the stretch between start and end counts', () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.uint8Array(), fc.uint8Array(), fc.integer(), (head, key, tail, seed) => {
      const all = Buffer.concat([head, key, tail]);
      assert.equal(
        murmur3(all, head.length, head.length + key.length, seed),
        murmur3(key, 0, key.length, seed),
      );
    }),
  );
});
