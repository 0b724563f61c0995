import assert from 'node:assert/strict';
import { test } from 'node:test';
import { randomFrom } from '../../bench/statistics.ts';
import { type Past, pastBound, pastStake } from '../../src/analysis/history.ts';
import { DEFAULT_POLICY } from '../../src/analysis/policy.ts';
import { startJudge, startStep } from '../../src/analysis/state.ts';

const REQUEST = { ...DEFAULT_POLICY, mode: 'request' as const };
const PAST: Past = { requests: 20_000, failures: 100, tails: false };

/** Whether the mean wealth of the bets passes 1 / alpha within so many ticks of 100 requests, each failing with this rate. */
function found(rate: number, past: Past, seed: number, ticks: number): boolean {
  const random = randomFrom(seed);
  let sums: readonly number[] = [];
  for (let t = 0; t < ticks; t++) {
    let bad = 0;
    for (let i = 0; i < 100; i++) if (random() < rate) bad++;
    const { increments } = pastStake('errorHistory', past, { t, batches: [], trials: [bad, 100] }, REQUEST);
    sums = increments.map((increment, i) => (sums[i] ?? 0) + increment);
    const wealth = sums.reduce((sum, log) => sum + Math.exp(log), 0) / sums.length;
    if (wealth >= 1 / REQUEST.alpha) return true;
  }
  return false;
}

test('a canary that does as stable did is hardly ever held to be worse, and ten times the errors are found at once', () => {
  const runs = 300;
  const seeds = Array.from({ length: runs }, (_, i) => i);
  const wrongly = seeds.filter((seed) => found(0.005, PAST, seed, 200)).length;
  assert.ok(wrongly <= runs * REQUEST.alpha, `${wrongly} of ${runs}`);
  assert.ok(seeds.every((seed) => found(0.05, PAST, seed, 20)));
});

test('the less was seen of the past, the more is borne, and a past without errors bears a few', () => {
  const little = pastBound('errorHistory', { requests: 100, failures: 0, tails: false }, REQUEST);
  const much = pastBound('errorHistory', { requests: 1_000_000, failures: 0, tails: false }, REQUEST);
  assert.ok(little > much);
  assert.equal(much, 0.001);
  assert.ok(pastBound('errorHistory', PAST, REQUEST) > 0.0075);
});

test('without a past nothing is bet', () => {
  const tick = { t: 1, batches: [], trials: [50, 100] as const };
  for (const kind of ['errorHistory', 'latencyHistory'] as const) {
    const { increments, events } = pastStake(kind, kind === 'errorHistory' ? undefined : PAST, tick, REQUEST);
    assert.ok(increments.every((increment) => increment === 0));
    assert.equal(events, 0);
  }
});

test('a past of fewer requests than a baseline needs is no past', () => {
  const { minBaseline } = DEFAULT_POLICY;
  const after = (requests: number) =>
    startStep(startJudge(DEFAULT_POLICY, undefined), DEFAULT_POLICY, 0, 0, undefined, {
      requests,
      failures: 0,
      tails: false,
    }).past;
  assert.equal(after(minBaseline - 1), undefined);
  assert.equal(after(minBaseline)?.requests, minBaseline);
});

test('of sticky keys one that errs again and again is one event against the candidate', () => {
  const tick = {
    t: 0,
    batches: [{ w: 1, units: [90, 90], errors: [1, 1] }],
    requests: [100, 100],
    requestErrors: [5, 5],
  } as const;
  assert.equal(pastStake('errorHistory', PAST, tick, { ...DEFAULT_POLICY, mode: 'sticky' }).events, 1);
});
