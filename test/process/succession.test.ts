import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { spillway } from './command.ts';
import { named, origin, type Site, shop, startSite } from './site.ts';
import { Visitors } from './visitors.ts';

/** Has the primary, and what becomes of it, replaced; resolves with the number of the new one. */
async function succeed(site: Site, primary = site.child.pid!): Promise<number> {
  const from = site.lines.length;
  process.kill(primary, 'SIGUSR2');
  const { pid } = await site.logged('a successor is started', from);
  return pid as number;
}

for (const workers of [2, 0])
  for (const store of ['memory:', 'file:data'])
    test(`a successor takes over under load without a request refused or failed (${workers} workers, ${store})`, async (t) => {
      const config = shop(await named(t, 'stable'), await named(t, 'canary'), { workers, store });
      const site = await startSite(t, config);
      const env = { SPILLWAY_ADMIN: site.admin };
      assert.equal((await spillway(['weights', 'shop', 'stable=30', 'canary=70'], env)).code, 0);
      const before = await site.status();

      const load = new Visitors(t, site.proxy);
      await load.more(300);
      let primary = site.child.pid!;
      for (let round = 0; round < (store === 'memory:' ? 2 : 1); round++) {
        const from = site.lines.length;
        const successor = await succeed(site, primary);
        await site.logged('admin listening', from);
        const after = await site.status();
        assert.equal(after.revision, before.revision);
        assert.deepEqual(after.services[0]!.versions['canary']!.weight, 70);
        if (workers === 0) assert.equal(after.workers[0]!.pid, successor);
        await site.logged('all is finished', from);
        primary = successor;
        await load.more(300);
      }
      await load.stop();
      t.diagnostic(`${load.answered} requests answered, ${load.failures.length} failed`);
      assert.deepEqual(load.failures, []);
      const back = await spillway(['rollback', 'shop'], env);
      assert.equal(back.code, 0, back.err);
      assert.match(back.out, /stable/);
      process.kill(primary, 'SIGTERM');
      await site.ended();
    });

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

test('what is in flight is finished by the one that is replaced, while the successor serves', async (t) => {
  let finish = () => {};
  const slow = await origin(t, (request, response) => {
    if (request.url !== '/slow') return void response.end('quick');
    response.writeHead(200, { 'content-length': 8 });
    response.write('half');
    finish = () => void response.end('done');
  });
  const site = await startSite(t, shop(slow, slow));
  const answer = await fetch(`${site.proxy}/slow`);
  await succeed(site);
  await site.logged('the successor serves; finishing what is in flight');
  assert.equal((await site.get()).text, 'quick');
  assert.equal(alive(site.child.pid!), true);
  finish();
  assert.equal(await answer.text(), 'halfdone');
  await site.logged('all is finished');
});

test('a successor that cannot start changes nothing, before and after', async (t) => {
  const config = shop(await named(t, 'stable'), await named(t, 'canary'), { store: 'file:data' });
  const site = await startSite(t, config);
  await writeFile(site.configPath, '{');
  await succeed(site);
  const { err } = await site.logged('the successor could not take over; this process goes on');
  assert.match(JSON.stringify(err), /exit code 1/);
  const env = { SPILLWAY_ADMIN: site.admin };
  assert.equal((await spillway(['weights', 'shop', 'stable=30', 'canary=70'], env)).code, 0);
  assert.equal((await site.get()).status, 200);
});

test('a successor that fails after it was given the helm gives it back, and nobody at the door is sent away', async (t) => {
  const config = shop(await named(t, 'stable'), await named(t, 'canary'), { store: 'file:data' });
  const site = await startSite(t, config);
  const env = { SPILLWAY_ADMIN: site.admin };
  assert.equal((await spillway(['weights', 'shop', 'stable=30', 'canary=70'], env)).code, 0);
  // The successor finds a store it cannot read, and the one it should replace can: it lies in its memory no more.
  const path = join(dirname(site.configPath), 'other');
  await writeFile(path, 'no directory');
  await writeFile(site.configPath, JSON.stringify({ ...config, store: 'file:other' }));
  const load = new Visitors(t, site.proxy);
  await succeed(site);
  await site.logged('the successor could not take over; this process goes on');
  const shifted = await spillway(['weights', 'shop', 'stable=40', 'canary=60'], env);
  assert.equal(shifted.code, 0, shifted.err);
  await load.more(100);
  await load.stop();
  assert.deepEqual(load.failures, []);
  assert.match(await readFile(join(dirname(site.configPath), 'data', 'state.json'), 'utf8'), /"canary":60/);
});

test('a Unix socket goes over to the successor, and is taken away by whoever is last', async (t) => {
  const config = shop(await named(t, 'stable'), await named(t, 'canary'));
  const site = await startSite(t, config);
  const path = join(dirname(site.configPath), 'front.sock');
  await site.reload(
    { ...config, listen: [...config.listen, { address: `unix:${path}` }] },
    'the config is reloaded',
  );
  const ask = () => {
    const socket = connect(path);
    socket.end('GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n');
    return text(socket);
  };
  assert.match(await ask(), /stable$/);
  const successor = await succeed(site);
  await site.logged('all is finished');
  assert.match(await ask(), /stable$/);
  process.kill(successor, 'SIGTERM');
  await site.ended();
  await assert.rejects(ask(), { code: 'ENOENT' });
});
