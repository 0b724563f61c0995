import assert from 'node:assert/strict';
import { appendFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { silent } from '../../src/base/log.ts';
import { fileRecordings, memoryRecordings, type Recordings } from '../../src/store/recordings.ts';
import { temporaryDirectory } from './directory.ts';

async function linesOf(recordings: Recordings, id: string): Promise<unknown[]> {
  let text = '';
  for await (const piece of recordings.read(id)) text += piece;
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
}

for (const [where, opened] of [
  ['memory', () => memoryRecordings(silent)],
  ['a directory', () => fileRecordings(join(temporaryDirectory(), 'recordings'), silent)],
] as const) {
  test(`in ${where} every line is read again, in order, whether it was written or waits`, async () => {
    const recordings = opened();
    const lines = Array.from({ length: 150 }, (_, i) => ({ i }));
    for (const line of lines) recordings.add('r1', line);
    recordings.add('r2', { other: true });
    assert.deepEqual(await linesOf(recordings, 'r1'), lines);
    assert.deepEqual(await linesOf(recordings, 'r2'), [{ other: true }]);
    assert.deepEqual(await linesOf(recordings, 'r3'), []);
  });

  test(`in ${where} what nobody remembers is forgotten`, async () => {
    const recordings = opened();
    for (const id of ['r1', 'r2']) recordings.add(id, { id });
    await recordings.flush('r1');
    await recordings.retain(new Set(['r2']));
    assert.deepEqual(await linesOf(recordings, 'r1'), []);
    assert.deepEqual(await linesOf(recordings, 'r2'), [{ id: 'r2' }]);
  });
}

test('what comes while it is written is not lost', async () => {
  const recordings = fileRecordings(join(temporaryDirectory(), 'recordings'), silent);
  recordings.add('r1', { i: 1 });
  const written = recordings.flush('r1');
  await new Promise(setImmediate);
  recordings.add('r1', { i: 2 });
  await written;
  assert.deepEqual(await linesOf(recordings, 'r1'), [{ i: 1 }, { i: 2 }]);
});

test('a recording that is too long says that it is broken off, and grows no more', async () => {
  const recordings = memoryRecordings(silent);
  const noise = (i: number) => ({ i, noise: Array.from({ length: 3000 }, () => Math.random()) });
  for (let i = 0; i < 400; i++) recordings.add('r1', noise(i));
  const lines = await linesOf(recordings, 'r1');
  assert.deepEqual(lines.at(-1), { type: 'brokenOff' });
  recordings.add('r1', { late: true });
  assert.equal((await linesOf(recordings, 'r1')).length, lines.length);
});

test('another process goes on behind the last whole block', async () => {
  const directory = join(temporaryDirectory(), 'recordings');
  const first = fileRecordings(directory, silent);
  first.add('r1', { i: 1 });
  await first.close();
  const [name] = readdirSync(directory) as [string];
  appendFileSync(join(directory, name), Buffer.from([0, 0, 1, 0, 9, 9, 9]));
  const second = fileRecordings(directory, silent);
  assert.deepEqual(await linesOf(second, 'r1'), [{ i: 1 }]);
  second.add('r1', { i: 2 });
  assert.deepEqual(await linesOf(second, 'r1'), [{ i: 1 }, { i: 2 }]);
});

test('what cannot be written waits, and is written when it can be', async () => {
  const directory = join(temporaryDirectory(), 'recordings');
  writeFileSync(directory, 'in the way');
  const recordings = fileRecordings(directory, silent);
  recordings.add('r1', { i: 1 });
  await recordings.flush('r1');
  rmSync(directory);
  recordings.add('r1', { i: 2 });
  assert.deepEqual(await linesOf(recordings, 'r1'), [{ i: 1 }, { i: 2 }]);
  assert.equal(statSync(join(directory, 'r1.recording')).mode & 0o077, 0, 'nobody else may read it');
});

test('an id is a file in the directory, whatever it looks like', async () => {
  const directory = join(temporaryDirectory(), 'recordings');
  const recordings = fileRecordings(directory, silent);
  recordings.add('../../etc', { i: 1 });
  assert.deepEqual(await linesOf(recordings, '../../etc'), [{ i: 1 }]);
  assert.equal(readdirSync(directory).length, 1);
});
