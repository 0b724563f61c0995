import assert from 'node:assert/strict';
import { mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { silent } from '../../src/base/log.ts';
import { LogFile } from '../../src/process/logger.ts';
import { atEnd } from '../support/end.ts';

async function scratch(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'spillway-log-'));
  atEnd(t, () => rm(directory, { recursive: true }));
  return directory;
}

test('every line is in the file, in order, once the log is closed', async (t) => {
  const path = join(await scratch(t), 'access.log');
  const log = new LogFile(path, silent);
  const lines = Array.from({ length: 5000 }, (_, index) => `${index} ${'x'.repeat(50)}\n`);
  for (const line of lines) log.write(line);
  await log.close();
  assert.equal(await readFile(path, 'utf8'), lines.join(''));
});

test('after a rotation lines go on in a new file, and none is lost', async (t) => {
  const path = join(await scratch(t), 'access.log');
  const log = new LogFile(path, silent);
  log.write('before\n');
  await rename(path, `${path}.1`);
  log.reopen();
  log.write('after\n');
  await log.close();
  assert.equal(await readFile(`${path}.1`, 'utf8'), 'before\n');
  assert.equal(await readFile(path, 'utf8'), 'after\n');
});

test('a path that cannot be opened is refused with the cure', async (t) => {
  const path = join(await scratch(t), 'missing', 'access.log');
  assert.throws(
    () => new LogFile(path, silent),
    /missing\/access\.log cannot be opened: ENOENT.*Create its directory/,
  );
});

test('what a slow disk cannot take is dropped and counted in a warning, and nothing blocks', async (t) => {
  const warnings: object[] = [];
  const log = new LogFile(join(await scratch(t), 'access.log'), {
    ...silent,
    warn: (fields) => void warnings.push(fields),
  });
  // No write can have ended before this loop does, so whatever goes beyond the bound must be dropped.
  const line = `${'x'.repeat(1023)}\n`;
  for (let i = 0; i < 10 * 1024; i++) log.write(line);
  await log.close();
  const [warning] = warnings;
  assert.ok(warning !== undefined && 'dropped' in warning && warning.dropped === 2 * 1024);
});
