import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type TestContext, test } from 'node:test';
import { atEnd } from '../support/end.ts';
import { execute } from '../support/execute.ts';
import { need } from '../support/need.ts';
import { once } from '../support/patience.ts';
import { CLI, spillway } from './command.ts';
import { freeEndpoints, named, scratch } from './site.ts';

/** The quickstart config as it is shipped, but on ports that are free here. */
async function quickstartConfig(t: TestContext, ports: Readonly<Record<string, string>>): Promise<string> {
  let text = await readFile('config/quickstart.yaml', 'utf8');
  for (const [shipped, free] of Object.entries(ports)) text = text.replace(shipped, free);
  const path = join(await scratch(t), 'quickstart.yaml');
  await writeFile(path, text);
  return path;
}

const SHIPPED = ['127.0.0.1:8080', '127.0.0.1:8081', '127.0.0.1:9001', '127.0.0.1:9002'];

test('the commands that quickstart prints show the split, shift it, and roll back', async (t) => {
  if (!need(t, 'curl')) return;
  const free = await freeEndpoints(SHIPPED.length);
  const ports = Object.fromEntries(SHIPPED.map((address, index) => [address, free[index]!]));
  const path = await quickstartConfig(t, ports);
  const child = spawn(process.execPath, [CLI, 'quickstart', '--config', path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  atEnd(t, async () => {
    if (child.kill('SIGKILL')) await once(child, 'close');
  });

  const commands: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    if (/^ {2}(for|curl) /.test(line)) commands.push(line);
    if (line.startsWith('Ctrl-C')) break;
  }
  const [show = '', shift = '', rollback = ''] = commands;
  const shell = (command: string) => execute('sh', '-c', command);

  const before = await shell(show);
  assert.match(before, /hello from stable \(v1\)/);
  const counts = [...before.matchAll(/^ *(\d+) hello from (?:stable \(v1\)|canary \(v2\))$/gm)];
  assert.equal(
    counts.reduce((sum, [, count]) => sum + Number(count), 0),
    20,
  );
  const shifted = JSON.parse(await shell(shift));
  assert.deepEqual(shifted.split.weights, { stable: 50, canary: 50 });
  assert.equal(shifted.receipt.live, true);
  const back = JSON.parse(await shell(rollback));
  assert.deepEqual(back.split.weights, { stable: 100, canary: 0 });
  assert.match(await shell(show), /^ *20 hello from stable \(v1\)\n$/);

  const closed = once(child, 'close');
  child.kill('SIGINT');
  assert.deepEqual(await closed, [0, null]);
});

test('a port that is taken ends quickstart with its name and the cure', async (t) => {
  const taken = await named(t, 'somebody else');
  const [free = ''] = await freeEndpoints(1);
  const path = await quickstartConfig(t, { '127.0.0.1:9001': free, '127.0.0.1:9002': taken });
  const { code, err } = await spillway(['quickstart', '--config', path]);
  assert.equal(code, 1);
  assert.match(err, new RegExp(`Cannot listen on ${taken}: something else is listening there`));
});
