import assert from 'node:assert/strict';
import { test } from 'node:test';
import { usedUp } from '../../src/analysis/decision.ts';
import { propensity, type Tick } from '../../src/analysis/evidence.ts';
import { judge } from '../../src/analysis/judge.ts';
import type { LatencyCounts } from '../../src/analysis/latency.ts';
import { logWealth } from '../../src/analysis/mixture.ts';
import {
  DEFAULT_METRICS,
  DEFAULT_POLICY,
  DEFAULT_STEPS,
  ERROR_POLICIES,
  type Metric,
  metricThreshold,
} from '../../src/analysis/policy.ts';
import { baselineOf, startJudge, startStep } from '../../src/analysis/state.ts';
import { countUnit, noUnits, unitSlot } from '../../src/analysis/units.ts';
import { valueBucket, valueMark, valueScale } from '../../src/analysis/value.ts';
import { oneStep, run, tickOf } from './script.ts';

const BASELINE: LatencyCounts = [
  [100, 100],
  [118, 900],
  [123, 1000],
  [135, 90],
  [150, 10],
];

test('no evidence is unknown, never healthy, however long one waits', () => {
  const quiet = run(DEFAULT_POLICY, 3600, (t) => ({ t, batches: [] }));
  assert.deepEqual(quiet.trace, ['0 continue', '1800 inconclusive timeout']);
});

test('a canary that fails half of its requests is found in the first handful', () => {
  const found = run(oneStep(0.05), 60, (t) => tickOf(t, 0.05, [t % 2, 1], [0, 19]));
  assert.equal(found.judgement.decision, 'rollback');
  assert.equal(found.judgement.reason, 'errorRatio');
  assert.ok(found.t <= 9, `after ${found.t} ticks`);
});

test('equal versions are promoted step by step, each on evidence of its own', () => {
  let state = startJudge(DEFAULT_POLICY, undefined);
  const promoted: number[] = [];
  for (let t = 0; promoted.length < 4; t++) {
    assert.ok(t < 4000, `only ${promoted.length} steps in ${t} s`);
    const { weight } = DEFAULT_STEPS[state.step]!;
    const n = weight * 10_000;
    // One in a thousand fails in both, evenly: the canary's share of failures is its share of the traffic.
    const bad = Math.floor((t + 1) * n * 0.001) - Math.floor(t * n * 0.001);
    const tick = tickOf(t, weight, [bad, n], [Math.round(10 - n * 0.001), 10_000 - n]);
    const judged = judge(DEFAULT_POLICY, state, tick);
    state = judged.state;
    if (judged.judgement.decision !== 'promote') {
      assert.ok(['continue', 'hold'].includes(judged.judgement.decision), judged.judgement.reason);
      continue;
    }
    promoted.push(t - state.stepStart);
    if (state.step < 3) state = startStep(state, DEFAULT_POLICY, state.step + 1, t + 1, undefined);
  }
  for (const elapsed of promoted) assert.ok(elapsed >= 60);
});

test('fewer than three failures of the canary roll nothing back, however telling', () => {
  const two = run(oneStep(0.001), 300, (t) => tickOf(t, 0.001, [t < 2 ? 1 : 0, 1], [0, 999]));
  assert.deepEqual(two.trace.slice(0, 2), ['0 continue', '1 hold suspicious:errorRatio']);
  assert.notEqual(two.judgement.decision, 'rollback');
  const three = run(oneStep(0.001), 300, (t) => tickOf(t, 0.001, [t < 3 ? 1 : 0, 1], [0, 999]));
  assert.equal(three.trace.at(-1), '2 rollback errorRatio');
});

test('each error policy acts from its own ratio on, and not below', () => {
  // At even odds, a ratio of 1.1, 1.3, 1.7 and 4 puts so many of 1 000 failures on the canary.
  const found = (name: keyof typeof ERROR_POLICIES): boolean[] =>
    [524, 565, 630, 800].map((bad) => {
      const metric: Metric = { name: 'errors', kind: 'errorRatio', weight: 1, ...ERROR_POLICIES[name] };
      const tick = (t: number): Tick => ({ t, batches: [{ w: 0.5, errors: [bad, 1000] }] });
      return run(oneStep(0.5, { metrics: [metric] }), 60, tick).judgement.decision === 'rollback';
    });
  assert.deepEqual(found('sensitive'), [true, true, true, true]);
  assert.deepEqual(found('increase'), [false, true, true, true]);
  assert.deepEqual(found('twice'), [false, false, true, true]);
  assert.deepEqual(found('provenTwice'), [false, false, false, true]);
});

test('a split that does not give the canary its share voids every comparison', () => {
  const none = run(oneStep(0.01), 60, (t) => tickOf(t, 0.01, [0, 0], [1, 1000]));
  assert.equal(none.judgement.decision, 'invalid');
  assert.equal(none.judgement.reason, 'srm');
  assert.ok(none.t <= 3, `after ${none.t} s`);
  const double = run(oneStep(0.01), 60, (t) => tickOf(t, 0.01, [20, 20], [0, 980]));
  assert.equal(double.trace.at(-1)?.split(' ')[1], 'rollback', 'a catastrophe is found before the split is');
});

test('what both versions suffer blames nobody and promotes nothing', () => {
  const outage = run(oneStep(0.1), 600, (t) => {
    const bad = t >= 100 && t < 160;
    return tickOf(t, 0.1, bad ? [30, 100] : [0, 100], bad ? [270, 900] : [1, 900]);
  });
  assert.equal(
    outage.trace.some((line) => line.includes('rollback')),
    false,
    outage.trace.join('\n'),
  );
});

test('while stable fails, promotion waits, and evidence for it stands still', () => {
  const policy = oneStep(0.1, { steps: [{ ...DEFAULT_STEPS[3]!, minSeconds: 500 }] });
  const failing = (t: number): Tick => tickOf(t, 0.1, [30, 100], [270, 900]);
  let state = startJudge(policy, undefined);
  for (let t = 0; t < 3; t++) {
    const judged = judge(policy, state, failing(t));
    assert.deepEqual(judged.judgement, { decision: 'hold', reason: 'environment' });
    assert.deepEqual(judged.state.errors, state.errors);
    assert.equal(
      judged.state.detectors['errorCeiling']!.events,
      0,
      'the ceiling does not look while stable fails too',
    );
    state = judged.state;
  }
});

test('a canary over the ceiling together with stable is not blamed', () => {
  // 6.2 and 5 %: over the ceiling for one, not quite for the other to be called failing.
  const policy = oneStep(0.5, {
    steps: [{ ...DEFAULT_STEPS[3]!, minSeconds: 5000, maxSeconds: 6000 }],
    metrics: DEFAULT_METRICS.filter(({ kind }) => kind === 'errorCeiling'),
  });
  const together = run(policy, 1200, (t) => tickOf(t, 0.5, [62, 1000], [50, 1000]));
  assert.ok(
    together.trace.some((line) => line.endsWith('hold environment')),
    together.trace.join('\n'),
  );
  assert.equal(
    together.trace.some((line) => line.includes('rollback')),
    false,
  );
  const alone = run(policy, 1200, (t) => tickOf(t, 0.5, [70, 1000], [1, 1000]));
  assert.equal(alone.judgement.decision, 'rollback');
});

test('a ceiling that may only hold is never begun anew, whoever else fails', () => {
  const ceiling = DEFAULT_METRICS.filter(({ kind }) => kind === 'errorCeiling');
  const policy = oneStep(0.5, {
    steps: [{ ...DEFAULT_STEPS[3]!, minSeconds: 5000, maxSeconds: 6000 }],
    metrics: ceiling.map((metric) => ({ ...metric, holdOnly: true })),
  });
  const { state, judgement } = run(policy, 1200, (t) => tickOf(t, 0.5, [62, 1000], [50, 1000]));
  assert.deepEqual(judgement, { decision: 'hold', reason: 'suspicious:errorCeiling' });
  assert.equal(state.detectors['errorCeiling']!.events, 1200 * 62);
});

test('a spike of stable freezes promotion until it is over', () => {
  const policy = oneStep(0.1, { steps: [{ ...DEFAULT_STEPS[3]!, minSeconds: 500 }] });
  const spike = run(policy, 60, (t) => tickOf(t, 0.1, [0, 100], [t >= 20 && t < 30 ? 30 : t % 2, 900]));
  assert.match(spike.trace[1] ?? '', /^2[0-9] hold incident$/);
  assert.match(spike.trace[2] ?? '', /^3[0-9] continue$/);
  const before = run(policy, 25, (t) => tickOf(t, 0.1, [0, 100], [t >= 20 ? 30 : t % 2, 900])).state;
  const during = judge(policy, before, tickOf(25, 0.1, [0, 100], [30, 900]));
  assert.equal(during.judgement.reason, 'incident');
  assert.deepEqual(during.state.errors, before.errors, 'what fails now tells nothing of ordinary errors');
});

test('latency is judged only with a baseline, and only after the warm-up', () => {
  const slow = { latency: [[160, 5, 100]] as const };
  const cold = (t: number): Tick => tickOf(t, 0.05, [0, 5], [0, 95], t < 30 ? slow : {});
  const warm = (t: number): Tick =>
    tickOf(t, 0.05, [0, 5], [0, 95], {
      latency: [
        [160, 5, 5],
        [120, 0, 95],
      ],
    });
  const without = run(oneStep(0.05), 120, warm);
  assert.equal(without.judgement.decision, 'continue');
  assert.equal(logWealth(without.state.detectors['latencyShift']!.mixture) > 0.1, false);
  assert.equal(run(oneStep(0.05), 29, cold, BASELINE).state.detectors['latencyShift']!.events, 0);
  const found = run(oneStep(0.05), 120, warm, BASELINE);
  assert.equal(found.judgement.decision, 'rollback');
  assert.ok(found.t >= 30 && found.t <= 33, `at ${found.t} s`);
  const few = run(oneStep(0.05), 120, warm, [[120, 499]]);
  assert.equal(few.state.scale, undefined);
});

test("a step's own latencies are the next step's baseline", () => {
  const seen = run(
    oneStep(0.05),
    40,
    (t) =>
      tickOf(t, 0.05, [0, 5], [0, 95], {
        latency: [
          [110, 5, 60],
          [120, 0, 40],
        ],
      }),
    BASELINE,
  );
  assert.deepEqual(baselineOf(seen.state), [
    [110, 550],
    [120, 400],
  ]);
});

test('a key that fails a thousand times is one unit, so one broken client rolls nothing back', () => {
  const policy = oneStep(0.05, { mode: 'sticky' });
  const erred = noUnits();
  const broken = run(policy, 200, (t) => {
    const first = countUnit(erred, unitSlot('broken client'), true) ? 1 : 0;
    return {
      t,
      batches: [{ w: 0.05, units: [5, 100], errors: [first, first] }],
      trials: [first, 5],
      requests: [50, 1000],
      requestErrors: [10, 10],
    };
  });
  assert.equal(broken.judgement.decision === 'rollback', false);
  const asRequests = run(oneStep(0.05), 200, (t) => tickOf(t, 0.05, [10, 50], [0, 950]));
  assert.equal(asRequests.judgement.decision, 'rollback', 'the same errors as requests would');
});

test('first errors no longer promote once a tenth of the users has met one', () => {
  const policy = oneStep(0.5, { mode: 'sticky', errorCeiling: 0.5 });
  const tick = (t: number, erring: number): Tick => ({
    t,
    batches: [{ w: 0.5, units: [50, 100], errors: [erring, 2 * erring] }],
    trials: [erring, 50],
    requests: [50, 100],
    requestErrors: [0, 0],
  });
  assert.equal(run(policy, 300, (t) => tick(t, 4)).judgement.decision, 'promote');
  assert.equal(run(policy, 300, (t) => tick(t, 6)).judgement.decision, 'continue');
});

test('unequal clients temper what requests say', () => {
  const policy = oneStep(0.5, { mode: 'sticky', promotionEstimand: 'requests' });
  const tick = (t: number, phi: number): Tick => ({
    t,
    batches: [{ w: 0.5, units: [5, 10] }],
    requests: [500, 1000],
    requestErrors: [5, 10],
    ...(t === 0 && { phi }),
  });
  assert.equal(run(policy, 70, (t) => tick(t, 1)).judgement.decision, 'promote');
  assert.equal(run(policy, 70, (t) => tick(t, 500)).judgement.decision, 'continue');
});

test('in sticky mode every step begins with new detectors, in request mode they go on', () => {
  for (const mode of ['sticky', 'request'] as const) {
    const policy = { ...DEFAULT_POLICY, mode };
    const { state } = judge(policy, startJudge(policy, undefined), tickOf(0, 0.01, [2, 10], [0, 990]));
    const next = startStep(state, policy, 1, 100, undefined);
    assert.equal(next.detectors['errorRatio']!.events, mode === 'sticky' ? 0 : 2);
    assert.equal(next.detectors['errorRatio']!.since, mode === 'sticky' ? 100 : 0);
    assert.equal(next.errors.margin, DEFAULT_STEPS[1]!.margin);
    assert.deepEqual(next.errors.relative, [0, 0, 0]);
  }
});

const CPU: Metric = { name: 'cpu', kind: 'gauge', weight: 1, holdOnly: true, required: true };

test('a required series without data holds a promotion back and never rolls back', () => {
  const policy = oneStep(0.5, { metrics: [...DEFAULT_METRICS, CPU] });
  const tick = (t: number, cpu?: boolean | null): Tick => ({
    ...tickOf(t, 0.5, [1, 500], [1, 500]),
    ...(cpu !== undefined && { samples: { cpu } }),
  });
  const never = run(policy, 200, (t) => tick(t));
  assert.deepEqual(never.judgement, { decision: 'hold', reason: 'nodata:cpu' });
  const lost = run(policy, 200, (t) => tick(t, t < 10 ? false : null));
  assert.deepEqual(lost.trace.slice(0, 2), ['0 continue', '12 hold nodata:cpu']);
  const present = run(policy, 200, (t) => tick(t, t % 20 === 0 ? false : undefined));
  assert.equal(present.judgement.decision, 'promote');
});

test('a series that is too high may hold, and rolls back only if it may', () => {
  const above = (t: number): Tick => ({ t, batches: [], samples: { cpu: true } });
  const metrics = [...DEFAULT_METRICS, { ...CPU, required: false }];
  const held = run(oneStep(0.5, { metrics }), 60, above);
  assert.deepEqual(held.judgement, { decision: 'hold', reason: 'suspicious:cpu' });
  const metricsThatAct = [...DEFAULT_METRICS, { ...CPU, holdOnly: false, required: false }];
  assert.deepEqual(run(oneStep(0.5, { metrics: metricsThatAct }), 60, above).judgement, {
    decision: 'rollback',
    reason: 'cpu',
  });
});

test('conversions that stay away roll back without an error', () => {
  const orders: Metric = { name: 'orders', kind: 'conversion', weight: 1 };
  const policy = oneStep(0.5, { metrics: [...DEFAULT_METRICS, orders] });
  const lost = run(policy, 60, (t) =>
    tickOf(t, 0.5, [0, 500], [0, 500], { conversions: { orders: [0, 10] } }),
  );
  assert.deepEqual(lost.judgement, { decision: 'rollback', reason: 'orders' });
});

test('values that shift the wrong way roll back, the right way not', () => {
  const basket: Metric = { name: 'basket', kind: 'value', weight: 1 };
  const policy = oneStep(0.5, { metrics: [...DEFAULT_METRICS, basket] });
  const scale = valueScale(
    [10, 20, 30, 40, 50, 60, 70].map((value) => [valueBucket(value), 1]),
    'lower',
  )!;
  const bought = (t: number, canary: number): Tick =>
    tickOf(t, 0.5, [0, 50], [0, 50], {
      values: {
        basket: [
          [valueMark(canary, scale), 10, 10],
          [valueMark(40, scale), 0, 10],
        ],
      },
    });
  assert.deepEqual(run(policy, 120, (t) => bought(t, 20)).judgement, {
    decision: 'rollback',
    reason: 'basket',
  });
  assert.notEqual(run(policy, 120, (t) => bought(t, 60)).judgement.decision, 'rollback');
});

test('parts of a tick that hold no number are left out and counted', () => {
  const policy = oneStep(0.05);
  const { state } = judge(policy, startJudge(policy, undefined), {
    t: 0,
    batches: [
      { w: Number.NaN, errors: [1, 1] },
      { w: 0.05, errors: [1, 2] },
    ],
    trials: [Number.POSITIVE_INFINITY, 3],
  });
  assert.equal(state.ignored, 2);
  assert.equal(state.detectors['errorRatio']!.events, 1);
  assert.deepEqual(state.seen.trials, [0, 0]);
  assert.throws(() => judge(policy, state, { t: Number.NaN, batches: [] }), /a tick at NaN; t is seconds/);
});

test('with more than two versions the odds are those between candidate and baseline', () => {
  assert.equal(propensity(5, 45), 0.1);
  assert.equal(propensity(0, 0), 0);
});

test('of metrics that fire at once the one furthest beyond its threshold is named', () => {
  const at = (w: number, stable: number) =>
    run(oneStep(w), 1, (t) => tickOf(t, w, [50, 50], [0, stable])).judgement.reason;
  // Fifty failures are worth 140 nats at odds of 1 in 20, and at odds of 1 in 2 never more than 35.
  assert.deepEqual([at(0.05, 950), at(0.5, 50)], ['errorRatio', 'errorCeiling']);
});

test('once a tenth of the users of either version have erred, first errors promote nothing', () => {
  const policy = oneStep(0.5, { mode: 'sticky' });
  const { seen } = startJudge(policy, undefined);
  const erring = (canary: number, stable: number): boolean =>
    usedUp(policy, { ...seen, units: [100, 200], errors: [[0.5, canary, canary + stable]] });
  assert.deepEqual([erring(10, 10), erring(11, 0), erring(0, 11)], [false, true, true]);
});

test('in sticky mode alpha is shared among metrics, steps, and steps begun again', () => {
  const policy = { ...DEFAULT_POLICY, mode: 'sticky' as const, spareSteps: 3 };
  const parts = policy.metrics.map((metric) => Math.exp(-metricThreshold(policy, metric)));
  const spent = parts.reduce((sum, part) => sum + part, 0) * (policy.steps.length + 3);
  assert.ok(Math.abs(spent - policy.alpha) < 1e-12, `${spent}`);
});
