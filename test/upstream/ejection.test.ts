import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { EJECTION } from '../../src/model/health.ts';
import { checked, jittered, UNCHECKED } from '../../src/upstream/checked.ts';
import { ejectionTime, excess, mayEject, panics, remembered } from '../../src/upstream/ejection.ts';

const TERMS = { rise: 2, fall: 3 };

/** Where a row of probes leads, + for sound and - for failed. */
function after(results: string): boolean | undefined {
  return [...results].reduce((state, each) => checked(state, each === '+', TERMS), UNCHECKED).up;
}

test('the first probe decides alone, and after it as many in a row as were asked for', () => {
  for (const [results, up] of [
    ['', undefined],
    ['+', true],
    ['-', false],
    ['+--', true],
    ['+---', false],
    ['+--+--', true],
    ['+---+', false],
    ['+---++', true],
    ['+---+-+', false],
    ['-++', true],
  ] as const)
    assert.equal(after(results), up, results);
});

test('a row of equal results always ends in that state', () => {
  fc.assert(
    fc.property(
      fc.array(fc.boolean()),
      fc.boolean(),
      fc.record({ rise: fc.integer({ min: 1, max: 9 }), fall: fc.integer({ min: 1, max: 9 }) }),
      (history, last, terms) => {
        const before = history.reduce((state, each) => checked(state, each, terms), UNCHECKED);
        const row = Array.from({ length: last ? terms.rise : terms.fall }, () => last);
        assert.equal(row.reduce((state, each) => checked(state, each, terms), before).up, last);
      },
    ),
  );
});

test('jitter stays within its percentage, and is none at the middle', () => {
  assert.equal(jittered(1000, 10, 0), 900);
  assert.equal(jittered(1000, 10, 0.5), 1000);
  assert.equal(jittered(1000, 10, 1), 1100);
  assert.equal(jittered(1000, 0, 0.9), 1000);
});

test('each ejection in a row is twice as long, up to the longest', () => {
  const policy = { ...EJECTION, base: 10_000, longest: 60_000 };
  assert.deepEqual(
    [1, 2, 3, 4, 500].map((inARow) => ejectionTime(inARow, policy)),
    [10_000, 20_000, 40_000, 60_000, 60_000],
  );
});

test('ejections are forgiven one by one while there is none', () => {
  const policy = { ...EJECTION, base: 10_000 };
  assert.deepEqual(
    [0, 9_999, 10_000, 25_000, 1e9].map((quiet) => remembered(3, quiet, policy)),
    [3, 3, 2, 1, 0],
  );
});

test('never more than the greatest share is ejected, and never the only one', () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 100 }), fc.integer({ min: 0, max: 100 }), (all, maxShare) => {
      let ejected = 0;
      while (mayEject(ejected, all, { ...EJECTION, maxShare })) ejected++;
      assert.ok(ejected <= (all * maxShare) / 100);
      assert.ok((ejected + 1) * 100 > all * maxShare, 'and as many as that');
    }),
  );
  assert.equal(mayEject(0, 1, EJECTION), false);
  assert.equal(mayEject(0, 1, { ...EJECTION, maxShare: 100 }), false);
  assert.equal(mayEject(0, 2, EJECTION), true);
});

test('panic begins below its share', () => {
  assert.equal(panics(2, 4, EJECTION), false);
  assert.equal(panics(1, 4, EJECTION), true);
  assert.equal(panics(0, 4, { ...EJECTION, panic: 0 }), false);
});

test('an endpoint is compared with the others when both had requests enough', () => {
  const seen = (requests: number, errors: number) => ({ requests, errors });
  assert.equal(excess(seen(100, 50), seen(100, 10), EJECTION), 40);
  assert.equal(excess(seen(100, 39), seen(100, 10), EJECTION), undefined);
  assert.equal(excess(seen(49, 49), seen(100, 0), EJECTION), undefined);
  assert.equal(excess(seen(100, 100), seen(49, 0), EJECTION), undefined);
  assert.equal(excess(seen(100, 90), seen(100, 90), EJECTION), undefined, 'all fail: nobody stands out');
});
