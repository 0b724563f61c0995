import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Refusal } from '../../src/control/commands.ts';
import { Evidence } from '../../src/control/evidence.ts';
import { Observations } from '../../src/control/observations.ts';
import { TrialRecorder } from '../../src/metrics/trial.ts';
import type { Observation } from '../../src/model/api.ts';
import type { Rollout } from '../../src/model/rollout.ts';
import type { State, Trial } from '../../src/model/state.ts';
import { HandClock } from '../support/clock.ts';
import { stateOf } from '../support/site.ts';

const BUSINESS: NonNullable<Trial['business']> = [
  { name: 'orders' },
  { name: 'basket', worse: 'lower' },
  { name: 'tickets' },
  { name: 'seen', when: { path: '/' } },
];

/** A shop in this epoch of a rollout, with the candidate at so many percent. */
function shop(epoch: number, weight: number): State {
  const { services } = stateOf(1, {
    shop: {
      versions: { stable: [], canary: [], other: [] },
      weights: { stable: 100 - weight, canary: weight, other: 0 },
    },
  });
  const trial = {
    rollout: 'r1',
    epoch,
    baseline: 'stable',
    candidate: 'canary',
    sticky: true,
    business: BUSINESS,
  };
  const metrics = [{ name: 'tickets', kind: 'conversion', by: 'version' }];
  const rollout = {
    id: 'r1',
    service: 'shop',
    phase: { at: 'stepping', step: 0, since: 0 },
    policy: { metrics },
  };
  return {
    revision: 1,
    services: { shop: { ...services['shop']!, trial } },
    rollouts: { r1: rollout as unknown as Rollout },
  };
}

function opened() {
  const clock = new HandClock();
  const evidence = new Evidence(clock);
  let state = shop(1, 10);
  evidence.follow(state);
  let recorder = new TrialRecorder(state.services['shop']!.trial!, 0);
  const observations = new Observations({ state: () => state, evidence, clock });
  return {
    clock,
    observations,
    post: (...all: readonly Observation[]) => observations.post('shop', all),
    /** A worker has sent this user to a version, at the present weights. */
    seen(key: string, version: 'stable' | 'canary') {
      const { weights } = state.services['shop']!.split;
      const arm = recorder.arm(version, weights['canary']!, weights['stable']!)!;
      arm.assign(Buffer.from(key), 0, key.length, true, 0);
      evidence.add([recorder.collect()], 'worker 1');
    },
    change(epoch: number, weight: number) {
      state = shop(epoch, weight);
      evidence.follow(state);
      recorder =
        epoch === recorder.trial.epoch ? recorder : new TrialRecorder(state.services['shop']!.trial!, 0);
    },
    /** What the judge is told. */
    told: () =>
      evidence.take('r1', 0)!.batches.map(({ w, conversions, values }) => ({
        w,
        orders: conversions?.['orders'],
        tickets: conversions?.['tickets'],
        basket: values?.['basket'],
      })),
  };
}

test('what happens to a user counts for the version first chosen, with the odds of then, and once', () => {
  const { post, seen, change, told } = opened();
  seen('ann', 'canary');
  change(1, 50);
  seen('ann', 'stable');
  seen('otto', 'stable');
  told();
  const orders = { metric: 'orders', key: 'ann' };
  assert.deepEqual(post(orders, orders, { metric: 'orders', key: 'otto' }), {
    rollout: 'r1',
    taken: 3,
    waiting: 0,
    repeated: 0,
    unknown: 0,
    passed: 0,
  });
  assert.deepEqual(
    told().map(({ w, orders }) => [w, orders]),
    [
      [0.1, [1, 1]],
      [0.5, [0, 1]],
    ],
  );
  post(orders);
  assert.deepEqual(
    told().map(({ orders }) => orders),
    [[0, 0]],
  );
});

test('a key that nobody has heard of is waited for, and counts nowhere if it does not come', () => {
  const { clock, post, seen, change, observations, told } = opened();
  const waits = (key: string) => post({ metric: 'orders', key }).waiting;
  assert.equal(waits('ann'), 1);
  assert.equal(waits('otto'), 1);
  seen('ann', 'canary');
  observations.attend();
  assert.deepEqual(told()[0]?.orders, [1, 1]);
  clock.wind(5_000);
  observations.attend();
  seen('otto', 'stable');
  observations.attend();
  assert.deepEqual(told()[0]?.orders, [0, 0], 'too late');
  assert.equal(waits('eve'), 1);
  change(2, 10);
  seen('eve', 'canary');
  observations.attend();
  assert.deepEqual(told()[0]?.orders, [0, 0], 'that was in the step before');
  const counts = Object.fromEntries([...observations.outcomes].map(({ outcome, count }) => [outcome, count]));
  assert.deepEqual(counts, { waiting: 3, taken: 1, unknown: 2 });
});

test('what has an id counts once, whichever key or version it names', () => {
  const { post, told } = opened();
  const ticket = { metric: 'tickets', version: 'canary', id: 'ticket 1' };
  assert.equal(post(ticket, { ...ticket, id: 'ticket 2' }, ticket).repeated, 1);
  assert.equal(post(ticket, { ...ticket, version: 'stable', id: 'ticket 3' }).repeated, 1);
  assert.deepEqual(told(), [{ w: 0.1, orders: [0, 0], tickets: [2, 3], basket: [] }]);
  assert.equal(post({ metric: 'tickets', version: 'other' }).unknown, 1);
});

test('values of keys are measured against what was usual for the baseline', () => {
  const { post, seen, told } = opened();
  for (let i = 0; i < 60; i++) seen(`user ${i}`, 'stable');
  seen('ann', 'canary');
  post(...Array.from({ length: 60 }, (_, i) => ({ metric: 'basket', key: `user ${i}`, value: 50 + i })));
  told();
  post({ metric: 'basket', key: 'ann', value: -5 }, { metric: 'basket', key: 'ann', value: 500 });
  assert.deepEqual(told()[0]?.basket, [[3, 1, 1]]);
});

test('an observation that cannot be meant so is refused with the cure, and with it all others', () => {
  const { post, seen, told } = opened();
  seen('ann', 'canary');
  told();
  const faults: readonly (readonly [Observation, RegExp])[] = [
    [{ metric: 'none', key: 'ann' }, /no metric "none" .* it has orders, basket, tickets/],
    [{ metric: 'seen', key: 'ann' }, /counted in the traffic; leave out its when/],
    [{ metric: 'orders' }, /a key or a version, and not both/],
    [{ metric: 'orders', key: 'ann', version: 'canary' }, /a key or a version, and not both/],
    [{ metric: 'orders', version: 'canary' }, /observed by key; name the user's key/],
    [{ metric: 'tickets', key: 'ann' }, /observed by version; name the version/],
    [{ metric: 'tickets', version: 'v9' }, /no version "v9"/],
    [{ metric: 'basket', key: 'ann' }, /takes a value/],
    [{ metric: 'orders', key: 'ann', value: 3 }, /which has no value/],
  ];
  for (const [wrong, says] of faults)
    assert.throws(
      () => post({ metric: 'orders', key: 'ann' }, wrong),
      (error) =>
        error instanceof Refusal && /^observation 2: /.test(error.message) && says.test(error.message),
      String(says),
    );
  assert.deepEqual(told(), []);
});
