import assert from 'node:assert/strict';
import { test } from 'node:test';
import { reasonOf } from '../../src/base/reason.ts';

test('Whatever was thrown, there is something to say', () => {
  assert.equal(reasonOf(new Error('no room')), 'no room');
  assert.equal(reasonOf(Object.assign(new AggregateError([]), { code: 'ECONNREFUSED' })), 'ECONNREFUSED');
  assert.equal(reasonOf(new RangeError()), 'RangeError');
  assert.equal(reasonOf('thrown as text'), 'thrown as text');
});
