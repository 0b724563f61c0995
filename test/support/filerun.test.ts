import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { scratch } from '../process/site.ts';
import { atEnd } from './end.ts';
import { FileRun, type Outcome } from './filerun.ts';
import { atLast, once } from './patience.ts';

/** A file of tests with these words, run. */
async function run(t: TestContext, words: string): Promise<FileRun> {
  const file = join(await scratch(t), 'some.mjs');
  await writeFile(
    file,
    `import { spawn } from 'node:child_process';\nimport test from 'node:test';\n${words}`,
  );
  return new FileRun(file, { limit: 60_000, grace: 500, say: () => {} });
}

async function outcomeOf(t: TestContext, words: string): Promise<Outcome> {
  return (await run(t, words)).outcome;
}

/** A process that goes on for longer than any test, and says its number. */
const LASTING = `const child = spawn('sleep', ['1000'], { stdio: 'ignore' }); child.unref(); console.log('number ' + child.pid);`;

test('a file of tests has passed when all of them have, and they are counted', async (t) => {
  const { passed, counts, complaint } = await outcomeOf(t, `test('one', () => {}); test('two', () => {});`);
  assert.ok(passed, complaint);
  assert.equal(counts.get('tests'), 2);
  assert.equal(counts.get('pass'), 2);
});

test('a file with a test that fails has failed, and its failures are told again', async (t) => {
  const { passed, counts, complaint } = await outcomeOf(
    t,
    `test('one', () => { throw new Error('so and so'); });`,
  );
  assert.equal(passed, false);
  assert.equal(counts.get('fail'), 1);
  assert.match(complaint, /so and so/);
});

test('a file that is given up is ended with what it started, and tells what it waited for', async (t) => {
  const listening = createServer().listen(0, '127.0.0.1');
  atEnd(t, () => listening.close());
  await once(listening, 'listening');
  const { port } = listening.address() as AddressInfo;
  const given = await run(t, `${LASTING}\n(await import('node:net')).connect(${port}, '127.0.0.1');`);
  // It has done all that it does once it is here.
  const [socket] = (await once(listening, 'connection')) as [Socket];
  socket.on('error', () => {});
  await given.giveUp('is given up');
  const { passed, complaint } = await given.outcome;
  assert.equal(passed, false);
  assert.match(complaint, /is given up/);
  assert.match(complaint, /sleep 1000/);
  assert.match(complaint, new RegExp(`"tcp".*"port":${port}`));
});

for (const [where, words] of [
  ['', LASTING],
  [' that has left its group', LASTING.replace('{ stdio', '{ detached: true, stdio')],
] as const)
  test(`a file that leaves a process behind${where} has failed, and the process is ended`, async (t) => {
    const { passed, complaint } = await outcomeOf(t, words);
    assert.equal(passed, false);
    const [, pid] = /left behind:\n(\d+) \S sleep 1000/.exec(complaint) ?? [];
    assert.ok(pid !== undefined, complaint);
    await atLast(() => assert.throws(() => process.kill(Number(pid), 0)));
  });
