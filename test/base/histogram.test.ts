import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BUCKETS, bucketOf, middle, quantile, upperBound } from '../../src/base/histogram.ts';

const SHORTEST = 0.001;
const LONGEST = 2 ** 30 / 1000;
/** Durations in milliseconds, as many short as long ones. */
const durations = fc
  .double({ min: Math.log(SHORTEST), max: Math.log(LONGEST), noNaN: true })
  .map((log) => Math.min(Math.max(Math.exp(log), SHORTEST), LONGEST * (1 - 2 ** -40)));

test('the middle of its bucket is within 1/64 of any duration', () => {
  fc.assert(
    fc.property(durations, (duration) => {
      // Bucket 0 also holds what is shorter than a microsecond, so its middle lies lower.
      fc.pre(duration >= upperBound(0));
      const known = middle(bucketOf(duration));
      assert.ok(Math.abs(known - duration) <= (duration / 64) * (1 + 1e-9), `${duration} known as ${known}`);
    }),
    { numRuns: 2000 },
  );
});

test('a duration lies below the upper bound of its bucket and not below that of the one before', () => {
  fc.assert(
    fc.property(durations, (duration) => {
      const bucket = bucketOf(duration);
      assert.ok(duration < upperBound(bucket) * (1 + 1e-12));
      if (bucket > 0) assert.ok(duration >= upperBound(bucket - 1) * (1 - 1e-12));
    }),
    { numRuns: 2000 },
  );
});

test('bounds ascend, and each begins the next bucket', () => {
  for (let bucket = 0; bucket < BUCKETS - 1; bucket++) {
    assert.ok(upperBound(bucket) < upperBound(bucket + 1));
    // A hair above and below, since a bound in milliseconds is rounded.
    assert.equal(bucketOf(upperBound(bucket) * (1 + 1e-12)), bucket + 1);
    assert.equal(bucketOf(upperBound(bucket) * (1 - 1e-12)), bucket);
  }
});

test('the range is 1 µs to 2^30 µs; what lies outside counts at its ends', () => {
  assert.equal(bucketOf(0), 0);
  assert.equal(bucketOf(1e-9), 0);
  assert.equal(bucketOf(SHORTEST), 0);
  assert.equal(upperBound(BUCKETS - 1), LONGEST);
  assert.equal(bucketOf(LONGEST), BUCKETS - 1);
  assert.equal(bucketOf(LONGEST * 1000), BUCKETS - 1);
  assert.equal(bucketOf(Infinity), BUCKETS - 1);
});

test('a quantile is within 1/64 of the value that has its rank', () => {
  fc.assert(
    fc.property(
      fc.array(
        durations.filter((each) => each >= upperBound(0)),
        { minLength: 1, maxLength: 200 },
      ),
      fc.double({ min: 0.001, max: 1, noNaN: true }),
      (values, q) => {
        const counts = new Float64Array(BUCKETS);
        for (const value of values) counts[bucketOf(value)]!++;
        const exact = values.toSorted((a, b) => a - b)[Math.ceil(q * values.length) - 1]!;
        assert.ok(Math.abs(quantile(counts, q)! - exact) <= (exact / 64) * (1 + 1e-9));
      },
    ),
  );
});

test('nothing counted has no quantile', () => {
  assert.equal(quantile(new Float64Array(BUCKETS), 0.5), undefined);
});
