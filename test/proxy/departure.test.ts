import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Departure } from '../../src/proxy/departure.ts';

const rollback = { split: { cause: 'rollback' as const }, streams: { evictOver: 10_000 } };

/** Closes what is due, a look every 200 ms; how many were left at each look. */
function course(departure: Departure, streams: number, until: number): number[] {
  const left: number[] = [];
  for (let now = 200; now <= until; now += 200) {
    if (departure.begun(now)) streams -= departure.due(streams, now);
    left.push(streams);
  }
  return left;
}

test('streams of a version that was rolled back end evenly over the time', () => {
  const left = course(new Departure(rollback, 0), 1000, 10_000);
  assert.equal(left.at(-1), 0);
  assert.ok(Math.abs(left[24]! - 500) <= 20, `${left[24]} after half of the time`);
  for (let i = 1; i < left.length; i++) assert.ok(left[i - 1]! - left[i]! <= 25);
});

test('one stream alone is not closed at once', () => {
  const left = course(new Departure(rollback, 0), 1, 10_000);
  assert.deepEqual([left[0], left.at(-1)], [1, 0]);
});

test('after a shift of weight streams may go on for a while', () => {
  const departure = new Departure(
    { split: { cause: 'weights' }, streams: { evictOver: 1000, drainFor: 60_000 } },
    0,
  );
  assert.equal(departure.begun(59_999), false);
  assert.equal(departure.begun(60_000), true);
  assert.equal(departure.due(3, 61_000), 3);
});

test('no time to spread them over closes all at once', () => {
  const departure = new Departure({ ...rollback, streams: { evictOver: 0 } }, 0);
  assert.equal(departure.due(7, 0), 7);
});

test('however often it is asked, what is due is never more than there is, and in the end all', () => {
  fc.assert(
    fc.property(fc.nat(500), fc.array(fc.integer({ min: 1, max: 3000 })), (streams, pauses) => {
      const departure = new Departure(rollback, 0);
      let left = streams;
      let now = 0;
      for (const pause of [...pauses, 10_000]) {
        now += pause;
        const due = departure.due(left, now);
        assert.ok(due >= 0 && due <= left);
        left -= due;
      }
      assert.equal(left, 0);
    }),
  );
});
