import assert from 'node:assert/strict';
import { test } from 'node:test';
import { duration, percent } from '../../src/rollout/words.ts';

test('durations are told in the unit that people would use', () => {
  const cases: readonly (readonly [number, string])[] = [
    [0, '0 s'],
    [1.26, '1.3 s'],
    [59, '59 s'],
    [60, '1 min'],
    [90, '1.5 min'],
    [1320, '22 min'],
    [3590, '1 h'],
    [7200, '2 h'],
    [86_400, '1 d'],
    [2_592_000, '30 d'],
  ];
  for (const [seconds, says] of cases) assert.equal(duration(seconds), says);
});

test('percentages show what floating point would hide', () => {
  assert.deepEqual([5, 0.5, 0.0001, 33.300000000000004].map(percent), ['5 %', '0.5 %', '0.0001 %', '33.3 %']);
});
