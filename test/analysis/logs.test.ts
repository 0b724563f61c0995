import assert from 'node:assert/strict';
import { test } from 'node:test';
import { logAddExp, logSumExp } from '../../src/analysis/logs.ts';

test('sums of logarithms are right where exp is not: far below, at nothing, and at infinity', () => {
  assert.equal(logAddExp(-1e6, -1e6), -1e6 + Math.log(2));
  assert.equal(logSumExp([-1e6, -1e6, -1e9]), -1e6 + Math.log(2));
  for (const nothing of [logAddExp(-Infinity, -Infinity), logSumExp([]), logSumExp([-Infinity, -Infinity])])
    assert.equal(nothing, -Infinity);
  assert.equal(logAddExp(-Infinity, 3), 3);
  for (const all of [
    logAddExp(Infinity, Infinity),
    logAddExp(Infinity, 3),
    logSumExp([Infinity, Infinity, 1]),
  ])
    assert.equal(all, Infinity);
});
