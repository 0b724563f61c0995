import assert from 'node:assert/strict';
import { test } from 'node:test';
import { retryAfter, retryDelay } from '../../src/gates/backoff.ts';

test('The wait doubles with each failure, up to five minutes', () => {
  assert.deepEqual(
    [1, 2, 3, 9, 10, 2000].map((failures) => retryDelay(failures)),
    [1000, 2000, 4000, 256_000, 300_000, 300_000],
  );
});

test('A receiver may lengthen it, but neither shorten it nor go beyond the cap', () => {
  assert.equal(retryDelay(1, 7000), 7000);
  assert.equal(retryDelay(4, 7000), 8000);
  assert.equal(retryDelay(1, Number.MAX_VALUE), 300_000);
});

test('Retry-After is read as seconds and as a date, and as nothing if it is neither', () => {
  const now = Date.UTC(2026, 0, 1, 12);
  assert.equal(retryAfter('120', now), 120_000);
  assert.equal(retryAfter('Thu, 01 Jan 2026 12:00:30 GMT', now), 30_000);
  for (const nothing of [undefined, '', '-1', 'soon', 'Thu, 01 Jan 2026 11:00:00 GMT'])
    assert.equal(retryAfter(nothing, now), 0);
});
