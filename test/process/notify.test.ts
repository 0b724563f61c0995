import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { test } from 'node:test';
import { until } from '../support/patience.ts';
import { named, scratch, shop, startSite } from './site.ts';

test('systemd is told when Spillway is ready, when it reloads and has, even by a bad file, and when it stops', async (t) => {
  const directory = await scratch(t);
  const said = join(directory, 'said');
  // What stands where systemd does, and sends what it is given to it, writes it down here.
  await writeFile(join(directory, 'systemd-notify'), `#!/bin/sh\necho "$@" >> "${said}"\n`, { mode: 0o755 });
  const config = shop(await named(t, 'stable'), await named(t, 'canary'), { workers: 1 });
  const site = await startSite(t, config, {
    NOTIFY_SOCKET: '/run/systemd/notify',
    PATH: [directory, process.env['PATH']].join(delimiter),
  });
  const words = (count: number) =>
    until(async () => {
      const lines = (await readFile(said, 'utf8').catch(() => '')).trim().split('\n');
      return lines.length >= count ? lines : undefined;
    });
  await words(1);
  await site.reload(config, 'the config is reloaded');
  await words(3);
  await site.reload('no config', 'the config is not reloaded; nothing has changed');
  await words(5);
  site.child.kill('SIGTERM');
  assert.equal(await site.ended(), 0);
  const heard = (await words(6)).map((line) => line.replace(/(PID|USEC)=\d+$/, '$1=…'));
  assert.deepEqual(heard, [
    'READY=1 MAINPID=…',
    'RELOADING=1 MONOTONIC_USEC=…',
    'READY=1',
    'RELOADING=1 MONOTONIC_USEC=…',
    'READY=1',
    'STOPPING=1',
  ]);
});
