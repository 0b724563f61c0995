import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  FINEST,
  heaviestVersion,
  type Weights,
  weightsFault,
  wholeVersion,
  wholeWeights,
} from '../../src/model/weights.ts';

/** Percentages of v0, v1, … that add up to 100 in the finest steps. */
const sound = fc.array(fc.nat(1_000_000), { maxLength: 8 }).map((cuts): Weights => {
  const edges = [0, ...cuts.sort((a, b) => a - b), 1_000_000];
  return Object.fromEntries(edges.slice(1).map((edge, i) => [`v${i}`, (edge - edges[i]!) / 10_000]));
});

test('any percentages in finest steps that add up to 100 are sound, however floats add up', () => {
  fc.assert(
    fc.property(sound, (weights) => {
      assert.equal(weightsFault(weights, Object.keys(weights)), undefined);
    }),
    { numRuns: 500 },
  );
  assert.equal(weightsFault({ a: 33.3333, b: 33.3333, c: 33.3334 }, ['a', 'b', 'c']), undefined);
  assert.equal(weightsFault({ a: 99.9, b: 0.1 }, ['a', 'b', 'unnamed']), undefined);
});

test('Weights that do not add up are refused, never corrected', () => {
  fc.assert(
    fc.property(sound, fc.integer({ min: 1, max: 1000 }), (weights, steps) => {
      const [version] = Object.keys(weights) as [string];
      const less = (Math.round(weights[version]! / FINEST) - steps) * FINEST;
      fc.pre(less >= 0);
      const rounded = Number(less.toFixed(4));
      assert.match(weightsFault({ ...weights, [version]: rounded }, Object.keys(weights))!, /add up to 99/);
    }),
  );
  assert.equal(weightsFault({ a: 95, b: 6 }, ['a', 'b']), 'the weights add up to 101, not to 100');
  assert.equal(weightsFault({}, ['a']), 'the weights add up to 0, not to 100');
});

test('a weight says what is wrong with it', () => {
  for (const weight of [-1, 100.5, Number.NaN, Infinity])
    assert.equal(
      weightsFault({ a: weight, b: 50 }, ['a', 'b']),
      `the weight of "a" is ${weight}; a weight is a percentage from 0 to 100`,
    );
  assert.equal(
    weightsFault({ a: 99.99995, b: 0.00005 }, ['a', 'b']),
    'the weight of "a" is 99.99995; the finest step is 0.0001 %',
  );
});

test('a version that does not exist is named together with those that do', () => {
  assert.equal(weightsFault({ a: 50, x: 50 }, ['a', 'b']), 'there is no version "x"; the versions are a, b');
  assert.equal(weightsFault({ x: 100 }, []), 'there is no version "x"; the versions are none yet');
});

test('a version is whole when it holds everything', () => {
  assert.equal(wholeVersion({ a: 0, b: 100 }), 'b');
  assert.equal(wholeVersion({ a: 99.9999, b: 0.0001 }), undefined);
  assert.equal(wholeVersion({}), undefined);
  assert.deepEqual(wholeWeights(['a', 'b'], 'b'), { a: 0, b: 100 });
});

test('of the heaviest versions the first named counts', () => {
  assert.equal(heaviestVersion({ a: 20, b: 40, c: 40 }), 'b');
  assert.equal(heaviestVersion({ a: 0 }), 'a');
  assert.equal(heaviestVersion({}), undefined);
});
