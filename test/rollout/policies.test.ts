import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Policy, PolicyRequest } from '../../src/model/policy.ts';
import { POLICIES, policyOf, tellPolicy } from '../../src/rollout/policies.ts';

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

test('a name stands for what the config file says, and begins with one that is here', () => {
  const own = { strict: { name: 'twice', harmBudget: { failures: 9 }, alpha: 0.001 } };
  const made = policyOf({ name: 'strict', alpha: 0.02 }, own);
  assert.ok(typeof made !== 'string', String(made));
  assert.equal(made.name, 'strict');
  assert.equal(made.alpha, 0.02);
  assert.deepEqual(made.harmBudget, { failures: 9 });
  assert.ok(made.metrics.some(({ trigger }) => trigger === 'twice'));
  assert.match(String(policyOf({ name: 'lax' }, own)), /the policies are strict, standard/);
  assert.equal(tellPolicy(own.strict), 'as twice, but harmBudget {"failures":9}; alpha 0.001');
});

test('a business metric that could never count is refused, with the cure', () => {
  const asked = (metric: object) =>
    policyOf({ metrics: [{ name: 'm', weight: 1, kind: 'conversion', ...metric }] });
  assert.match(String(asked({ kind: 'value', when: { path: '/' } })), /names no event.*event: order/);
  assert.match(
    String(asked({ kind: 'gauge', when: { path: '/' } })),
    /only those of kind conversion and value/,
  );
  const many = Array.from({ length: 31 }, (_, i) => ({ name: `m${i}`, kind: 'conversion' as const }));
  assert.match(String(policyOf({ metrics: many })), /31 metrics .* 30 are the most/);
  assert.notEqual(typeof asked({ kind: 'value', when: { event: 'order' } }), 'string');
  assert.notEqual(typeof asked({}), 'string', 'it is posted');
  assert.match(String(asked({ by: 'version', when: { path: '/' } })), /says by, which is for/);
  const metrics = [{ name: 'm', kind: 'conversion' as const }];
  assert.match(String(policyOf({ mode: 'request', metrics })), /mode request counts no keys.*by: version/);
});
