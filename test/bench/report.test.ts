import assert from 'node:assert/strict';
import { test } from 'node:test';
import { markdown, type Outcome } from '../../bench/report.ts';

const OUTCOME: Outcome = {
  at: '2026-11-22T21:00:00.000Z',
  machine: {
    cpu: 'Some CPU',
    cores: 2,
    memory: '24 GB',
    kernel: '6.1',
    node: 'v20.20.2',
    commit: 'abc1234',
    changed: false,
    load: [0.1, 0.2, 0.3],
  },
  pinned: true,
  rounds: 3,
  seconds: 5,
  seed: 7,
  versions: { nginx: '1.22.1' },
  notes: ['caddy was skipped: it is not installed; apt-get install caddy'],
  rows: { small: { title: 'Small GET', columns: [{ key: 'cpu', title: 'CPU µs/request', digits: 1 }] } },
  results: {
    small: {
      nginx: [{ cpu: 15, errors: 0 }, undefined, { cpu: 14, errors: 2 }],
      spillway: [undefined, undefined, undefined],
    },
  },
  budgets: [
    {
      what: 'memory',
      unit: 'bytes',
      better: 'lower',
      goal: 4096,
      must: 6144,
      measured: { median: 5000, min: 4900, max: 5200.4, rounds: 3 },
      verdict: 'within bounds',
    },
    {
      what: 'speed',
      unit: '×',
      better: 'higher',
      goal: 1.5,
      must: 1.1,
      measured: undefined,
      verdict: 'not measured',
    },
  ],
};

test('the report shows medians, spread and errors, and a dash for what was not measured', () => {
  const lines = markdown(OUTCOME).split('\n');
  assert.ok(lines.includes('| nginx | 14.5 (14.0–15.0) | 2 |'));
  assert.ok(lines.includes('| spillway | – | 0 |'));
});

test('the report holds every budget against its bounds', () => {
  const lines = markdown(OUTCOME).split('\n');
  assert.ok(
    lines.includes('| memory | ≤ 4096 bytes | ≤ 6144 bytes | 5000 (4900–5200) bytes | within bounds |'),
  );
  assert.ok(lines.includes('| speed | ≥ 1.5 × | ≥ 1.1 × | – | not measured |'));
});

test('the report names the machine, the seed, and who was left out', () => {
  const text = markdown(OUTCOME);
  for (const part of [
    'Some CPU',
    'commit abc1234\n',
    'Node v20.20.2',
    'seed 7',
    'nginx 1.22.1',
    'caddy was skipped',
  ])
    assert.ok(text.includes(part), part);
});
