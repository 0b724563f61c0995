import assert from 'node:assert/strict';
import { test } from 'node:test';
import { latencyBucket } from '../../src/analysis/latency.ts';
import { bucketOf } from '../../src/base/histogram.ts';
import { Evidence } from '../../src/control/evidence.ts';
import type { ByArm, TrialCounts } from '../../src/model/evidence.ts';
import type { Rollout } from '../../src/model/rollout.ts';
import type { State } from '../../src/model/state.ts';
import { HandClock } from '../support/clock.ts';
import { counts } from '../support/counts.ts';
import { stateOf } from '../support/site.ts';

/** A shop that is in this epoch of rollout r1, or, without one, at a door of it. */
function shop(epoch: number | undefined, live = true): State {
  const { services } = stateOf(1, {
    shop: { versions: { stable: [], canary: [] }, weights: { stable: 90, canary: 10 } },
  });
  const trial = { rollout: 'r1', epoch: epoch ?? 0, baseline: 'stable', candidate: 'canary', sticky: true };
  const phase = live ? { at: 'baking', since: 0 } : { at: 'promoted', since: 0, says: 'done' };
  return {
    revision: 1,
    services: { shop: { ...services['shop']!, ...(epoch !== undefined && { trial }) } },
    rollouts: { r1: { id: 'r1', phase } as Rollout },
  };
}

interface Told {
  readonly requests?: ByArm;
  readonly failures?: ByArm;
  /** Slots of the candidate's keys that erred. */
  readonly erred?: readonly number[];
}

function post(
  epoch: number,
  seq: number,
  { requests = [0, 0], failures = [0, 0], erred = [] }: Told,
): TrialCounts {
  const tallies = [{ kind: 'erred', counts: [], keys: erred.flatMap((slot) => [2 * slot + 1, 0]) }];
  return {
    rollout: 'r1',
    epoch,
    seq,
    requests,
    failures,
    slow: [0, 0],
    dispersed: [],
    batches: [{ w: 0.1, tallies }],
  };
}

function gathering() {
  const clock = new HandClock();
  const evidence = new Evidence(clock);
  evidence.join('worker 1');
  evidence.join('worker 2');
  evidence.follow(shop(1));
  return { clock, evidence };
}

test('each look is given what came since the last one, of all workers', () => {
  const { evidence } = gathering();
  evidence.add([post(1, 1, { requests: [9, 1], erred: [7] })], 'worker 1');
  evidence.add([post(1, 1, { requests: [8, 2], erred: [7, 8] })], 'worker 2');
  const tick = evidence.take('r1', 4);
  assert.equal(tick?.t, 4);
  assert.deepEqual(tick?.requests, [3, 20]);
  assert.deepEqual(tick?.batches[0]?.errors, [2, 2], 'a key that erred in two workers is one');
  evidence.add([post(1, 2, { requests: [1, 0] })], 'worker 1');
  assert.deepEqual(evidence.take('r1', 5)?.requests, [0, 1]);
  assert.equal(evidence.take('r2', 5), undefined);
});

test('a new epoch begins with nothing, and hears nothing of the one before', () => {
  const { evidence } = gathering();
  evidence.add([post(1, 1, { requests: [9, 1], erred: [7] })], 'worker 1');
  evidence.follow(shop(2));
  evidence.add([post(1, 2, { requests: [9, 1] })], 'worker 1');
  evidence.add([post(2, 1, { requests: [5, 0], erred: [7] })], 'worker 1');
  const tick = evidence.take('r1', 1);
  assert.deepEqual(tick?.requests, [0, 5]);
  assert.deepEqual(tick?.batches[0]?.errors, [1, 1], 'a key counts once in each epoch');
  assert.deepEqual(evidence.seen('r1'), { requests: 0, keys: 0 });
});

test('the same epoch goes on through other changes of the truth', () => {
  const { evidence } = gathering();
  evidence.add([post(1, 1, { requests: [9, 1] })], 'worker 1');
  evidence.follow({ ...shop(1), revision: 2 });
  assert.deepEqual(evidence.take('r1', 1)?.requests, [1, 10]);
});

test('harm adds up over epochs and doors, each key once, and is forgotten with the rollout', () => {
  const { evidence } = gathering();
  evidence.add([post(1, 1, { requests: [9, 3], failures: [1, 2], erred: [7] })], 'worker 1');
  evidence.follow(shop(undefined));
  evidence.follow(shop(2));
  evidence.add([post(2, 1, { requests: [9, 3], failures: [0, 2], erred: [7, 8] })], 'worker 1');
  assert.deepEqual(evidence.harm('r1')?.harm, {
    requests: 6,
    failures: 4,
    baselineRequests: 18,
    baselineFailures: 1,
    keys: 2,
  });
  evidence.follow(shop(undefined, false));
  assert.equal(evidence.harm('r1'), undefined);
});

test('what the last ten seconds have cost is told apart', () => {
  const { clock, evidence } = gathering();
  const lately = () => evidence.harm('r1')?.lately.requests;
  for (let second = 1; second <= 15; second++) {
    clock.wind(1000);
    evidence.add([post(1, second, { requests: [0, 1] })], 'worker 1');
    evidence.take('r1', second);
    assert.equal(lately(), Math.min(second, 10));
  }
});

test('a worker that says nothing for two seconds is missing, not idle', () => {
  const { clock, evidence } = gathering();
  clock.wind(2000);
  assert.deepEqual(evidence.missing('r1'), []);
  evidence.add([post(1, 1, {})], 'worker 1');
  clock.wind(1);
  assert.deepEqual(evidence.missing('r1'), ['worker 2']);
  evidence.leave('worker 2');
  assert.deepEqual(evidence.missing('r1'), []);
  clock.wind(2000);
  evidence.follow(shop(2));
  assert.deepEqual(evidence.missing('r1'), [], 'with a new epoch everybody has time to hear of it');
});

test("a version's errors are known, and its usual latency once it has answered five hundred times", () => {
  const { clock, evidence } = gathering();
  const answered = (ms: number, count: number) =>
    evidence.remember([
      counts({
        service: 'shop',
        version: 'stable',
        codes: [200, count],
        errors: count / 10,
        latency: [bucketOf(ms), count],
      }),
    ]);
  answered(3, 450);
  answered(41, 40);
  assert.deepEqual(evidence.marks('shop', 'stable'), { past: { requests: 490, failures: 49 } });
  answered(170, 10);
  assert.deepEqual(evidence.baseline('shop', 'stable'), [
    [latencyBucket(3), 450],
    [latencyBucket(41), 40],
    [latencyBucket(170), 10],
  ]);
  assert.deepEqual(evidence.marks('shop', 'stable'), {
    past: { requests: 500, failures: 50 },
    slow: { p95: latencyBucket(41), p99: latencyBucket(170) },
  });
  clock.wind(6 * 60_000);
  assert.deepEqual(evidence.baseline('shop', 'stable'), []);
});
