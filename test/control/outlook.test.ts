import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judge } from '../../src/analysis/judge.ts';
import type { LatencyCounts } from '../../src/analysis/latency.ts';
import { startJudge } from '../../src/analysis/state.ts';
import { tellOutlook } from '../../src/control/outlook.ts';
import { judgePolicy } from '../../src/control/policy.ts';
import type { MetricRequest } from '../../src/model/policy.ts';
import type { Strategy } from '../../src/model/strategy.ts';
import { planOf } from '../../src/rollout/plan.ts';
import { policyOf } from '../../src/rollout/policies.ts';
import { tickOf } from '../analysis/script.ts';

/** One request in a hundred is slow. */
const LATENCY: LatencyCounts = [
  [100, 9900],
  [150, 100],
];
const ERRORS: MetricRequest[] = [{ name: 'errorRatio', kind: 'errorRatio' }];

function terms(strategy: Strategy, metrics?: MetricRequest[]) {
  const plan = planOf(strategy);
  const policy = policyOf({ mode: 'request', ...(metrics && { metrics }) });
  assert.ok(typeof plan !== 'string' && typeof policy !== 'string');
  return { plan, policy };
}

const HALF: Strategy = { type: 'canary', steps: [50], bake: { for: 0 } };

test('a plan counts in the slow requests that the judge waits for, and they take about so long', () => {
  const flow = { perSecond: 100, errorRate: 0, latency: LATENCY };
  const { takes } = tellOutlook(terms(HALF), flow);
  const told = /; the judge waits longest for latency: about ([\d.]+) min at 50 %$/.exec(takes);
  assert.ok(told, takes);
  const seconds = 60 * Number(told[1]);

  const policy = judgePolicy(terms(HALF));
  let state = startJudge(policy, LATENCY);
  for (let t = 0; ; t++) {
    assert.ok(t < 1000, 'the judge waits for something else');
    // The slow one of each second is the canary's and stable's in turn.
    const latency = [
      [100, 50 - (t % 2), 99],
      [150, t % 2, 1],
    ] as const;
    const judged = judge(policy, state, tickOf(t, 0.5, [0, 50], [0, 50], { latency }));
    state = judged.state;
    if (judged.judgement.decision !== 'promote') continue;
    assert.ok(Math.abs(t - seconds) < 0.2 * seconds, `${t} s, not ${seconds}`);
    break;
  }
});

test('a plan does not wait for latency where the judge will not', () => {
  const flow = { perSecond: 100, errorRate: 0, latency: LATENCY };
  const longest = /the judge waits longest for (\w+)/;
  const awaited = (told: { takes: string }) => longest.exec(told.takes)?.[1];
  assert.equal(awaited(tellOutlook(terms(HALF, ERRORS), flow)), 'errors', 'latency is not looked at');
  const few: LatencyCounts = [[100, 499]];
  assert.equal(awaited(tellOutlook(terms(HALF), { ...flow, latency: few })), 'errors', 'too few to compare');
  const byClock: Strategy = { type: 'linear', percent: 50, every: 60, needs: 'nothing' };
  assert.equal(awaited(tellOutlook(terms(byClock), flow)), undefined);
});

test('a plan names the step at which the judge waits longest', () => {
  const steps: Strategy = { type: 'canary', steps: [1, 50], bake: { for: 0 } };
  const { takes } = tellOutlook(terms(steps), { perSecond: 100, errorRate: 0, latency: [] });
  assert.match(
    takes,
    /^between .* or longer where it has to wait; the judge waits longest for errors: about 8.* min at 1 %$/,
  );
});
