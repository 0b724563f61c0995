import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Harm } from '../../src/model/harm.ts';
import { budgetSpent, excessFailures, trips } from '../../src/rollout/harm.ts';

function harm(
  failures: number,
  requests: number,
  baselineFailures = 0,
  baselineRequests = 0,
  keys = 0,
): Harm {
  return { failures, requests, baselineFailures, baselineRequests, keys };
}

const WIRE = { failures: 4, share: 0.3, times: 3 };

test("failures that the baseline's rate explains are no harm", () => {
  assert.equal(excessFailures(harm(12, 1000, 100, 10_000)), 2);
  assert.equal(excessFailures(harm(5, 1000, 100, 10_000)), 0);
  assert.equal(excessFailures(harm(5, 1000)), 5);
  assert.equal(excessFailures(harm(0, 0)), 0);
});

test('a budget is spent by failures or by users, whichever comes first', () => {
  assert.equal(budgetSpent({ failures: 10 }, harm(19, 1000, 100, 10_000, 99)), undefined);
  assert.match(String(budgetSpent({ failures: 10 }, harm(20, 1000, 100, 10_000))), /^10 failures more/);
  assert.match(String(budgetSpent({ failures: 10, keys: 3 }, harm(3, 9, 0, 0, 3))), /^3 users met a failure/);
});

test('the tripwire cuts on what cannot be chance', () => {
  assert.match(String(trips(WIRE, harm(4, 4, 0, 200))), /^4 of 4 requests to the candidate failed/);
  assert.ok(trips(WIRE, harm(5, 10, 0, 200)));
  assert.ok(trips(WIRE, harm(10, 20, 2, 200)));
});

test('the tripwire does not cut on few failures, a small share, or an unknown or failing baseline', () => {
  assert.equal(trips(WIRE, harm(3, 3, 0, 200)), undefined);
  assert.equal(trips(WIRE, harm(29, 100, 0, 9000)), undefined);
  assert.equal(trips(WIRE, harm(4, 4)), undefined);
  assert.equal(trips(WIRE, harm(4, 13, 0, 100_000)), undefined, 'nobody is held to be flawless');
  assert.equal(trips(WIRE, harm(50, 100, 500, 1000)), undefined);
  assert.equal(trips(WIRE, harm(5, 10, 20, 200)), undefined);
  assert.equal(trips(WIRE, harm(0, 0, 0, 200)), undefined);
});
