import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { median, quantile, randomFrom, shuffled, slopeOf, summarise } from '../../bench/statistics.ts';

test('the median of an odd number is the middle one, of an even number the mean of the two', () => {
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([4, 1, 2, 3]), 2.5);
  assert.ok(Number.isNaN(median([])));
});

test('a quantile lies between its neighbours', () => {
  assert.equal(quantile([10, 20, 30, 40, 50], 0.25), 20);
  assert.equal(quantile([10, 20], 0.99), 19.9);
  assert.equal(quantile([10, 20, 30], 0), 10);
  assert.equal(quantile([10, 20, 30], 1), 30);
});

test('a quantile sorts as numbers and leaves its input alone', () => {
  const values = [100, 9, 20];
  assert.equal(quantile(values, 0.5), 20);
  assert.deepEqual(values, [100, 9, 20]);
});

test('nothing measured has no summary', () => {
  assert.equal(summarise([]), undefined);
  assert.deepEqual(summarise([2, 1, 6]), { median: 2, min: 1, max: 6, rounds: 3 });
});

test('a shuffle keeps every thing and is the same for the same seed', () => {
  fc.assert(
    fc.property(fc.array(fc.integer()), fc.integer({ min: 1, max: 2 ** 31 }), (things, seed) => {
      const once = shuffled(things, randomFrom(seed));
      assert.deepEqual(shuffled(things, randomFrom(seed)), once);
      assert.deepEqual(once.toSorted(), things.toSorted());
    }),
  );
});

test('every order of three comes up about as often', () => {
  const random = randomFrom(7);
  const counts = new Map<string, number>();
  for (let i = 0; i < 6_000; i++) {
    const order = shuffled(['a', 'b', 'c'], random).join('');
    counts.set(order, (counts.get(order) ?? 0) + 1);
  }
  assert.equal(counts.size, 6);
  // Six standard deviations of a count around 1000.
  for (const count of counts.values()) assert.ok(Math.abs(count - 1_000) < 175, `${count}`);
});

test('the slope is that of the line itself, and of points around it the one that lies closest', () => {
  assert.equal(
    slopeOf([
      [0, 1],
      [1, 3],
      [2, 5],
    ]),
    2,
  );
  assert.equal(
    slopeOf([
      [0, 0],
      [1, 2],
      [2, 1],
      [3, 3],
    ]),
    0.8,
  );
  assert.ok(Number.isNaN(slopeOf([[1, 1]])));
});
