import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BUDGETS, type Judged, judge, type Results } from '../../bench/budgets.ts';
import { DIRECT } from '../../bench/rows/latency.ts';

function judged(what: string, results: Results): Judged {
  const budget = BUDGETS.find((each) => each.what.includes(what));
  assert.ok(budget, what);
  return judge(budget, results);
}

const cpu = (values: readonly number[], errors = 0) => values.map((value) => ({ cpu: value, errors }));

test('nothing measured is never a pass', () => {
  for (const budget of BUDGETS) assert.equal(judge(budget, {}).verdict, 'not measured');
});

test('a ratio is of two measurements of the same round', () => {
  // The machine was three times slower in the second round, for both.
  const small = { spillway: cpu([11, 33, 11]), nginx: cpu([10, 30, 10]) };
  const { measured, verdict } = judged('against nginx', { small });
  assert.ok(measured);
  assert.ok(Math.abs(measured.min - 1.1) < 1e-9 && Math.abs(measured.max - 1.1) < 1e-9);
  assert.equal(verdict, 'within bounds');
});

test('the verdict follows the goal and the bound', () => {
  const verdictOf = (ours: number) =>
    judged('against nginx', { small: { spillway: cpu([ours]), nginx: cpu([100]) } }).verdict;
  assert.equal(verdictOf(100), 'goal met');
  assert.equal(verdictOf(101), 'within bounds');
  assert.equal(verdictOf(115), 'within bounds');
  assert.equal(verdictOf(116), 'MISSED');
});

test('where more is better the bounds are the other way round', () => {
  const verdictOf = (ours: number) =>
    judged('1 MB', {
      '1m': {
        spillway: [{ megabytes: ours, errors: 0 }],
        nginx: [{ megabytes: 1_000, errors: 0 }],
      },
    }).verdict;
  assert.equal(verdictOf(1_500), 'goal met');
  assert.equal(verdictOf(1_200), 'within bounds');
  assert.equal(verdictOf(1_000), 'MISSED');
});

test('a round with errors or without a measurement does not count', () => {
  const small = {
    spillway: [...cpu([1], 5), ...cpu([12, 12])],
    nginx: [...cpu([10, 10]), undefined],
  };
  const { measured } = judged('against nginx', { small });
  assert.equal(measured?.rounds, 1);
  assert.equal(measured?.median, 1.2);
});

test('added latency is what exceeds the origin alone', () => {
  const p99 = (value: number) => [{ p99: value, errors: 0 }];
  const latency = { [DIRECT]: p99(1), spillway: p99(1.5), nginx: p99(2) };
  assert.equal(judged('p99 latency', { latency }).measured?.median, 0.5);
});

test('where nginx adds nothing that can be measured there is no ratio', () => {
  const p99 = (value: number) => [{ p99: value, errors: 0 }];
  const latency = { [DIRECT]: p99(2), spillway: p99(3), nginx: p99(2) };
  assert.equal(judged('p99 latency', { latency }).verdict, 'not measured');
});

test('a change is judged by its slowest round', () => {
  const after = (values: readonly number[]) => values.map((value) => ({ after: value, errors: 0 }));
  const verdictOf = (values: readonly number[]) =>
    judged('rollback', { change: { rollback: after(values) } }).verdict;
  assert.equal(verdictOf([0, 0, 9]), 'goal met');
  assert.equal(verdictOf([0, 0, 60]), 'MISSED');
});
