import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import type { Tick } from '../../src/analysis/evidence.ts';
import { silent } from '../../src/base/log.ts';
import { Controller } from '../../src/control/controller.ts';
import type { Launch } from '../../src/control/launch.ts';
import { ALONE, type Lead, type Stand } from '../../src/control/lead.ts';
import { readLines, replay } from '../../src/control/recording.ts';
import { TrafficMeter } from '../../src/control/traffic.ts';
import { Totals } from '../../src/metrics/totals.ts';
import type { RolloutEvent } from '../../src/model/event.ts';
import type { Rollout } from '../../src/model/rollout.ts';
import { memoryStore } from '../../src/store/memory.ts';
import { memoryRecordings } from '../../src/store/recordings.ts';
import type { Store } from '../../src/store/store.ts';
import { HandClock } from '../support/clock.ts';
import { atEnd } from '../support/end.ts';
import { ASKING, controlOver, FragileStore } from './house.ts';

/** What workers tell: every look brings the same. */
class Told {
  /** Requests and failures of the candidate and of the baseline, a look. */
  candidate: readonly [requests: number, failures: number] = [0, 0];
  baseline_: readonly [requests: number, failures: number] = [0, 0];
  silent: readonly string[] = [];
  #requests = 0;

  take(_rollout: string, t: number): Tick {
    const [[n, k], [m, j]] = [this.candidate, this.baseline_];
    this.#requests += n;
    return {
      t,
      batches: [{ w: 0.5, units: [n, n + m], errors: [k, k + j] }],
      trials: [k, n],
      stableTrials: [j, m],
    };
  }
  seen = () => ({ requests: this.#requests, keys: 0 });
  harm = () => undefined;
  note() {}
  inherit() {}
  missing = () => this.silent;
  baseline = () => [];
}

const LAUNCH: Launch = {
  candidate: 'canary',
  strategy: {
    type: 'canary',
    steps: [{ weight: 50, atLeast: 2, needs: { requests: 100 } }],
    bake: { for: 5 },
  },
  policy: { mode: 'request' },
};

async function underControl(
  t: TestContext,
  store: Store = memoryStore(),
  launch: Launch | 'none' = LAUNCH,
  lead: Lead = ALONE,
) {
  const clock = new HandClock();
  const { control, serving } = await controlOver(store, clock);
  const evidence = new Told();
  const reports: RolloutEvent[] = [];
  const goneSince = new Map<string, number>();
  const roster = {
    goneFor(_service: string, version: string) {
      const since = goneSince.get(version);
      return since === undefined ? undefined : clock.monotonic() - since;
    },
  };
  const errands = {
    attend() {},
    reports: () => reports.splice(0),
    heard: () => ({}),
    rest() {},
    async close() {},
  };
  const samples = {
    fresh: undefined as Readonly<Record<string, boolean | null>> | undefined,
    attend() {},
    take: () => samples.fresh,
    heard: () => [],
    async close() {},
  };
  const ways: RolloutEvent[] = [];
  const recordings = memoryRecordings(silent);
  const traffic = new TrafficMeter(new Totals());
  const controller = new Controller({
    control,
    evidence,
    roster,
    errands,
    samples,
    recordings,
    observations: { attend() {} },
    lead,
    ways: { attend() {}, news: () => ways.splice(0), async close() {} },
    traffic,
    clock,
    log: silent,
  });
  await controller.start();
  atEnd(t, async () => {
    await controller.close();
    await control.close();
  });
  const id = launch === 'none' ? '' : (await control.startRollout('web', launch, ASKING)).rollout.id;
  return {
    control,
    serving,
    controller,
    evidence,
    goneSince,
    reports,
    recordings,
    samples,
    clock,
    rollout: (): Rollout => control.state().rollouts![id]!,
    weights: () => control.state().services['web']!.split.weights,
    /** So many looks, a second apart. */
    async look(times = 1): Promise<void> {
      for (; times > 0; times--) {
        clock.wind(1000);
        await controller.look();
      }
    },
  };
}

describe('the controller', () => {
  test('takes the traffic back on a worse verdict, with the reason and its evidence on record', async (t) => {
    const { control, controller, evidence, rollout, weights, look } = await underControl(t);
    assert.deepEqual(weights(), { stable: 50, canary: 50 });
    evidence.candidate = [100, 50];
    evidence.baseline_ = [100, 0];
    await look();
    assert.deepEqual(weights(), { stable: 100, canary: 0 });
    const { phase, id, build } = rollout();
    assert.ok(phase.at === 'rolledBack' && phase.cause === 'worse', phase.at);

    const { service, trial, quarantine } = { service: 'web', ...control.state().services['web'] };
    assert.equal(trial, undefined, 'workers stop counting');
    assert.deepEqual(
      quarantine?.map((each) => each.build),
      [build],
    );
    const [decision] = await control.decisions(id);
    assert.equal(decision?.verdict?.decision, 'rollback');
    assert.match(decision.digest, /^[0-9a-f]{64}$/);
    assert.match((await control.audit({ service, limit: 1 }))[0]?.reason ?? '', /^Worse: /);
    assert.deepEqual([...controller.outcomes.rollbacks.values()], [{ service, cause: 'worse', count: 1 }]);
  });

  test('goes on step by step when the evidence is there, and writes nothing when there is nothing new', async (t) => {
    const { control, evidence, rollout, weights, look } = await underControl(t);
    evidence.candidate = [60, 0];
    evidence.baseline_ = [60, 0];
    await look();
    const { revision } = control.state();
    assert.equal(rollout().phase.at, 'stepping');
    await look(8);
    assert.equal(rollout().phase.at, 'promoted');
    assert.deepEqual(weights(), { stable: 0, canary: 100 });
    assert.equal(
      control.state().revision,
      revision + 3,
      'baking, its first verdict, promoted: no other write',
    );
  });

  for (const needs of ['verdict', { requests: 100 }] as const)
    test(`does not go on while workers are silent, to a step that needs ${JSON.stringify(needs)}`, async (t) => {
      const { evidence, controller, rollout, look } = await underControl(t, memoryStore(), {
        ...LAUNCH,
        strategy: { type: 'canary', steps: [{ weight: 50, atLeast: 0, needs }] },
      });
      evidence.candidate = [5000, 0];
      evidence.baseline_ = [5000, 0];
      evidence.silent = ['worker 2'];
      await look(5);
      assert.equal(rollout().phase.at, 'stepping');
      assert.match(controller.verdict(rollout().id)?.says ?? '', /nothing is heard of worker 2/);
      evidence.silent = [];
      await look();
      assert.equal(rollout().phase.at, 'baking');
    });

  test('holds while a series is above what is tolerated, and does not go on without one that is required', async (t) => {
    const series = {
      url: 'http://prometheus:9090',
      query: 'cpu{version="{{version}}"}',
      headers: { a: 'b' },
    };
    const { control, samples, evidence, controller, rollout, look } = await underControl(t, memoryStore(), {
      ...LAUNCH,
      strategy: { type: 'canary', steps: [{ weight: 50, atLeast: 0, needs: 'verdict' }] },
      policy: {
        mode: 'request',
        metrics: [
          { name: 'errorRatio', kind: 'errorRatio' },
          { name: 'cpu', kind: 'gauge', series, required: true },
        ],
      },
    });
    evidence.candidate = [60, 0];
    evidence.baseline_ = [60, 0];
    await look(5);
    const cpu = () => controller.verdict(rollout().id)?.tests.find(({ name }) => name === 'cpu');
    assert.equal(cpu()?.standing, 'nodata');
    samples.fresh = { cpu: true };
    await look(15);
    assert.equal(cpu()?.standing, 'decided');
    evidence.candidate = [5000, 0];
    evidence.baseline_ = [5000, 0];
    await look(5);
    assert.equal(rollout().phase.at, 'stepping', 'it holds, and rolls nothing back');
    assert.ok(!JSON.stringify(await control.decisions(rollout().id)).includes('"a":"b"'));
  });

  test('what it was fed can be judged again, with the same verdicts byte for byte, or by another policy', async (t) => {
    const { control, evidence, recordings, rollout, look } = await underControl(t, memoryStore(), {
      ...LAUNCH,
      strategy: {
        type: 'canary',
        steps: [{ weight: 10 }, { weight: 50, atLeast: 2, needs: { requests: 100 } }],
      },
      policy: {
        mode: 'request',
        thresholds: [{ metric: 'errorRate', above: 0.5, of: 'value', atLeast: 10 }],
      },
    });
    const { id } = rollout();
    evidence.candidate = [60, 0];
    evidence.baseline_ = [60, 0];
    await look(3);
    await control.askRollout(id, { type: 'promote' }, ASKING);
    await look();
    evidence.candidate = [60, 20];
    await look();
    assert.equal(rollout().phase.at, 'rolledBack');
    let text = '';
    for await (const piece of recordings.read(id)) text += piece;
    const lines = readLines(text);

    const again = [...replay(lines)];
    assert.equal(again.length, 5);
    const [record] = await control.decisions(id);
    const decided = again.at(-1)!;
    assert.equal(decided.digest, record?.digest);
    assert.equal(JSON.stringify(decided.verdict), JSON.stringify(record?.verdict));
    assert.equal(decided.result, record?.result);
    assert.deepEqual(
      JSON.stringify([...replay(lines)]),
      JSON.stringify(again),
      'as often as it is asked for',
    );

    // After a restart the judge knows nothing, and the recording says so.
    assert.deepEqual([...replay([...lines, ...lines])], [...again, ...again]);

    const { policy } = rollout();
    const patient = [...replay(lines, { ...policy, alpha: 1e-30 })];
    assert.deepEqual(
      patient.map(({ verdict, result }) => [verdict.decision, result]),
      Array.from({ length: 5 }, (_, i) => [
        'continue',
        i < 4 ? undefined : 'baking at 99.5 %: 300 requests without a finding',
      ]),
    );
    const wire = { failures: 1, share: 0.1, times: 1 };
    const strict = [
      ...replay(lines, {
        ...policy,
        thresholds: [{ metric: 'p50', above: 0, of: 'value', atLeast: 1 }],
        tripwire: wire,
      }),
    ];
    assert.match(strict.at(-1)?.result ?? '', /^rolled back/);
  });

  test('takes the traffic back even if the store cannot be written, and writes it when it can', async (t) => {
    const store = new FragileStore();
    const { control, serving, evidence, weights, look } = await underControl(t, store);
    store.broken = true;
    evidence.candidate = [100, 50];
    evidence.baseline_ = [100, 0];
    await look();
    assert.deepEqual(weights(), { stable: 100, canary: 0 });
    assert.equal(serving.announced.at(-1)?.services['web']?.split.weights['canary'], 0);
    const written = store.written();
    store.broken = false;
    await written;
    const { services, rollouts } = await store.read();
    assert.equal(services['web']?.split.weights['canary'], 0);
    assert.equal(Object.values(rollouts!)[0]?.phase.at, 'rolledBack');
    await control.close();
  });

  test('begins the step again after a restart, as the evidence is lost', async (t) => {
    const store = memoryStore();
    const first = await underControl(t, store);
    await first.look();
    const { epoch, id } = first.rollout();
    await first.controller.close();
    const second = await underControl(t, store, 'none');
    const gone = second.control.state().rollouts![id]!;
    assert.equal(gone.epoch, epoch + 1);
    assert.equal(gone.phase.at, 'stepping');
    assert.match(gone.history.at(-1)!.says, /lost its evidence/);
  });

  test('takes in what errands report', async (t) => {
    const { reports, rollout, look } = await underControl(t);
    const errand = rollout().errands[0]!;
    assert.equal(errand.type, 'notify');
    reports.push({ type: 'done', errand: errand.id });
    await look();
    assert.ok(!rollout().errands.some(({ id }) => id === errand.id));
  });

  test('goes back when no endpoint of the candidate is left', async (t) => {
    const { control, rollout, look } = await underControl(t);
    await control.putVersion('web', 'canary', { endpoints: [] }, ASKING);
    await look();
    const { phase } = rollout();
    assert.ok(phase.at === 'rolledBack' && phase.cause === 'vanished', phase.at);
  });

  test('goes back when no endpoint of the candidate has served for five seconds, even without traffic', async (t) => {
    const { goneSince, clock, rollout, look } = await underControl(t);
    goneSince.set('canary', clock.monotonic());
    await look(4);
    assert.equal(rollout().phase.at, 'stepping', 'a restart takes less');
    goneSince.delete('canary');
    await look(4);
    goneSince.set('canary', clock.monotonic());
    await look(4);
    assert.equal(rollout().phase.at, 'stepping', 'twice a moment is not long');
    await look();
    const { phase } = rollout();
    assert.ok(phase.at === 'rolledBack' && phase.cause === 'vanished', phase.at);
    assert.match(phase.says, /no endpoint of version "canary" serves any more/);
  });

  test('blames nobody when the endpoints of both versions are gone', async (t) => {
    const { goneSince, clock, rollout, look } = await underControl(t);
    for (const version of ['stable', 'canary']) goneSince.set(version, clock.monotonic());
    await look(20);
    assert.equal(rollout().phase.at, 'stepping');
  });

  test('moves the times of a rollout along when the wall clock is set', async (t) => {
    const { controller, clock, rollout } = await underControl(t);
    const { since } = rollout().phase;
    const now = clock.now.bind(clock);
    clock.now = () => now() + 3_600_000;
    await controller.look();
    assert.equal(rollout().phase.since, since + 3_600_000);
  });
});

describe('the controller of a replica', () => {
  /** What this replica is to the fleet, and what it is told of harm. */
  class Post implements Lead {
    at: Stand = { at: 'leads', token: 'first' };
    harm: ReturnType<Lead['presumed']>;
    stand = () => this.at;
    verdict = () => undefined;
    inherited = () => undefined;
    presumed = () => this.harm;
  }

  test('decides nothing while another leads', async (t) => {
    const post = new Post();
    const { control, evidence, look } = await underControl(t, memoryStore(), LAUNCH, post);
    post.at = { at: 'follows' };
    evidence.candidate = [100, 50];
    evidence.baseline_ = [100, 0];
    const { revision } = control.state();
    await look(5);
    assert.equal(control.state().revision, revision);
  });

  test('writes under the token of its term, and begins the step again in a new one', async (t) => {
    const post = new Post();
    const store = memoryStore();
    const fences: (string | undefined)[] = [];
    const replace = store.replace.bind(store);
    store.replace = (...change) => {
      fences.push(change[3]);
      return replace(...change);
    };
    const { rollout, look } = await underControl(t, store, LAUNCH, post);
    const { epoch } = rollout();
    await look();
    assert.equal(rollout().epoch, epoch, 'a term that goes on changes nothing');
    fences.length = 0;
    post.at = { at: 'follows' };
    await look();
    post.at = { at: 'leads', token: 'second' };
    await look();
    assert.equal(rollout().epoch, epoch + 1);
    assert.deepEqual([...new Set(fences)], ['second']);
  });

  test('takes a catastrophe back while nobody is heard of, and does nothing else', async (t) => {
    const post = new Post();
    const store = new FragileStore();
    const { rollout, evidence, weights, look } = await underControl(t, store, LAUNCH, post);
    store.broken = true;
    post.at = { at: 'cutOff' };
    evidence.candidate = [100, 0];
    evidence.baseline_ = [100, 0];
    const well = { requests: 200, failures: 0, baselineRequests: 200, baselineFailures: 0, keys: 0 };
    post.harm = { harm: well, lately: well };
    await look(10);
    assert.deepEqual(weights(), { stable: 50, canary: 50 }, 'it does not go on');
    const ill = { ...well, failures: 150 };
    post.harm = { harm: ill, lately: ill };
    await look();
    assert.deepEqual(weights(), { stable: 100, canary: 0 });
    const { phase } = rollout();
    assert.ok(phase.at === 'rolledBack' && phase.cause === 'tripwire', phase.at);
  });
});
