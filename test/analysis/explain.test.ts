import assert from 'node:assert/strict';
import { test } from 'node:test';
import { explain } from '../../src/analysis/explain.ts';
import { flawlessTrials } from '../../src/analysis/planning.ts';
import { DEFAULT_METRICS, type Policy } from '../../src/analysis/policy.ts';
import type { Verdict } from '../../src/model/verdict.ts';
import { oneStep, type Run, run, tickOf } from './script.ts';

function said(policy: Policy, { state, judgement, t }: Run): Verdict {
  return explain(policy, state, judgement, t);
}

test('worse says which test decided, from what, and by how much', () => {
  const policy = oneStep(0.05);
  const verdict = said(
    policy,
    run(policy, 60, (t) => tickOf(t, 0.05, [t % 2, 5], [0, 95])),
  );
  assert.equal(verdict.word, 'worse');
  assert.equal(verdict.reason, 'errorRatio');
  assert.equal(
    verdict.says,
    'Worse: errorRatio is decided against the canary. It failed 10 % of the time, stable 0 %.',
  );
  assert.match(
    verdict.because[0]!,
    /^errorRatio: odds of [\d ]+ to 1 against the canary, of odds of 250 to 1 needed, from 3 of its events\.$/,
  );
  assert.match(
    verdict.because[1]!,
    /^The canary failed 3 of 30 requests \(10 %, between [\d.]+ % and \d+ %\); stable failed 0 of 570 requests/,
  );
  assert.match(verdict.because[2]!, /^The canary's failure rate is at least [\d.]+ times stable's\.$/);
  assert.equal(verdict.ratio.high, undefined, 'what is unbounded is left out');
  const { standing, ratio } = verdict.tests.find(({ name }) => name === 'errorRatio')!;
  assert.equal(standing, 'decided');
  assert.ok(ratio! > 10);
});

test('healthy says what was shown', () => {
  const policy = oneStep(0.5);
  const verdict = said(
    policy,
    run(policy, 300, (t) => tickOf(t, 0.5, [1, 500], [1, 500])),
  );
  assert.equal(verdict.word, 'healthy');
  assert.match(verdict.says, /less than 2 times as often as stable, or less than 0\.2 %/);
  assert.equal(verdict.tests.find(({ name }) => name === 'promotion:errors')!.standing, 'decided');
  assert.equal(verdict.tests.find(({ name }) => name === 'promotion:latency')!.standing, 'off');
  assert.equal(verdict.secondsToGo, undefined);
});

test('unknown says how far it is from a verdict at this traffic', () => {
  const policy = oneStep(0.5);
  const verdict = said(
    policy,
    run(policy, 600, (t) => tickOf(t, 0.5, [0, 1], [0, 1])),
  );
  assert.equal(verdict.word, 'unknown');
  assert.equal(verdict.decision, 'continue');
  const total = flawlessTrials(0.002, 0.05);
  const left = total - 600;
  assert.ok(Math.abs(verdict.secondsToGo! - left) < 0.2 * total, `${verdict.secondsToGo} s, not ${left}`);
});

test('unknown without traffic says so, and promises no time', () => {
  const policy = oneStep(0.5);
  const verdict = said(
    policy,
    run(policy, 60, (t) => ({ t, batches: [] })),
  );
  assert.equal(verdict.secondsToGo, undefined);
  assert.ok(verdict.because.includes('The canary had no requests; stable had no requests.'));
  assert.ok(verdict.because.includes('Too few failures to compare the two.'));
});

test('every reason to wait is a sentence', () => {
  const policy = oneStep(0.1, {
    metrics: [...DEFAULT_METRICS, { name: 'cpu', kind: 'gauge', weight: 1, holdOnly: true, required: true }],
  });
  const { state, t } = run(policy, 5, (at) => tickOf(at, 0.1, [0, 100], [1, 900]));
  const sentence = (decision: Verdict['decision'], reason: string): string =>
    explain(policy, state, { decision, reason }, t).says;
  assert.match(sentence('hold', 'environment'), /stable itself is failing/);
  assert.match(sentence('hold', 'incident'), /far more than usual/);
  assert.match(sentence('hold', 'suspicious:errorRatio'), /errorRatio speaks against the canary/);
  assert.match(sentence('hold', 'nodata:cpu'), /cpu is required and has no data/);
  assert.match(sentence('inconclusive', 'timeout'), /1800 s were not enough/);
  assert.match(sentence('invalid', 'srm'), /does not get the share of traffic/);
  const blind = explain(policy, state, { decision: 'hold', reason: 'nodata:cpu' }, t);
  assert.match(blind.because[0]!, /^cpu: /);
  assert.equal(blind.tests.find(({ name }) => name === 'cpu')!.standing, 'nodata');
});

test("latencies are told in the canary's own milliseconds, the head start undone", () => {
  const policy = oneStep(0.5, { latencyWarmup: 0 });
  const tick = (t: number) => tickOf(t, 0.5, [0, 50], [0, 50], { latency: [[118, 50, 100]] });
  const { canary, stable } = said(policy, run(policy, 20, tick));
  assert.ok(Math.abs(canary.p50!.value! / stable.p50!.value! - 1.1) < 1e-9);
  assert.equal(stable.p99!.value, stable.p50!.value);
});

test('a rollback for latency tells both latencies', () => {
  const policy = oneStep(0.5, { latencyWarmup: 0 });
  const latency = [
    [118, 0, 50],
    [140, 50, 50],
  ] as const;
  const decided = run(policy, 60, (t) => tickOf(t, 0.5, [0, 50], [0, 50], { latency }), [
    [118, 900],
    [125, 100],
  ]);
  const { says, because } = said(policy, decided);
  assert.match(
    says,
    /^Worse: latency\w+ is decided against the canary\. It took p50 \d+ ms, .*, stable p50 32 ms, /,
  );
  assert.ok(because.some((line) => line.startsWith('The canary took p50 ')));
});

test('a rollback for a business metric tells what was seen of it', () => {
  const orders = { name: 'orders', kind: 'conversion', weight: 1 } as const;
  const lost = oneStep(0.5, { metrics: [orders] });
  const few = run(lost, 60, (t) => tickOf(t, 0.5, [0, 500], [0, 500], { conversions: { orders: [1, 11] } }));
  assert.match(
    said(lost, few).says,
    /^Worse: orders is decided against the canary\. In this step it happened \d+ times in [\d ]+ requests of the canary, and \d+ times in [\d ]+ requests of stable\.$/,
  );
  const basket = { name: 'basket', kind: 'value', weight: 1 } as const;
  const cheap = oneStep(0.5, { metrics: [basket] });
  const marks = {
    basket: [
      [2, 10, 10],
      [-0.5, 0, 10],
    ],
  };
  const less = run(cheap, 60, (t) => tickOf(t, 0.5, [0, 500], [0, 500], { values: marks }));
  assert.match(
    said(cheap, less).says,
    /the canary had \d+ values, on average 2 usual spreads worse than usual; stable had \d+ values, on average 0\.5 usual spreads better than usual\.$/,
  );
  const cpu = { name: 'cpu', kind: 'gauge', weight: 1 } as const;
  const busy = oneStep(0.5, { metrics: [cpu] });
  const hot = run(busy, 60, (t) => ({ t, batches: [], samples: { cpu: t === 1 ? null : true } }));
  assert.match(said(busy, hot).says, /(\d+) of \1 samples were above what is tolerated\.$/);
});

test('in sticky mode keys are counted, not requests', () => {
  const policy = oneStep(0.5, { mode: 'sticky' });
  const { canary, because } = said(
    policy,
    run(policy, 20, (t) => ({
      t,
      batches: [{ w: 0.5, units: [1, 2] }],
      trials: [0, 1],
      requests: [50, 100],
      requestErrors: [0, 0],
    })),
  );
  assert.equal(canary.trials, 20);
  assert.match(because[0]!, /20 keys/);
});
