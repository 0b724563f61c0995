import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fingerprintOf, idempotencyKey, Replays } from '../../src/admin/replays.ts';
import { Refusal } from '../../src/control/commands.ts';
import { StoreUnavailable } from '../../src/store/store.ts';
import { HandClock } from './house.ts';

const HOUR = 60 * 60 * 1000;

test('a request that is still being answered is waited for, not done twice', async () => {
  const replays = new Replays<string>(new HandClock());
  let finish = (_answer: string): void => {};
  const first = replays.once('key', 'print', () => new Promise((resolve) => (finish = resolve)));
  const second = replays.once('key', 'print', () => assert.fail('done twice'));
  finish('done');
  assert.deepEqual(await first, { answer: 'done', replayed: false });
  assert.deepEqual(await second, { answer: 'done', replayed: true });
});

test('another request under the same key is refused', async () => {
  const replays = new Replays<string>(new HandClock());
  await replays.once('key', 'print', async () => 'done');
  await assert.rejects(
    replays.once('key', 'other', async () => 'done'),
    { status: 422 },
  );
});

test('a refusal is an answer; a failure on our side is none', async () => {
  const replays = new Replays<string>(new HandClock());
  const refuse = async () => {
    throw new Refusal('conflict', 'no');
  };
  await assert.rejects(replays.once('a', 'print', refuse), { why: 'conflict' });
  await assert.rejects(
    replays.once('a', 'print', async () => 'done'),
    { why: 'conflict' },
  );
  const fail = async () => {
    throw new StoreUnavailable('the disk is full');
  };
  await assert.rejects(replays.once('b', 'print', fail), StoreUnavailable);
  assert.equal((await replays.once('b', 'print', async () => 'done')).replayed, false);
});

test('an answer is kept for a day', async () => {
  const clock = new HandClock();
  const replays = new Replays<number>(clock);
  await replays.once('key', 'print', async () => 1);
  clock.wind(23 * HOUR);
  assert.deepEqual(await replays.once('key', 'print', async () => 2), { answer: 1, replayed: true });
  clock.wind(2 * HOUR);
  assert.deepEqual(await replays.once('key', 'print', async () => 3), { answer: 3, replayed: false });
});

test('ten thousand answers are kept, and the oldest goes for the next', async () => {
  const replays = new Replays<number>(new HandClock());
  for (let i = 0; i <= 10_000; i++) await replays.once(`key-${i}`, 'print', async () => i);
  assert.equal((await replays.once('key-10000', 'print', async () => -1)).replayed, true);
  assert.equal((await replays.once('key-1', 'print', async () => -1)).replayed, true);
  assert.equal((await replays.once('key-0', 'print', async () => -1)).replayed, false);
});

test('keys come in quotes or bare', () => {
  assert.equal(idempotencyKey(undefined), undefined);
  assert.equal(idempotencyKey('"8e03978e-40d5"'), '8e03978e-40d5');
  assert.equal(idempotencyKey('8e03978e-40d5'), '8e03978e-40d5');
  assert.equal(idempotencyKey('x'.repeat(255))?.length, 255);
  for (const header of ['', '""', '"a', 'a b', 'ü', 'a"b', 'a, b', 'x'.repeat(256)])
    assert.throws(() => idempotencyKey(header), { status: 400 }, header);
});

test('whatever differs makes another fingerprint', () => {
  const prints = [
    ['PUT', '/a'],
    ['PUT', '/b'],
    ['POST', '/a'],
    ['PUT/', 'a'],
    ['PUT', '/a', null],
  ].map((parts) => fingerprintOf(...parts));
  assert.equal(new Set(prints).size, prints.length);
});
