import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { silent } from '../../src/base/log.ts';
import { openStore } from '../../src/store/open.ts';
import { temporaryDirectory } from './directory.ts';

test('a relative directory starts at the base, an absolute one at the root', async () => {
  const base = temporaryDirectory();
  const other = temporaryDirectory();
  for (const [url, directory] of [
    ['file:data', join(base, 'data')],
    ['file:./deep/down', join(base, 'deep', 'down')],
    [`file:${other}/kept`, join(other, 'kept')],
  ] as const) {
    const store = await openStore(url, base, silent);
    assert.ok(existsSync(directory), directory);
    await store.close();
  }
});

test('memory: needs no directory', async () => {
  const store = await openStore('memory:', '/nowhere', silent);
  assert.equal((await store.read()).revision, 0);
  await store.close();
});

test('any other store is refused with the cure', async () => {
  for (const url of ['', 'file:', 'redis://localhost', 'memory'])
    await assert.rejects(openStore(url, '/', silent), /is not a store; write memory: or file:DIRECTORY/);
});
