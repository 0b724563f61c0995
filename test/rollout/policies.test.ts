import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Policy, PolicyRequest } from '../../src/model/rollout.ts';
import { POLICIES, policyOf } from '../../src/rollout/policies.ts';

function policy(request: PolicyRequest): Policy {
  const made = policyOf(request);
  assert.ok(typeof made !== 'string', String(made));
  return made;
}

test('a policy is the standard one, but for what is asked for', () => {
  assert.deepEqual(policy({}), POLICIES['standard']?.policy);
  const { alpha, beta, onWorse } = policy({ alpha: 0.001, onWorse: 'pause' });
  assert.deepEqual([alpha, beta, onWorse], [0.001, 0.05, 'pause']);
});

test('every named policy is called by its name', () => {
  for (const [name, named] of Object.entries(POLICIES)) {
    assert.equal(named.policy.name, name);
    assert.deepEqual(policy({ name }), named.policy);
  }
});

test('"twice the rate of stable" is to be had as a sound trigger and as a plain threshold', () => {
  const trigger = (name: string): unknown =>
    policy({ name }).metrics.find(({ kind }) => kind === 'errorRatio')?.trigger;
  assert.deepEqual(
    [trigger('twice'), trigger('provenTwice'), trigger('standard')],
    ['twice', 'provenTwice', undefined],
  );
  const { thresholds } = policy({ name: 'plainTwice' });
  assert.deepEqual(thresholds, [{ metric: 'errorRate', above: 2, of: 'baseline', atLeast: 100 }]);
});

test('the tripwire can be set, and be left out', () => {
  const wire = { failures: 9, share: 0.9, times: 9 };
  assert.deepEqual(policy({ tripwire: wire }).tripwire, wire);
  assert.equal('tripwire' in policy({ tripwire: false }), false);
});

test('a policy that cannot be is refused with the cure', () => {
  assert.match(
    String(policyOf({ name: 'toString' })),
    /there is no policy "toString"; the policies are standard,/,
  );
  const one = { name: 'a', kind: 'errorRatio' } as const;
  assert.match(String(policyOf({ metrics: [one, one] })), /two metrics are called "a"/);
  assert.match(String(policyOf({ metrics: [{ ...one, use: 'off' }] })), /every metric is off/);
});
