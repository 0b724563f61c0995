import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Gate } from '../../src/model/gate.ts';
import { begin } from '../../src/rollout/machine.ts';
import { planOf } from '../../src/rollout/plan.ts';
import { policyOf } from '../../src/rollout/policies.ts';
import { duration, percent, status } from '../../src/rollout/words.ts';

test('durations are told in the unit that people would use', () => {
  const cases: readonly (readonly [number, string])[] = [
    [0, '0 s'],
    [1.26, '1.3 s'],
    [59, '59 s'],
    [60, '1 min'],
    [90, '1.5 min'],
    [1320, '22 min'],
    [3590, '1 h'],
    [7200, '2 h'],
    [86_400, '1 d'],
    [2_592_000, '30 d'],
  ];
  for (const [seconds, says] of cases) assert.equal(duration(seconds), says);
});

test('percentages show what floating point would hide', () => {
  assert.deepEqual([5, 0.5, 0.0001, 33.300000000000004].map(percent), ['5 %', '0.5 %', '0.0001 %', '33.3 %']);
});

test('a rollout at a door says of each gate why it is shut, as far as that is known', () => {
  const now = Date.parse('2026-03-02T12:00:00.000Z');
  const why = 'stock-taking';
  const gates: Gate[] = [
    {
      name: 'hours',
      kind: 'window',
      moment: 'start',
      freeze: [{ from: '2026-03-02T00:00:00Z', to: '2026-03-09T00:00:00Z', why }],
    },
    { name: 'ci', kind: 'webhook', moment: 'start', url: 'http://ci.example.com/' },
    { name: 'boss', kind: 'approval', moment: 'start' },
  ];
  const plan = planOf({ type: 'canary', steps: [5], gates });
  const policy = policyOf({});
  assert.ok(typeof plan !== 'string' && typeof policy !== 'string');
  const { next } = begin(
    {
      id: 'r1',
      service: 'web',
      baseline: 'stable',
      candidate: 'canary',
      build: 'b7',
      share: 100,
      plan,
      policy,
      created: { at: new Date(now).toISOString(), by: 'ann' },
    },
    now,
  );
  assert.equal(
    status(next, now, undefined, { ci: 'nobody answered', another: 'no' }),
    'waiting to start for window "hours" (frozen until 2026-03-09T00:00:00Z: stock-taking), webhook "ci" (nobody answered), approval "boss", since 0 s',
  );
});
