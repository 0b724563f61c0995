import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { closeFrame, Frames } from '../../src/http/frames.ts';

/** A frame with a payload of so many bytes. */
function frame(size: number, masked: boolean): Buffer {
  const mask = masked ? 0x80 : 0;
  const head =
    size < 126
      ? Buffer.from([0x82, mask | size])
      : size < 65_536
        ? Buffer.from([0x82, mask | 126, size >> 8, size & 255])
        : Buffer.concat([
            Buffer.from([0x82, mask | 127, 0, 0, 0, 0]),
            Buffer.from([size >>> 24, (size >> 16) & 255, (size >> 8) & 255, size & 255]),
          ]);
  // Payload that looks like heads, so that a lost count shows.
  return Buffer.concat([head, Buffer.alloc(masked ? 4 : 0, 0x81), Buffer.alloc(size, 0x88)]);
}

const sizes = fc.array(fc.tuple(fc.constantFrom(0, 1, 5, 125, 126, 127, 300, 65_535, 65_536), fc.boolean()), {
  minLength: 1,
  maxLength: 6,
});

test('however the bytes come, it is known when a frame is over', () => {
  fc.assert(
    fc.property(sizes, fc.array(fc.integer({ min: 1, max: 70_000 })), (wanted, cuts) => {
      const all = Buffer.concat(wanted.map(([size, masked]) => frame(size, masked)));
      const ends = new Set<number>([0]);
      let end = 0;
      for (const [size, masked] of wanted) {
        end += frame(size, masked).length;
        ends.add(end);
      }
      const frames = new Frames();
      let at = 0;
      for (const cut of [...cuts, all.length]) {
        const to = Math.min(all.length, at + cut);
        assert.equal(frames.pass(all, at, to, false), to);
        at = to;
        assert.equal(frames.between, ends.has(at), `${at}`);
      }
    }),
  );
});

test('it stops where the first frame ends, if told to', () => {
  const [first, second] = [frame(300, true), frame(10, false)];
  const both = Buffer.concat([first, second]);
  const frames = new Frames();
  assert.equal(frames.pass(both, 0, 7, true), 7);
  assert.equal(frames.pass(both, 7, both.length, true), first.length);
  assert.equal(frames.between, true);
  assert.equal(frames.pass(both, first.length, both.length, true), both.length);
});

test('a close frame holds its code, masked or not', () => {
  assert.deepEqual([...closeFrame(1012, false)], [0x88, 2, 3, 0xf4]);
  assert.deepEqual([...closeFrame(1001, true)], [0x88, 0x82, 0, 0, 0, 0, 3, 0xe9]);
});
