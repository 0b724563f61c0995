import assert from 'node:assert/strict';
import { test } from 'node:test';
import { begin } from '../../src/rollout/machine.ts';
import { planOf } from '../../src/rollout/plan.ts';
import { policyOf } from '../../src/rollout/policies.ts';
import { simulate } from './traffic.ts';

const START = Date.parse('2026-03-02T12:00:00.000Z');
const MONTH = 30 * 86_400;

test('in half a year of quiet months no equal version is taken back, and none goes on without evidence', () => {
  const plan = planOf({ type: 'canary', steps: [5, 25, 50] });
  const policy = policyOf({ mode: 'request' });
  assert.ok(typeof plan !== 'string' && typeof policy !== 'string');
  const spec = { id: 'r1', service: 'web', baseline: 'stable', candidate: 'canary', build: 'b7', share: 100 };
  const created = { at: new Date(START).toISOString(), by: 'ann' };
  const { next: first } = begin({ ...spec, created, plan, policy }, START);
  for (let seed = 1; seed <= 6; seed++) {
    const rates = { candidate: 0.001, baseline: 0.001 };
    const { rollout, told } = simulate(first, START, { seconds: MONTH, perMinute: 1, rates, seed });
    assert.notEqual(rollout.phase.at, 'rolledBack', told);
    // At 5 % some 70 requests a day reach the candidate, and it takes some hundreds to tell.
    const left = rollout.history.find(({ to }) => to.startsWith('step 2/3'));
    if (left !== undefined) assert.ok(Date.parse(left.at) - START > 5 * 86_400_000, told);
    assert.match(told, /≈ [\d.]+ (d|h) to a verdict at this traffic$|Unknown yet/, told);
  }
});
