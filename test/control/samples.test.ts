import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { silent } from '../../src/base/log.ts';
import { Samples } from '../../src/control/samples.ts';
import type { Series } from '../../src/model/policy.ts';
import type { Rollout } from '../../src/model/rollout.ts';
import type { State } from '../../src/model/state.ts';
import { circumstancesOf, HandWorld, json, type Manner, Receiver, ROLLOUT } from '../gates/parts.ts';
import { runPrometheus } from '../metrics/prometheus.ts';
import { atEnd } from '../support/end.ts';
import { need } from '../support/need.ts';
import { Origin, ok } from '../support/origin.ts';
import { eventually } from '../support/patience.ts';

const { service } = circumstancesOf();

function stateOf(rollout: Rollout): State {
  const trial = { rollout: rollout.id, epoch: rollout.epoch, baseline: 'v1', candidate: 'v2', sticky: true };
  return { revision: 1, services: { shop: { ...service, trial } }, rollouts: { [rollout.id]: rollout } };
}

function judgedBy(series: Series, more: Partial<Rollout> = {}): Rollout {
  const metrics = [{ name: 'cpu', kind: 'gauge' as const, series }];
  const phase = { at: 'stepping' as const, step: 0, since: 0 };
  return { ...ROLLOUT, phase, policy: { ...ROLLOUT.policy, metrics }, ...more };
}

/** Of each version a value; without one there is no data. */
function values(of: Readonly<Record<string, string>>): Manner {
  return (received) => {
    const query = new URLSearchParams(received.body).get('query') ?? '';
    const value = Object.entries(of).find(([version]) => query.includes(version))?.[1];
    const result = value === undefined ? [] : [{ metric: {}, value: [1, value] }];
    const manner = json({ status: 'success', data: { resultType: 'vector', result } });
    if (typeof manner === 'function') manner(received);
  };
}

async function sampling(t: TestContext, series: Partial<Series> = {}) {
  const receiver = await Receiver.open(t, values({ v1: '1', v2: '1.1' }));
  const world = new HandWorld();
  let rollout = judgedBy({ url: `http://${receiver.address}`, query: 'cpu{v="{{version}}"}', ...series });
  const samples = new Samples({ state: () => stateOf(rollout), world, log: silent });
  atEnd(t, () => samples.close());
  return {
    receiver,
    world,
    samples,
    change: (more: Partial<Rollout>) => {
      rollout = { ...rollout, ...more };
    },
    rollout: () => rollout,
    /** What comes once this many seconds have passed. */
    async after(seconds: number) {
      const before = samples.heard(rollout.id)[0]?.at;
      world.wind(seconds * 1000);
      samples.attend();
      await eventually('a sample', () => {
        const at = samples.heard(rollout.id)[0]?.at;
        return at !== undefined && at !== before;
      });
      return samples.take(rollout);
    },
  };
}

test('a series is sampled once in its interval, the candidate against 1.2 times the baseline', async (t) => {
  const { receiver, samples, world, rollout, after } = await sampling(t);
  samples.attend();
  world.wind(59_000);
  samples.attend();
  assert.equal(receiver.received.length, 0, 'the first minute under these weights is not over');
  assert.deepEqual(await after(1), { cpu: false });
  assert.equal(samples.take(rollout()), undefined, 'a sample is told once');
  receiver.manner = values({ v1: '1', v2: '1.3' });
  assert.deepEqual(await after(60), { cpu: true });
  assert.match(samples.heard('r1')[0]!.says, /v2 has 1.3 and v1 1, at most 1.2 times/);
  assert.equal(receiver.received.length, 4);
});

test('no data is a sample that says nothing', async (t) => {
  const { receiver, samples, after } = await sampling(t, { every: 10 });
  receiver.manner = values({ v1: '1' });
  samples.attend();
  assert.deepEqual(await after(10), { cpu: null });
  receiver.manner = 503;
  assert.deepEqual(await after(10), { cpu: null });
  assert.equal(samples.heard('r1')[0]?.answer, 'unknown');
});

test('a threshold asks for the candidate alone', async (t) => {
  const { receiver, samples, after } = await sampling(t, { atMost: 1, every: 10 });
  samples.attend();
  assert.deepEqual(await after(10), { cpu: true });
  assert.equal(receiver.received.length, 1);
});

test('what was asked in another epoch counts in none, and an ended rollout asks nothing', async (t) => {
  const { receiver, samples, world, rollout, change, after } = await sampling(t, { every: 10, atMost: 1 });
  samples.attend();
  world.wind(10_000);
  samples.attend();
  await eventually('a sample', () => samples.heard('r1').length > 0);
  change({ epoch: 2 });
  samples.attend();
  assert.equal(samples.take(rollout()), undefined);
  assert.deepEqual(await after(10), { cpu: true });
  change({ phase: { at: 'promoted', since: 0, says: '' } });
  world.wind(10_000);
  samples.attend();
  assert.deepEqual(samples.heard('r1'), []);
  assert.equal(receiver.received.length, 2);
});

test('a real Prometheus tells two versions apart', async (t) => {
  if (!need(t, 'prometheus')) return;
  const lines = ['v1', 'v2']
    .map((version) => `cpu{version="${version}"} ${version === 'v2' ? 3 : 1}\n`)
    .join('');
  const target = await Origin.open(t, (peer) =>
    peer.say(ok(lines, 'content-type: text/plain; version=0.0.4\r\n')),
  );
  const url = await runPrometheus(t, target.address);
  const { samples, after } = await sampling(t, { url, query: 'cpu{version="{{version}}"}', every: 1 });
  samples.attend();
  let last: unknown;
  for (let i = 0; i < 600; i++) {
    last = (await after(1))?.['cpu'];
    if (last !== null) break;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.equal(last, true);
});
