import assert from 'node:assert/strict';
import { access, rename, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { clearStale } from '../../src/process/socket.ts';
import { atEnd } from '../support/end.ts';
import { once } from '../support/patience.ts';
import { scratch } from './site.ts';

async function listening(t: TestContext, path: string) {
  const server = createServer().listen(path);
  await once(server, 'listening');
  atEnd(t, () => server.close());
  return server;
}

test('a socket that nobody listens on is taken away', async (t) => {
  const directory = await scratch(t);
  const stale = join(directory, 'stale.sock');
  const server = await listening(t, join(directory, 'used.sock'));
  // Closing removes the name it was bound to, and so leaves the other one behind.
  await rename(join(directory, 'used.sock'), stale);
  server.close();
  await once(server, 'close');
  await access(stale);
  await clearStale(`unix:${stale}`);
  await assert.rejects(access(stale), { code: 'ENOENT' });
});

test('a socket in use, a file that is none, and what does not exist are left alone', async (t) => {
  const directory = await scratch(t);
  const used = join(directory, 'used.sock');
  await listening(t, used);
  await clearStale(`unix:${used}`);
  await access(used);
  await clearStale(`unix:${join(directory, 'none.sock')}`);
  await clearStale('127.0.0.1:1');
  const file = join(directory, 'precious');
  await writeFile(file, 'precious');
  await clearStale(`unix:${file}`);
  await access(file);
});
