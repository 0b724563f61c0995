import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { silent } from '../../src/base/log.ts';
import { systemClock } from '../../src/process/clock.ts';
import { openStore } from '../../src/store/open.ts';
import type { Store } from '../../src/store/store.ts';
import { temporaryDirectory } from './directory.ts';

function open(store: string, base: string): Promise<Store> {
  return openStore({ store, fleet: {} }, { base, environment: {}, clock: systemClock, log: silent });
}

test('a relative directory starts at the base, an absolute one at the root', async () => {
  const base = temporaryDirectory();
  const other = temporaryDirectory();
  for (const [url, directory] of [
    ['file:data', join(base, 'data')],
    ['file:./deep/down', join(base, 'deep', 'down')],
    [`file:${other}/kept`, join(other, 'kept')],
  ] as const) {
    const store = await open(url, base);
    assert.ok(existsSync(directory), directory);
    await store.close();
  }
});

test('memory: needs no directory', async () => {
  const store = await open('memory:', '/nowhere');
  assert.equal((await store.read()).revision, 0);
  await store.close();
});

test('any other store is refused with the cure', async () => {
  for (const url of ['', 'file:', 'rubbish', 'memory'])
    await assert.rejects(open(url, '/'), /is not a store; write memory:, file:DIRECTORY or redis:/);
});

test('credentials of a Redis come from the environment, and are missed by name', async () => {
  await assert.rejects(
    openStore(
      { store: 'redis://127.0.0.1:1', fleet: { password: 'env:REDIS_PASSWORD' } },
      { base: '/', environment: {}, clock: systemClock, log: silent },
    ),
    /fleet\.password: the environment variable REDIS_PASSWORD is not set/,
  );
});
