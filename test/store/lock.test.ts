import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { takeLock } from '../../src/store/lock.ts';
import { atEnd } from '../support/end.ts';
import { once } from '../support/patience.ts';
import { temporaryDirectory } from './directory.ts';

test('a directory is locked for one holder at a time', async () => {
  const directory = temporaryDirectory();
  const lock = await takeLock(directory);
  await assert.rejects(
    takeLock(directory),
    new RegExp(`is in use by process ${process.pid}; stop that process, or give this one a directory`),
  );
  await lock.release();
  await (await takeLock(directory)).release();
  assert.deepEqual(readdirSync(directory), []);
});

test('of many who want a directory one gets it', async () => {
  const directory = temporaryDirectory();
  const outcomes = await Promise.allSettled(Array.from({ length: 10 }, () => takeLock(directory)));
  assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1);
});

test('another living process keeps its lock, and a dead one does not', async (t) => {
  const directory = temporaryDirectory();
  const child = spawn(process.execPath, ['-e', 'process.stdin.resume()'], {
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  atEnd(t, () => child.kill('SIGKILL'));
  writeFileSync(join(directory, 'lock'), `${child.pid} `);
  await assert.rejects(takeLock(directory), new RegExp(`in use by process ${child.pid}`));
  child.kill('SIGKILL');
  await once(child, 'exit');
  const lock = await takeLock(directory);
  assert.match(readFileSync(join(directory, 'lock'), 'utf8'), new RegExp(`^${process.pid} `));
  await lock.release();
});

test('a process is not taken for the dead one whose number it has been given', {
  skip: !existsSync('/proc/self/stat') && 'needs /proc',
}, async () => {
  const directory = temporaryDirectory();
  writeFileSync(join(directory, 'lock'), `${process.pid} 1`);
  await (await takeLock(directory)).release();
});

test('a lock that cannot be read as one holds nobody up', async () => {
  const directory = temporaryDirectory();
  writeFileSync(join(directory, 'lock'), 'nonsense');
  await (await takeLock(directory)).release();
});
