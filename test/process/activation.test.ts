import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Sockets } from '../../src/process/sockets.ts';
import { atEnd } from '../support/end.ts';
import { CLI } from './command.ts';
import { named, Site, scratch, shop } from './site.ts';

/** Starts Spillway as systemd would: by exec, with the sockets from descriptor 3 on, and the number it will have. */
async function activate(t: TestContext, configPath: string, fds: readonly number[]): Promise<Site> {
  const exec = `LISTEN_PID=$$ LISTEN_FDS=${fds.length} LISTEN_FDNAMES=front:surplus exec "$0" "$@"`;
  const child = spawn('sh', ['-c', exec, process.execPath, CLI, 'run', '--config', configPath], {
    stdio: ['ignore', 'pipe', 'inherit', ...fds],
  });
  const site = new Site(child, configPath);
  atEnd(t, async () => {
    child.kill('SIGKILL');
    await site.ended();
  });
  return site;
}

test('a socket that systemd passes is served, and outlives the process: nobody is refused in a restart', async (t) => {
  const sockets = new Sockets();
  atEnd(t, () => sockets.closeAll());
  const socket = await sockets.open('127.0.0.1:0');
  const surplus = await sockets.open('127.0.0.1:0');
  const configPath = join(await scratch(t), 'spillway.json');
  const config = shop(await named(t, 'stable'), await named(t, 'canary'), {
    listen: [{ address: socket.address }],
  });
  await writeFile(configPath, JSON.stringify(config));

  const first = await activate(t, configPath, [socket.handle.fd, surplus.handle.fd]);
  const { name, address } = await first.logged(
    'a socket was passed to this process at which the config does not listen',
  );
  assert.deepEqual([name, address], ['surplus', surplus.address]);
  first.proxy = await first.url('listening');
  assert.equal(first.proxy, `http://${socket.address}`);
  assert.deepEqual(await first.get(), { status: 200, text: 'stable' });
  first.child.kill('SIGTERM');
  assert.equal(await first.ended(), 0);

  // Nobody serves now; the system lets the connection wait.
  const waiting = fetch(first.proxy, { headers: { connection: 'close' } });
  const second = await activate(t, configPath, [socket.handle.fd]);
  await second.logged('listening');
  assert.equal(await (await waiting).text(), 'stable');
});
