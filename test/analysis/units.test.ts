import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  countUnit,
  dispersionSlot,
  mergeUnits,
  noUnits,
  type Units,
  unitCount,
  unitSlot,
  unitsFromText,
  unitsToText,
} from '../../src/analysis/units.ts';

const keys = fc.array(fc.string({ maxLength: 8 }), { maxLength: 30 });
const onCanary = (key: string): boolean => key.length % 2 === 1;

function unitsOf(...names: string[]): Units {
  const units = noUnits();
  for (const key of names) countUnit(units, unitSlot(key), onCanary(key));
  return units;
}

test('a key counts once', () => {
  const units = noUnits();
  assert.equal(countUnit(units, unitSlot('ann'), true), true);
  assert.equal(countUnit(units, unitSlot('ann'), true), false);
  assert.deepEqual(unitCount(units), [1, 1]);
});

test('a key that errs in two workers is one unit', () => {
  const primary = noUnits();
  assert.deepEqual(mergeUnits(primary, unitsOf('ann', 'otto')), [1, 2]);
  assert.deepEqual(mergeUnits(primary, unitsOf('ann', 'eve', 'adam')), [1, 2]);
  assert.deepEqual(unitCount(primary), [2, 4]);
});

test('a message that comes twice adds nothing', () => {
  const primary = noUnits();
  mergeUnits(primary, unitsOf('ann', 'otto'));
  assert.deepEqual(mergeUnits(primary, unitsOf('ann', 'otto')), [0, 0]);
});

test('workers may be merged in any order and grouping', () => {
  fc.assert(
    fc.property(keys, keys, keys, (a, b, c) => {
      const left = unitsOf(...a);
      mergeUnits(left, unitsOf(...b));
      mergeUnits(left, unitsOf(...c));
      const right = unitsOf(...c);
      const last = unitsOf(...b);
      mergeUnits(last, unitsOf(...a));
      mergeUnits(right, last);
      assert.deepEqual(left.taken, right.taken);
      assert.deepEqual(unitCount(left), [
        new Set([...a, ...b, ...c].filter(onCanary).map(unitSlot)).size,
        new Set([...a, ...b, ...c].map(unitSlot)).size,
      ]);
    }),
    { numRuns: 50 },
  );
});

test('of two keys in one slot the first counts, whatever its version', () => {
  for (const first of [true, false]) {
    const units = noUnits();
    countUnit(units, 7, first);
    assert.equal(countUnit(units, 7, !first), false);
    assert.deepEqual(unitCount(units), [first ? 1 : 0, 1]);
    const other = noUnits();
    countUnit(other, 7, !first);
    assert.deepEqual(mergeUnits(units, other), [0, 0]);
  }
});

test('units survive being written down, and nonsense is not read', () => {
  const units = unitsOf('ann', 'otto', 'x');
  assert.deepEqual(unitsFromText(unitsToText(units)), units);
  assert.equal(unitsFromText('bm9uc2Vuc2U='), undefined);
});

test('sequential keys spread over all slots, and the two hashes do not know each other', () => {
  const counted = new Set<number>();
  const table = new Map<string, number>();
  const n = 20_000;
  for (let i = 0; i < n; i++) {
    const key = `user-${i}`;
    counted.add(unitSlot(key));
    const cell = `${unitSlot(key) >>> 18},${dispersionSlot(key) >>> 5}`;
    table.set(cell, (table.get(cell) ?? 0) + 1);
  }
  // 20 000 keys in 2^20 slots are expected to collide about 190 times.
  assert.ok(n - counted.size > 100 && n - counted.size < 300, `${n - counted.size} collisions`);
  assert.equal(table.size, 16);
  for (const [cell, count] of table) assert.ok(Math.abs(count - n / 16) < 200, `${cell}: ${count}`);
});
