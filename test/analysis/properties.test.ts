import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Batch, Tick } from '../../src/analysis/evidence.ts';
import { explain } from '../../src/analysis/explain.ts';
import { rateInterval, ratioInterval } from '../../src/analysis/intervals.ts';
import { judge } from '../../src/analysis/judge.ts';
import { labelIncrement, markIncrement, tiltIncrement } from '../../src/analysis/label.ts';
import { advance, bet, logWealth, startMixture } from '../../src/analysis/mixture.ts';
import {
  DEFAULT_METRICS,
  DEFAULT_POLICY,
  metricThreshold,
  type Policy,
  policyFault,
  sharingSteps,
} from '../../src/analysis/policy.ts';
import { type JudgeState, startJudge } from '../../src/analysis/state.ts';
import { binomial, chance, oneStep, run, tickOf } from './script.ts';

const share = fc.double({ min: 1e-5, max: 0.99999, noNaN: true });
const ratio = fc.double({ min: 0.05, max: 100, noNaN: true });

function close(a: number, b: number): void {
  assert.ok(Math.abs(a - b) <= 1e-9 * Math.max(1, Math.abs(a), Math.abs(b)), `${a} is not ${b}`);
}

test('a bet on a fair coin neither wins nor loses on average', () => {
  fc.assert(
    fc.property(share, ratio, fc.double({ min: -3, max: 3, noNaN: true }), (w, r, u) => {
      close(w * Math.exp(labelIncrement(1, 1, w, r)) + (1 - w) * Math.exp(labelIncrement(0, 1, w, r)), 1);
      close(w * Math.exp(tiltIncrement(1, w, u)) + (1 - w) * Math.exp(tiltIncrement(0, w, u)), 1);
      close(
        w * Math.exp(markIncrement(u, 1, 1, w, 0.4)) + (1 - w) * Math.exp(markIncrement(u, 0, 1, w, 0.4)),
        1,
      );
    }),
  );
});

test('a bet that the ratio is above r0 loses on average while it is at most r0', () => {
  fc.assert(
    fc.property(share, fc.double({ min: 1, max: 5, noNaN: true }), share, (w, r0, part) => {
      const truth = r0 * part;
      const bad = (w * truth) / (1 + w * (truth - 1));
      const r = 2 * r0;
      const mean =
        bad * Math.exp(labelIncrement(1, 1, w, r, r0)) + (1 - bad) * Math.exp(labelIncrement(0, 1, w, r, r0));
      assert.ok(mean <= 1 + 1e-9, `${mean}`);
    }),
  );
});

test('a forced choice is no coin: it moves nothing', () => {
  for (const w of [0, 1]) {
    assert.equal(labelIncrement(3, 3, w, 10), 0);
    assert.equal(markIncrement(2, 3, 3, w, 0.4), 0);
    assert.equal(tiltIncrement(1, w, 2), 0);
  }
});

test('moving failures to the canary never lowers the evidence against it', () => {
  fc.assert(
    fc.property(share, fc.nat(50), fc.nat(50), (w, a, b) => {
      const k = a + b + 1;
      const wealth = (kc: number): number =>
        logWealth(
          bet(
            startMixture(3, 10),
            [1.5, 3, 30].map((r) => labelIncrement(kc, k, w, r)),
          ),
        );
      assert.ok(wealth(a) <= wealth(a + 1));
    }),
  );
});

test('starting later bets neither makes nor loses money', () => {
  fc.assert(
    fc.property(fc.nat(10_000), fc.nat(10_000), (a, b) => {
      const fresh = startMixture(4, 60);
      close(logWealth(advance(fresh, a)), 0);
      const [first, second] = a < b ? [a, b] : [b, a];
      const twice = advance(advance(fresh, first), second);
      twice.wealth.forEach((each, j) => {
        close(each, advance(fresh, second).wealth[j]!);
      });
    }),
  );
});

/** Ticks as chance may bring them, with everything that a request-mode judge looks at. */
const pair = fc.tuple(fc.nat(5), fc.nat(50)).map(([canary, stable]) => [canary, canary + stable] as const);
const batch = fc.record({
  w: fc.constantFrom(0.01, 0.05, 0.25),
  units: pair,
  errors: pair,
  latency: fc
    .array(fc.tuple(fc.integer({ min: 90, max: 150 }), pair), { maxLength: 4 })
    .map((rows) => rows.map(([bucket, [canary, all]]) => [bucket, canary, all] as const)),
});
const trials = fc.tuple(fc.nat(3), fc.integer({ min: 3, max: 50 }));
const ticks = fc
  .array(fc.record({ batches: fc.array(batch, { maxLength: 3 }), trials, stableTrials: trials }), {
    minLength: 1,
    maxLength: 80,
  })
  .map((all) => all.map((tick, t): Tick => ({ t, ...tick })));

const BASELINE = [
  [100, 100],
  [115, 800],
  [125, 90],
  [140, 10],
] as const;
const EAGER: Policy = { ...DEFAULT_POLICY, latencyWarmup: 3, minCanaryEvents: 0 };

function after(
  all: readonly Tick[],
  between: (state: JudgeState) => JudgeState = (state) => state,
): JudgeState {
  return all.reduce((state, tick) => between(judge(EAGER, state, tick).state), startJudge(EAGER, BASELINE));
}

test('a judge that is written down after every tick and read again judges the same', () => {
  fc.assert(
    fc.property(ticks, (all) => {
      assert.deepEqual(
        after(all, (state) => JSON.parse(JSON.stringify(state)) as JudgeState),
        after(all),
      );
    }),
    { numRuns: 50 },
  );
});

test('a batch may come whole or in parts', () => {
  const halves = ({ w, units, errors, latency }: Batch): Batch[] => [
    { w, ...(units && { units }), ...(latency && { latency }) },
    { w, ...(errors && { errors }) },
  ];
  fc.assert(
    fc.property(ticks, (all) => {
      const whole = after(all);
      const parts = after(all.map((tick) => ({ ...tick, batches: tick.batches.flatMap(halves).reverse() })));
      for (const { name } of EAGER.metrics)
        close(logWealth(whole.detectors[name]!.mixture), logWealth(parts.detectors[name]!.mixture));
      close(logWealth(whole.srm), logWealth(parts.srm));
      assert.deepEqual(parts.seen, whole.seen);
    }),
    { numRuns: 50 },
  );
});

test('forced requests, whenever they come, change no label test', () => {
  const forced = (w: number): Batch => ({ w, units: [7, 7], errors: [3, 3], latency: [[140, 5, 5]] });
  fc.assert(
    fc.property(ticks, fc.nat(79), (all, at) => {
      const plain = after(all);
      const mixed = after(
        all.map((tick) =>
          tick.t === at ? { ...tick, batches: [...tick.batches, forced(0), forced(1)] } : tick,
        ),
      );
      assert.deepEqual(mixed.detectors, plain.detectors);
      assert.deepEqual(mixed.srm, plain.srm);
      assert.deepEqual(mixed.errors, plain.errors);
    }),
    { numRuns: 50 },
  );
});

test('whatever comes, a verdict can be said, and JSON can carry it', () => {
  fc.assert(
    fc.property(ticks, (all) => {
      let state = startJudge(EAGER, BASELINE);
      for (const tick of all) {
        const judged = judge(EAGER, state, tick);
        state = judged.state;
        const verdict = explain(EAGER, state, judged.judgement, tick.t);
        assert.deepEqual(JSON.parse(JSON.stringify(verdict)), verdict);
        assert.doesNotMatch(JSON.stringify(verdict), /NaN|Infinity|undefined|null/);
      }
    }),
    { numRuns: 30 },
  );
});

test('intervals hold the observed rate, and widen as more confidence is asked', () => {
  fc.assert(
    fc.property(
      fc.nat(200),
      fc.nat(2000),
      fc.double({ min: 0.01, max: 0.5, noNaN: true }),
      (k, more, alpha) => {
        const n = k + more + 1;
        const [low, high] = rateInterval(k, n, alpha);
        assert.ok(low <= k / n && k / n <= high);
        const [wideLow, wideHigh] = rateInterval(k, n, alpha / 2);
        assert.ok(wideLow <= low && high <= wideHigh);
        const [least, most] = ratioInterval([[0.1, k, n]], alpha);
        const seen = k / 0.1 / ((n - k) / 0.9);
        assert.ok(least <= seen * (1 + 1e-9) && seen <= most * (1 + 1e-9), `${least} ${seen} ${most}`);
      },
    ),
    { numRuns: 200 },
  );
});

test('the parts of alpha add up to alpha, in either mode, with any weights', () => {
  const weight = fc.double({ min: 0.1, max: 10, noNaN: true });
  fc.assert(
    fc.property(fc.tuple(weight, weight, weight), fc.constantFrom('request', 'sticky'), (weights, mode) => {
      const metrics = weights.map((each, i) => ({ ...DEFAULT_METRICS[i]!, weight: each }));
      const policy: Policy = { ...DEFAULT_POLICY, mode, metrics, spareSteps: 2 };
      const spent = metrics.reduce((sum, metric) => sum + Math.exp(-metricThreshold(policy, metric)), 0);
      close(spent * sharingSteps(policy), policy.alpha);
    }),
  );
});

test('a policy that cannot work is named with its cure', () => {
  const [step] = DEFAULT_POLICY.steps;
  const [metric] = DEFAULT_METRICS;
  const cases: [Partial<Policy>, RegExp][] = [
    [{}, /^undefined$/],
    [{ alpha: 0 }, /alpha is 0; it is a probability/],
    [{ beta: 1 }, /beta is 1/],
    [{ steps: [] }, /at least one/],
    [{ steps: [{ ...step!, weight: 5 }] }, /step 1 has weight 5; it is a fraction/],
    [{ steps: [{ ...step!, margin: 1 }] }, /above 1/],
    [{ steps: [{ ...step!, floor: 0 }] }, /floor 0/],
    [{ steps: [{ ...step!, minSeconds: 1800 }] }, /must be the greater/],
    [{ metrics: [] }, /there are no metrics/],
    [{ metrics: [metric!, metric!] }, /two metrics are called "errorRatio"/],
    [{ metrics: [{ ...metric!, weight: 0 }] }, /leave it out/],
    [{ metrics: [{ ...metric!, ratios: [2, 3], provenAbove: 2 }] }, /differ from provenAbove, 2/],
  ];
  for (const [change, says] of cases)
    assert.match(String(policyFault({ ...DEFAULT_POLICY, ...change })), says);
});

test('of 1 000 rollouts of a version onto itself at most the promised share is rolled back', () => {
  // Looked at every second for five minutes. alpha is 5 %, so 50 are allowed; what is expected is far fewer.
  const policy = oneStep(0.1, {
    alpha: 0.05,
    metrics: DEFAULT_METRICS.filter(({ kind }) => kind === 'errorRatio'),
    steps: [{ ...DEFAULT_POLICY.steps[1]!, minSeconds: 300, maxSeconds: 301 }],
  });
  let rolledBack = 0;
  for (let seed = 1; seed <= 1000; seed++) {
    const next = chance(seed);
    const { judgement } = run(policy, 300, (t) => {
      const canary = binomial(50, 0.1, next);
      return tickOf(
        t,
        0.1,
        [binomial(canary, 0.02, next), canary],
        [binomial(50 - canary, 0.02, next), 50 - canary],
      );
    });
    if (judgement.decision === 'rollback') rolledBack++;
  }
  assert.ok(rolledBack <= 50, `${rolledBack} of 1000`);
});

test('a month of one request a minute brings neither a false rollback nor a promotion without evidence', () => {
  const policy = oneStep(0.1, { steps: [{ ...DEFAULT_POLICY.steps[1]!, maxSeconds: 31 * 86_400 }] });
  const next = chance(7);
  let state = startJudge(policy, undefined);
  for (let t = 0; t < 30 * 86_400; t += 60) {
    const canary = next() < 0.1 ? 1 : 0;
    const bad = next() < 0.001 ? 1 : 0;
    const judged = judge(
      policy,
      state,
      tickOf(t, 0.1, [canary * bad, canary], [(1 - canary) * bad, 1 - canary]),
    );
    state = judged.state;
    assert.ok(!['rollback', 'invalid'].includes(judged.judgement.decision), `at ${t} s`);
    if (judged.judgement.decision !== 'promote') continue;
    assert.ok(state.seen.trials[1] > 500, `promoted on ${state.seen.trials[1]} requests`);
    return;
  }
});
