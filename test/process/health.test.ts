import assert from 'node:assert/strict';
import { test } from 'node:test';
import { notLive, notReady } from '../../src/process/health.ts';
import { until } from '../support/patience.ts';
import { named, shop, startSite } from './site.ts';

const ALL_WELL = { alive: 2, serving: 2, silent: 0, vacant: 0 };

test('with a worker that serves all is well, whatever became of the others', () => {
  for (const roll of [ALL_WELL, { alive: 1, serving: 1, silent: 1, vacant: 1 }]) {
    assert.equal(notLive(roll, false), undefined);
    assert.equal(notReady(roll, false), undefined);
  }
});

test('without any that is alive it is told what became of them', () => {
  const roll = { alive: 0, serving: 0, silent: 2, vacant: 1 };
  assert.equal(notLive(roll, false), 'No worker is alive: 2 hang, 1 ended and will be replaced.');
  assert.equal(notReady(roll, false), 'No worker accepts connections: 2 hang, 1 ended and will be replaced.');
});

test('who begins is alive and not ready, and so is who leaves, with or without workers', () => {
  const begins = { alive: 2, serving: 0, silent: 0, vacant: 0 };
  assert.equal(notLive(begins, false), undefined);
  assert.equal(notReady(begins, false), 'No worker accepts connections yet.');
  const left = { alive: 0, serving: 0, silent: 0, vacant: 2 };
  assert.equal(notLive(left, true), undefined);
  assert.equal(notReady(left, true), 'Spillway is shutting down.');
});

test('while all workers are frozen the primary says so, and takes it back as soon as one is heard of', async (t) => {
  const site = await startSite(t, shop(await named(t, 'stable'), await named(t, 'canary')));
  const ask = async (path: string) => {
    const answer = await fetch(`${site.admin}${path}`);
    return { status: answer.status, text: await answer.text() };
  };
  assert.equal((await ask('/live')).status, 200);
  const { workers } = await site.status();
  for (const { pid } of workers) process.kill(pid, 'SIGSTOP');
  const dead = await until(async () => {
    const answer = await ask('/live');
    return answer.status === 503 ? answer : undefined;
  });
  // One may have been ended by now, where this test itself was held up.
  assert.match(dead.text, /No worker is alive: \d /);
  assert.match((await ask('/ready')).text, /No worker accepts connections: /);
  thaw(workers[0]!.pid);
  await until(async () => (await ask('/live')).status === 200);
  await until(async () => (await ask('/ready')).status === 200);
  thaw(workers[1]!.pid);
  assert.equal((await site.get()).text, 'stable');
});

function thaw(pid: number): void {
  try {
    process.kill(pid, 'SIGCONT');
  } catch {
    // It was ended for hanging.
  }
}
