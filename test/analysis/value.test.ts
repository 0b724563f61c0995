import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  middleValue,
  readValue,
  VALUE_BUCKETS,
  valueBucket,
  valueMark,
  valueScale,
} from '../../src/analysis/value.ts';

test('a bucket says of a value what it is to 1 %, with its sign', () => {
  fc.assert(
    fc.property(fc.double({ min: -1e12, max: 1e12, noNaN: true }), (value) => {
      const bucket = valueBucket(value);
      assert.ok(Number.isInteger(bucket) && bucket >= 0 && bucket < VALUE_BUCKETS);
      const error = Math.abs(middleValue(bucket) - value);
      assert.ok(error <= 0.0101 * Math.abs(value) + 1e-6, `${value} is ${middleValue(bucket)}`);
    }),
  );
  for (const [extreme, bucket] of [
    [Number.MAX_VALUE, VALUE_BUCKETS - 1],
    [-Number.MAX_VALUE, 0],
    [0, (VALUE_BUCKETS - 1) / 2],
  ] as const)
    assert.equal(valueBucket(extreme), bucket);
});

test('only a plain number is one, and a written number is read as it is', () => {
  for (const text of [
    '',
    '-',
    '1e3',
    'NaN',
    'Infinity',
    '0x1',
    ' 1',
    '1 ',
    '1.',
    '.1',
    '--1',
    '9'.repeat(14),
  ])
    assert.equal(readValue(text), undefined, text);
  assert.deepEqual(['0', '-0.5', '49.90', '007'].map(readValue), [0, -0.5, 49.9, 7]);
  fc.assert(
    fc.property(fc.string(), (text) => {
      const value = readValue(text);
      assert.ok(value === undefined || (Number.isFinite(value) && Math.abs(value) <= 1e12));
    }),
  );
});

test('a scale is the median and half of the 16 to 84 % range; without spread a bucket is wide enough', () => {
  const scale = valueScale(
    Array.from({ length: 100 }, (_, i) => [valueBucket(i + 1), 1] as const),
    'higher',
  )!;
  assert.ok(Math.abs(scale.mu - 50) < 1 && Math.abs(scale.sigma - 34) < 1, JSON.stringify(scale));
  assert.equal(valueMark(1e9, scale), 3);
  assert.equal(valueMark(1e9, { ...scale, worse: 'lower' }), -3);
  const flat = valueScale([[valueBucket(20), 500]], 'lower')!;
  assert.ok(flat.sigma > 0.19 && flat.sigma < 0.21);
  assert.equal(valueScale([], 'lower'), undefined);
});
