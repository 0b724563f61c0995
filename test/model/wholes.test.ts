import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keptWholes, withWhole } from '../../src/model/wholes.ts';

test('a version that holds all traffic again does not follow itself on the trail', () => {
  assert.deepEqual(withWhole(['a'], 'b'), ['a', 'b']);
  assert.deepEqual(withWhole(['a', 'b'], 'b'), ['a', 'b']);
  assert.deepEqual(withWhole(['a', 'b'], 'a'), ['a', 'b', 'a']);
});

test('a version that is gone leaves the trail without a step that leads nowhere', () => {
  assert.deepEqual(keptWholes(['a', 'b', 'a', 'c'], { a: 1, c: 1 }), ['a', 'c']);
  const all = ['a', 'b'];
  assert.equal(keptWholes(all, { a: 1, b: 1, c: 1 }), all);
});
