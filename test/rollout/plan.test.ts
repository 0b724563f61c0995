import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Gate } from '../../src/model/gate.ts';
import type { Plan } from '../../src/model/plan.ts';
import type { Strategy } from '../../src/model/strategy.ts';
import { estimate, planOf, type Traffic, tellEstimate, tellPlan } from '../../src/rollout/plan.ts';
import { PRESETS } from '../../src/rollout/presets.ts';

function plan(strategy: Strategy): Plan {
  const made = planOf(strategy);
  assert.ok(typeof made !== 'string', String(made));
  return made;
}

function fault(strategy: Strategy): string {
  const made = planOf(strategy);
  assert.ok(typeof made === 'string');
  return made;
}

const weights = ({ steps }: Plan): number[] => steps.map(({ weight }) => weight);

describe('a strategy', () => {
  test('as a list may end at 100 or not', () => {
    const steps = [1, 5, 25, 50];
    assert.deepEqual(plan({ type: 'canary', steps: [...steps, 100] }), plan({ type: 'canary', steps }));
    assert.deepEqual(weights(plan({ type: 'canary', steps })), steps);
  });

  test('that is linear rises by the same amount, whatever floating point makes of it', () => {
    assert.deepEqual(weights(plan({ type: 'linear', percent: 20, every: 60 })), [20, 40, 60, 80]);
    const bake = { keepWarm: 0 };
    assert.deepEqual(weights(plan({ type: 'linear', percent: 33.3, every: 60, bake })), [33.3, 66.6, 99.9]);
    assert.equal(weights(plan({ type: 'linear', percent: 1, every: 60 })).length, 99);
    const seventh = plan({ type: 'linear', percent: 14.2857142857, every: 60 });
    assert.deepEqual(weights(seventh), [14.2857, 28.5714, 42.8571, 57.1429, 71.4286, 85.7143]);
    assert.deepEqual(weights(plan({ type: 'linear', percent: 100, every: 60 })), []);
  });

  test('that is exponential doubles unless told otherwise', () => {
    assert.deepEqual(weights(plan({ type: 'exponential', start: 1, every: 60 })), [1, 2, 4, 8, 16, 32, 64]);
    assert.deepEqual(weights(plan({ type: 'exponential', start: 0.5, factor: 10, every: 60 })), [0.5, 5, 50]);
  });

  test('says what holds for each of its steps', () => {
    const [step] = plan({ type: 'linear', percent: 50, every: 3600, onTimeout: 'rollback' }).steps;
    assert.deepEqual(step, {
      weight: 50,
      atLeast: 3600,
      atMost: 3600,
      needs: 'verdict',
      onTimeout: 'rollback',
      gates: [],
    });
  });

  test('by override only asks a person, once, if none was named', () => {
    const asked = plan({ type: 'override' }).gates;
    assert.deepEqual(asked, [{ name: 'winner', kind: 'approval', moment: 'promotion' }]);
    const gates: Gate[] = [{ name: 'board', kind: 'approval', moment: 'promotion', role: 'admin' }];
    assert.deepEqual(plan({ type: 'override', gates }).gates, gates);
  });

  test('by preset may bake otherwise', () => {
    const { bake } = plan({ type: 'preset', name: 'Canary10Percent5Minutes', bake: { for: 60 } });
    assert.deepEqual(bake, { for: 60, keepWarm: 0.5 });
  });
});

describe('every preset', () => {
  test('is a sound plan under its own name, told in words', () => {
    for (const { name, says } of PRESETS) {
      assert.equal(plan({ type: 'preset', name }).strategy, name);
      assert.ok(says.length > 10, name);
    }
    assert.equal(new Set(PRESETS.map(({ name }) => name)).size, PRESETS.length);
  });

  test('has the steps that its name promises', () => {
    const steps = (name: string): [number, number][] =>
      plan({ type: 'preset', name }).steps.map(({ weight, atLeast }) => [weight, atLeast / 60]);
    assert.deepEqual(steps('Canary10Percent30Minutes'), [[10, 30]]);
    assert.deepEqual(steps('ECSCanary5Percent10Minutes'), [[5, 10]]);
    assert.deepEqual(
      steps('Linear10PercentEvery3Minutes'),
      [10, 20, 30, 40, 50, 60, 70, 80, 90].map((weight) => [weight, 3]),
    );
    assert.deepEqual(steps('AllAtOnce'), []);
    assert.deepEqual(weights(plan({ type: 'preset', name: '1-5-25-50-100' })), [1, 5, 25, 50]);
  });
});

describe('a plan is refused, with the cure,', () => {
  const webhook = (name: string, moment: Gate['moment']): Gate => ({
    name,
    moment,
    kind: 'webhook',
    url: 'https://ci.example.com/',
  });
  const cases: readonly (readonly [string, Strategy, RegExp])[] = [
    [
      'when a weight does not rise',
      { type: 'canary', steps: [5, 5] },
      /step 2 is at 5 % after 5 %; weights rise/,
    ],
    [
      'when a weight is finer than the finest',
      { type: 'canary', steps: [0.00001] },
      /finest step of a weight is/,
    ],
    [
      'when its promotion is written as a step',
      { type: 'canary', steps: [5, { weight: 100, atLeast: 5 }] },
      /the step at 100 % is the promotion; write it as 100/,
    ],
    [
      'when the bake would take weight away',
      { type: 'canary', steps: [99], bake: { keepWarm: 5 } },
      /would lose weight after 99 %; keep less/,
    ],
    [
      'when two gates have one name',
      { type: 'blueGreen', gates: [webhook('a', 'start'), webhook('a', 'promotion')] },
      /two gates are called "a"/,
    ],
    [
      'when a gate of the plan is one of a step',
      { type: 'blueGreen', gates: [webhook('a', 'during')] },
      /gate "a" has moment during, and this strategy has no steps; use start or promotion/,
    ],
    [
      'when a gate of a step is one of the plan',
      { type: 'canary', steps: [{ weight: 5, gates: [webhook('a', 'start')] }] },
      /gate "a" has moment start; the gates of a step have before, during or after/,
    ],
    [
      'when a gate at every step has a name of one step',
      {
        type: 'canary',
        steps: [{ weight: 5, gates: [webhook('a at 5 %', 'before')] }],
        gates: [webhook('a', 'before')],
      },
      /two gates are called "a at 5 %"/,
    ],
    [
      'when a name has no room for the weight of a step',
      { type: 'linear', percent: 10, every: 60, gates: [webhook('a'.repeat(60), 'before')] },
      /longer than 64 characters; give it a shorter name/,
    ],
    [
      'when more gates stand at a step than may',
      {
        type: 'canary',
        steps: [{ weight: 5, gates: [webhook('last', 'before')] }],
        gates: Array.from({ length: 20 }, (_, index) => webhook(`g${index}`, 'before')),
      },
      /step 1 has 21 gates, .* 20 are the most/,
    ],
    [
      'when an approval watches',
      { type: 'blueGreen', gates: [{ name: 'a', kind: 'approval', moment: 'rollback' }] },
      /of kind approval has moment rollback, at which nothing waits/,
    ],
    [
      'when a smoke test is to be told of events',
      {
        type: 'blueGreen',
        gates: [{ name: 'a', kind: 'smoke', moment: 'event', requests: [{ path: '/' }] }],
      },
      /only a webhook can be told of events/,
    ],
    [
      'when a query has no bound',
      {
        type: 'blueGreen',
        gates: [{ name: 'a', kind: 'prometheus', moment: 'start', url: 'http://p', query: 'q' }],
      },
      /gate "a" has 0 bounds; give it one of/,
    ],
    [
      'when a window has no such zone',
      { type: 'blueGreen', gates: [{ name: 'a', kind: 'window', moment: 'start', zone: 'Mars/Base' }] },
      /zone "Mars\/Base", which is not known/,
    ],
  ];
  for (const [when, strategy, says] of cases) test(when, () => assert.match(fault(strategy), says));
});

describe('how long a plan takes', () => {
  const traffic: Traffic = { perSecond: 10, keysPerSecond: 1, secondsToVerdict: (weight) => 3000 / weight };

  test('is between the evidence and the patience of its steps', () => {
    const strategy: Strategy = { type: 'canary', steps: [5, 50], bake: { for: 600 } };
    // 600 s and 60 s till the judge can tell, 30 min at most each.
    assert.deepEqual(estimate(plan(strategy), traffic), { low: 1260, high: 4200, open: true });
    assert.equal(
      tellEstimate(estimate(plan(strategy), traffic)),
      'between 21 min and 1.2 h, or longer where it has to wait',
    );
  });

  test('is as long as a step that holds needs to tell', () => {
    const steps = [{ weight: 1, atMost: 60 }];
    const { low, high } = estimate(plan({ type: 'canary', steps, bake: { for: 0 } }), traffic);
    assert.deepEqual([low, high], [3000, 3000]);
  });

  test('is known exactly for a plan that goes by the clock', () => {
    const steps = [{ weight: 10, atLeast: 300, needs: 'nothing' as const }];
    const told = estimate(plan({ type: 'canary', steps, bake: { for: 300 } }), traffic);
    assert.equal(tellEstimate(told), 'about 10 min');
  });

  test('counts requests and users by the share that the candidate has', () => {
    const low = (needs: { requests: number } | { keys: number }): number => {
      const steps = [{ weight: 10, atLeast: 0, needs }];
      return estimate(plan({ type: 'canary', steps, bake: { for: 0 } }), traffic).low;
    };
    assert.equal(low({ requests: 500 }), 500);
    assert.equal(low({ keys: 50 }), 500);
  });

  test('without traffic is as long as anybody will wait', () => {
    const none: Traffic = { perSecond: 0, keysPerSecond: 0, secondsToVerdict: () => undefined };
    const told = estimate(plan({ type: 'canary', steps: [5], bake: { for: 0 } }), none);
    assert.deepEqual(told, { low: 1800, high: 1800, open: true });
  });
});

test('a plan is told a line a step', () => {
  const strategy: Strategy = {
    type: 'canary',
    steps: [
      1,
      {
        weight: 5,
        atLeast: 600,
        needs: { requests: 500 },
        onTimeout: 'rollback',
        gates: [{ name: 'qa', kind: 'approval', moment: 'before' }],
      },
      {
        weight: 50,
        needs: 'nothing',
        gates: [{ name: 'db', kind: 'schema', schema: '13', moment: 'after' }],
      },
    ],
    gates: [
      { name: 'hours', kind: 'window', moment: 'start' },
      { name: 'boss', kind: 'approval', moment: 'promotion' },
    ],
  };
  assert.deepEqual(tellPlan(plan(strategy)), [
    'first: window "hours"',
    '1 %: at least 1 min, until the judge can tell; after 30 min it holds and says so',
    'after approval "qa": 5 %: at least 10 min, until the candidate answered 500 requests; after 30 min back',
    '50 %: at least 1 min, then on unless the candidate looks suspicious; then schema "db"',
    'then: approval "boss"',
    '100 %: baked for 30 min, 0.5 % kept on the old version',
  ]);
});

describe('a gate of a strategy with a moment of steps', () => {
  const gates: Gate[] = [
    { name: 'qa', kind: 'approval', moment: 'before' },
    { name: 'cpu', kind: 'prometheus', moment: 'during', url: 'http://p', query: 'q', atMost: 1 },
    { name: 'boss', kind: 'approval', moment: 'promotion' },
    { name: 'alarm', kind: 'webhook', moment: 'rollback', url: 'http://p' },
  ];
  const strategies: readonly Strategy[] = [
    { type: 'canary', steps: [30, 60, 90], gates },
    { type: 'linear', percent: 30, every: 60, gates },
    { type: 'exponential', start: 20, factor: 2, every: 60, gates },
    { type: 'preset', name: '1-5-25-50-100', gates },
    { type: 'preset', name: 'Linear10PercentEvery1Minute', gates },
  ];
  for (const strategy of strategies)
    test(`stands at every step of ${'name' in strategy ? strategy.name : strategy.type}`, () => {
      const made = plan(strategy);
      assert.ok(made.steps.length >= 3);
      for (const { weight, gates: ofStep } of made.steps)
        assert.deepEqual(
          ofStep.map(({ name, moment }) => [name, moment]),
          [
            [`qa at ${weight} %`, 'before'],
            [`cpu at ${weight} %`, 'during'],
          ],
        );
      assert.deepEqual(
        made.gates.map(({ name }) => name),
        ['boss', 'alarm'],
      );
    });

  test('is told with the step', () => {
    const told = tellPlan(plan({ type: 'linear', percent: 50, every: 60, gates }));
    assert.deepEqual(told.slice(0, 2), [
      'after approval "qa at 50 %": 50 %: at least 1 min, until the judge can tell; after 30 min it holds and says so; watched by prometheus "cpu at 50 %"',
      'then: approval "boss"',
    ]);
    assert.equal(told.at(-1), 'all the while a yes leads back: webhook "alarm"');
  });

  test('that only watches makes nobody wait', () => {
    const none: Traffic = { perSecond: 1, keysPerSecond: 1, secondsToVerdict: () => 1 };
    const open = (moment: Gate['moment']): boolean => {
      const gate: Gate = { name: 'a', kind: 'webhook', moment, url: 'http://p' };
      const made = plan({ type: 'linear', percent: 50, every: 60, needs: 'nothing', gates: [gate] });
      return estimate(made, none).open;
    };
    assert.deepEqual([open('during'), open('before')], [false, true]);
  });
});

test('a name stands for what the config file says, and may be given other terms', () => {
  const own: Record<string, Strategy> = { careful: { type: 'canary', steps: [2, 20], bake: { for: 60 } } };
  const named = planOf({ type: 'preset', name: 'careful', bake: { keepWarm: 5 } }, own);
  assert.ok(typeof named !== 'string', String(named));
  assert.equal(named.strategy, 'careful');
  assert.deepEqual(
    named.steps.map(({ weight }) => weight),
    [2, 20],
  );
  assert.deepEqual(named.bake, { for: 60, keepWarm: 5 });
  assert.match(
    String(planOf({ type: 'preset', name: 'bold' }, own)),
    /the strategies are careful, 1-5-25-50-100/,
  );
});

test('strategies that need no terms go by their name', () => {
  for (const name of ['blueGreen', 'override'] as const)
    assert.deepEqual(planOf({ type: 'preset', name }), planOf({ type: name }));
});
