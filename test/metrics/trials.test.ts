import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Trials } from '../../src/metrics/trials.ts';
import type { Service } from '../../src/model/state.ts';
import { stateOf } from '../support/site.ts';

/** A shop that is in this epoch of a rollout, or in none. */
function shop(epoch: number | undefined, canary = 10): Service {
  const { services } = stateOf(1, {
    shop: { versions: { stable: [], canary: [] }, weights: { stable: 100 - canary, canary } },
  });
  const trial = { rollout: 'r1', epoch: epoch ?? 0, baseline: 'stable', candidate: 'canary', sticky: false };
  return { ...services['shop']!, ...(epoch !== undefined && { trial }) };
}

/** Compiles a table, as far as trials are concerned. */
function compile(trials: Trials, service: Service) {
  trials.begin();
  const [stable, canary] = ['stable', 'canary'].map((version) => trials.arm('shop', version, service, 0));
  return { stable, canary };
}

const key = Buffer.from('ann');
const told = (trials: Trials) =>
  trials
    .collect()
    .map(({ epoch, batches }) => [
      epoch,
      batches.map(({ w, tallies }) => [w, ...tallies.flatMap(({ counts }) => counts)]),
    ]);

test('an epoch goes on through new documents and weights, and another begins with nothing', () => {
  const trials = new Trials();
  const first = compile(trials, shop(1));
  trials.adopt({ shop: shop(1) });
  first.canary?.assign(key, 0, 3, true, 0);
  const second = compile(trials, shop(1, 50));
  trials.adopt({ shop: shop(1, 50) });
  second.canary?.assign(key, 0, 3, true, 0);
  assert.deepEqual(told(trials), [
    [
      1,
      [
        [0.1, 0, 0, 1],
        [0.5, 0, 0, 1],
      ],
    ],
  ]);
  second.canary?.assign(key, 0, 3, true, 0);
  const third = compile(trials, shop(2));
  trials.adopt({ shop: shop(2) });
  second.canary?.assign(key, 0, 3, true, 0);
  third.stable?.assign(key, 0, 3, true, 0);
  assert.deepEqual(told(trials), [[2, [[0.1, 0, 1, 0]]]]);
});

test('a service without a trial, or that is gone, counts for none', () => {
  const trials = new Trials();
  compile(trials, shop(1));
  trials.adopt({ shop: shop(1) });
  assert.equal(trials.any, true);
  assert.deepEqual(compile(trials, shop(undefined)), { stable: undefined, canary: undefined });
  trials.adopt({ shop: shop(undefined) });
  assert.equal(trials.any, false);
  compile(trials, shop(1));
  trials.adopt({});
  assert.equal(trials.any, false);
});

test('a table that could not be compiled leaves the trials as they were', () => {
  const trials = new Trials();
  const { canary } = compile(trials, shop(1));
  trials.adopt({ shop: shop(1) });
  compile(trials, shop(2));
  canary?.assign(key, 0, 3, true, 0);
  // The next has the very service that is in force, so nothing of it is compiled anew.
  trials.begin();
  trials.adopt({ shop: shop(1) });
  assert.deepEqual(told(trials), [[1, [[0.1, 0, 0, 1]]]]);
});
