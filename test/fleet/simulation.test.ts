import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Summary, schedule } from './simulation/schedule.ts';

/** Seeds of schedules that have failed once. */
const ONCE_FAILED: readonly number[] = [
  25, 30, 52, 130, 150, 187, 391, 1436, 1560, 2557, 10210, 12125, 12684,
];

/** How many schedules are tried, and from which seed on. More: `SCHEDULES=20000 SEED=5000`. */
const SCHEDULES = Number(process.env['SCHEDULES'] ?? 400);
const FIRST = Number(process.env['SEED'] ?? 1);

test('whatever happens to a fleet, there is one truth, and what was said holds', {
  timeout: 3_600_000,
}, async (t) => {
  const all: Summary[] = [];
  for (const seed of [...ONCE_FAILED, ...Array.from({ length: SCHEDULES }, (_, i) => FIRST + i)]) {
    try {
      all.push(await schedule(seed));
    } catch (error) {
      throw new Error(`the schedule of seed ${seed} fails: ${(error as Error).message}`, { cause: error });
    }
  }
  const sum = (name: Exclude<keyof Summary, 'trace'>) => all.reduce((total, each) => total + each[name], 0);
  const names = [
    'seconds',
    'revisions',
    'deeds',
    'local',
    'takeovers',
    'losses',
    'promoted',
    'judged',
  ] as const;
  t.diagnostic(
    `${all.length} schedules: ${names.map((name) => `${Math.round(sum(name))} ${name}`).join(', ')}`,
  );
  // They meet what they are for.
  for (const name of names) assert.ok(sum(name) > 0, name);
});

test('the same comes of the same seed', async () => {
  assert.equal((await schedule(7)).trace, (await schedule(7)).trace);
});
