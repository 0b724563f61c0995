import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { piece } from '../../src/http/piece.ts';

const payload = Buffer.from('<hello>');

function written(chunked: boolean, end: string | undefined, to = 6): string {
  return piece('HEAD\r\n\r\n', payload, 1, to, chunked, end).toString('latin1');
}

test('a piece of a message with a length is its bytes', () => {
  assert.equal(written(false, undefined), 'HEAD\r\n\r\nhello');
  assert.equal(written(false, ''), 'HEAD\r\n\r\nhello');
  assert.equal(written(false, '', 1), 'HEAD\r\n\r\n');
});

test('a piece of a chunked message is one chunk, and the last one ends it', () => {
  assert.equal(written(true, undefined), 'HEAD\r\n\r\n5\r\nhello\r\n');
  assert.equal(written(true, ''), 'HEAD\r\n\r\n5\r\nhello\r\n0\r\n\r\n');
  assert.equal(written(true, 'x: 1\r\n'), 'HEAD\r\n\r\n5\r\nhello\r\n0\r\nx: 1\r\n\r\n');
});

test('no payload makes no chunk, since an empty chunk would end the message', () => {
  assert.equal(written(true, undefined, 1), 'HEAD\r\n\r\n');
  assert.equal(written(true, '', 1), 'HEAD\r\n\r\n0\r\n\r\n');
});

test('small and large payloads are written alike, byte for byte', () => {
  fc.assert(
    fc.property(fc.integer({ min: 12_280, max: 12_300 }), fc.boolean(), (size, chunked) => {
      const buffer = Buffer.alloc(size + 2, Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)));
      const body = buffer.toString('latin1', 1, size + 1);
      const framed = chunked ? `${size.toString(16)}\r\n${body}\r\n0\r\n\r\n` : body;
      assert.ok(
        piece('a\xff\r\n', buffer, 1, size + 1, chunked, '').toString('latin1') === `a\xff\r\n${framed}`,
      );
    }),
    { numRuns: 40 },
  );
});

test('what was written stays as it was when the buffer is read into again', () => {
  for (const size of [10, 20_000]) {
    const buffer = Buffer.alloc(size, 'a');
    const out = piece('', buffer, 0, size, false, undefined);
    buffer.fill('b');
    assert.equal(out.toString('latin1'), 'a'.repeat(size));
  }
});
