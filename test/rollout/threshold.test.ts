import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Threshold } from '../../src/model/policy.ts';
import type { Arm, Verdict } from '../../src/model/verdict.ts';
import { crossed } from '../../src/rollout/threshold.ts';

const arm = (bad: number, trials: number, p99?: number): Arm => ({
  bad,
  trials,
  rate: { low: 0 },
  ...(p99 !== undefined && { p99: { value: p99, low: 0 } }),
});

function verdict(canary: Arm, stable: Arm): Verdict {
  return {
    word: 'unknown',
    decision: 'continue',
    reason: '',
    step: 0,
    elapsed: 0,
    says: '',
    because: [],
    canary,
    stable,
    ratio: { low: 0 },
    tests: [],
  };
}

const TWICE: Threshold = { metric: 'errorRate', above: 2, of: 'baseline', atLeast: 100 };
const SLOW: Threshold = { metric: 'p99', above: 500, of: 'value', atLeast: 100 };

test('a threshold is crossed above it, not at it', () => {
  assert.equal(crossed([TWICE], verdict(arm(20, 1000), arm(10, 1000))), undefined);
  assert.equal(
    crossed([TWICE], verdict(arm(21, 1000), arm(10, 1000))),
    "errorRate is 2.1 %, above 2 times the baseline's 1 %",
  );
  assert.equal(crossed([SLOW], verdict(arm(0, 100, 500), arm(0, 100))), undefined);
  assert.equal(crossed([SLOW], verdict(arm(0, 100, 620), arm(0, 100))), 'p99 is 620 ms, above 500 ms');
});

test('too few requests, or none to compare with, cross nothing', () => {
  assert.equal(crossed([TWICE], verdict(arm(99, 99), arm(0, 1000))), undefined);
  assert.equal(crossed([TWICE], verdict(arm(100, 100), arm(0, 99))), undefined);
  assert.equal(crossed([SLOW], verdict(arm(0, 100), arm(0, 100))), undefined);
  assert.equal(crossed([], verdict(arm(100, 100), arm(0, 100))), undefined);
});
