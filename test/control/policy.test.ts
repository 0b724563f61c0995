import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judgePolicy } from '../../src/control/policy.ts';
import type { Plan } from '../../src/model/plan.ts';
import type { MetricRequest } from '../../src/model/policy.ts';
import { POLICIES } from '../../src/rollout/policies.ts';

const PLAN: Plan = { strategy: 'none', steps: [], gates: [], bake: { for: 1, keepWarm: 0 } };

function metric(request: MetricRequest) {
  const policy = { ...POLICIES['standard']!.policy, metrics: [request] };
  return judgePolicy({ plan: PLAN, policy }).metrics[0]!;
}

test('what no coin was tossed for only holds, unless it is said that it may do more', () => {
  const gauge = { name: 'cpu', kind: 'gauge' } as const;
  const byVersion = { name: 'tickets', kind: 'conversion', by: 'version' } as const;
  for (const request of [gauge, byVersion]) {
    assert.equal(metric(request).holdOnly, true, request.name);
    assert.equal(metric({ ...request, use: 'on' }).holdOnly, false, request.name);
  }
  assert.equal(metric({ name: 'orders', kind: 'conversion' }).holdOnly, false);
});

test('conversions are worse when they are fewer, or when it is said more', () => {
  const orders = { name: 'orders', kind: 'conversion' } as const;
  assert.equal(metric(orders).ratios, undefined, 'the usual ones, below 1');
  assert.ok(metric({ ...orders, worse: 'higher' }).ratios?.every((ratio) => ratio > 1));
  assert.deepEqual(metric({ ...orders, worse: 'higher', ratios: [7] }).ratios, [7]);
});
