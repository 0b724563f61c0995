import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Row } from '../../src/metrics/row.ts';

test('in whatever order posts come, and however often, each is new once', () => {
  const posts = fc.array(fc.integer({ min: 1, max: 30 }), { maxLength: 200 });
  fc.assert(
    fc.property(posts, (seqs) => {
      const row = new Row();
      const taken = seqs.filter((seq) => row.take(seq));
      assert.deepEqual(taken, [...new Set(seqs)]);
    }),
  );
});

test('what a thousand later ones have not waited for is given up', () => {
  const row = new Row();
  for (let seq = 3; seq <= 1_003; seq++) assert.equal(row.take(seq), true);
  assert.equal(row.take(2), false);
  assert.equal(row.take(1_003), false);
  assert.equal(row.take(1_004), true);
});
