import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deathsInARow, restartDelay } from '../../src/process/backoff.ts';

test('a worker that dies young again and again is replaced ever more slowly, up to a cap', () => {
  const delays: number[] = [];
  let deaths = 0;
  for (let i = 0; i < 9; i++) {
    deaths = deathsInARow(deaths, 5);
    delays.push(restartDelay(deaths));
  }
  assert.deepEqual(delays, [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
});

test('a worker that lived a while is replaced as quickly as the first time', () => {
  assert.equal(deathsInARow(7, 10_000), 1);
  assert.equal(deathsInARow(7, 9_999), 8);
});

test('the delay stays at the cap however long it goes on', () => {
  assert.equal(restartDelay(5000), 10_000);
});
