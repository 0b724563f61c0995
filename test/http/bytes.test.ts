import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { INLET } from '../../src/base/inlet.ts';
import { endOfValue, VALUE, wordsOf } from '../../src/http/bytes.ts';

/** What is meant, a byte at a time. */
function slowly(buffer: Buffer, at: number): number {
  let i = at;
  while (VALUE[buffer[i]!] !== 0) i++;
  return i;
}

test('a value ends where a byte-wise look says it ends, whatever byte is where', () => {
  for (let byte = 0; byte < 256; byte++) {
    for (const filler of [0x20, 0x61, 0x80, 0xff]) {
      for (let position = 0; position < 12; position++) {
        const buffer = Buffer.alloc(13, filler);
        buffer[position] = byte;
        buffer[12] = 0;
        for (let at = 0; at < 5; at++) {
          const end = endOfValue(buffer, wordsOf(buffer), at, 12);
          assert.equal(end, slowly(buffer, at), `byte ${byte} at ${position} among ${filler}, from ${at}`);
        }
      }
    }
  }
});

test('a value ends where a byte-wise look says it ends, in whatever memory the bytes are', () => {
  const bytes = fc.uint8Array({ minLength: 1, maxLength: 60 });
  fc.assert(
    fc.property(bytes, fc.nat(9), fc.constantFrom('inlet', 'part', 'own'), (bytes, before, memory) => {
      const end = before + bytes.length;
      const buffer =
        memory === 'inlet' ? INLET : Buffer.alloc(end + 4).subarray(memory === 'part' ? 3 : 0, end + 4);
      buffer.set(bytes, before);
      buffer[end] = 0;
      const expected = slowly(buffer, before);
      assert.equal(endOfValue(buffer, wordsOf(buffer), before, end), expected);
    }),
  );
});
