import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFile, rename, stat, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import type { Change } from '../../src/model/record.ts';
import type { Config } from '../../src/model/settings.ts';
import { runSpillway } from '../../src/process/run.ts';
import { atEnd } from '../support/end.ts';
import { once, patiently, until } from '../support/patience.ts';
import { CLI, spillway } from './command.ts';
import { freeEndpoints, named, origin, type Site, scratch, shop, startSite } from './site.ts';

test('a request is served by a worker, and the command line shifts, shows and rolls back', async (t) => {
  const site = await startSite(t, shop(await named(t, 'stable'), await named(t, 'canary')));
  assert.deepEqual(await site.get(), { status: 200, text: 'stable' });

  const env = { SPILLWAY_ADMIN: site.admin };
  const shifted = await spillway(['weights', 'shop', 'stable=0', 'canary=100'], env);
  assert.equal(shifted.code, 0, shifted.err);
  assert.match(shifted.out, /Live on all 2 workers/);
  assert.deepEqual(await site.get(), { status: 200, text: 'canary' });

  const refused = await spillway(['weights', 'shop', 'stable=1', 'canary=1'], env);
  assert.equal(refused.code, 1);
  assert.match(refused.err, /add up to 2, not to 100/);
  const stale = await spillway(['rollback', 'shop', '--if-match', '1'], env);
  assert.equal(stale.code, 1);
  assert.match(stale.err, /newest is 2/);

  const back = await spillway(['rollback', 'shop', '--reason', 'errors'], env);
  assert.equal(back.code, 0, back.err);
  assert.match(back.out, /The last request to a version left was sent at 20\d\d-/);
  assert.deepEqual(await site.get(), { status: 200, text: 'stable' });

  const status = await spillway(['status', 'shop'], env);
  assert.match(status.out, /shop +stable +100 %/);
});

test('a worker that is killed is replaced while the other serves, and what it counted stays', async (t) => {
  const site = await startSite(t, shop(await named(t, 'stable'), await named(t, 'canary')));
  for (let i = 0; i < 20; i++) assert.equal((await site.get()).status, 200);
  const counted = async () => (await site.status()).services[0]!.versions['stable']!.totals.requests;
  await until(async () => (await counted()) === 20);

  const before = (await site.status()).workers;
  assert.equal(before.length, 2);
  const [victim, other] = before;
  process.kill(victim!.pid, 'SIGKILL');
  const ended = await site.logged('a worker ended and will be replaced');
  assert.equal(ended['how'], 'signal SIGKILL');
  const answer = await fetch(site.proxy, { headers: { connection: 'close' } });
  assert.equal(await answer.text(), 'stable');

  const after = await until(async () => {
    const { revision, workers } = await site.status();
    return workers.length === 2 && workers.every((each) => each.revision === revision) ? workers : undefined;
  });
  assert.equal(after.find(({ worker }) => worker === other!.worker)?.pid, other!.pid);
  assert.notEqual(after.find(({ worker }) => worker === victim!.worker)?.pid, victim!.pid);
  assert.ok((await counted()) >= 20);
});

test('a worker that hangs is ended and replaced', async (t) => {
  const site = await startSite(t, shop(await named(t, 'stable'), await named(t, 'canary')));
  const [victim] = (await site.status()).workers;
  process.kill(victim!.pid, 'SIGSTOP');
  const { pid } = await site.logged('a worker hangs, and is ended');
  assert.equal(pid, victim!.pid);
  await until(async () => {
    const { workers } = await site.status();
    return workers.length === 2 && workers.every((each) => each.pid !== pid);
  });
  assert.equal((await site.get()).text, 'stable');
});

test('a worker asked to end finishes and is replaced; the others go on', async (t) => {
  const site = await startSite(t, shop(await named(t, 'stable'), await named(t, 'canary')));
  const [worker] = (await site.status()).workers;
  process.kill(worker!.pid, 'SIGTERM');
  const ended = await site.logged('a worker ended and will be replaced');
  assert.equal(ended['how'], 'exit code 0');
  assert.equal((await site.get()).text, 'stable');
});

test('an uncaught exception is logged and ends the worker it happened in, and no other', async (t) => {
  const config = shop(await named(t, 'stable'), await named(t, 'canary'));
  const bomb = 'process.on("SIGUSR2", () => { throw new Error("boom") })';
  const site = await startSite(t, config, {
    NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(bomb)}`,
  });
  const [victim, other] = (await site.status()).workers;
  process.kill(victim!.pid, 'SIGUSR2');
  const { worker, err } = await site.logged('uncaught exception; this worker ends');
  assert.equal(worker, victim!.worker);
  assert.match(JSON.stringify(err), /boom/);
  const ended = await site.logged('a worker ended and will be replaced');
  assert.deepEqual([ended['how'], ended['fault']], ['exit code 1', 'uncaught exception: boom']);
  assert.equal((await site.get()).text, 'stable');
  assert.ok((await site.status()).workers.some(({ pid }) => pid === other!.pid));
});

test('reloading takes over what the file changes, and leaves the live weights', async (t) => {
  const config = shop(await named(t, 'stable'), await named(t, 'canary'));
  const site = await startSite(t, config);
  const env = { SPILLWAY_ADMIN: site.admin };
  assert.equal((await spillway(['weights', 'shop', 'stable=0', 'canary=100'], env)).code, 0);

  const { services } = shop(await named(t, 'stable 2'), await named(t, 'canary 2'));
  await site.reload({ ...config, services, limits: { targetBytes: 64 } }, 'the config is reloaded');
  await until(async () => (await site.get()).text === 'canary 2');
  assert.equal((await site.status()).services[0]!.versions['canary']!.weight, 100);
  assert.equal((await site.get(`/${'x'.repeat(100)}`)).status, 414);
});

test('a bad config file changes nothing and is logged with all its faults', async (t) => {
  const config = shop(await named(t, 'stable'), await named(t, 'canary'));
  const site = await startSite(t, config);
  const { revision } = await site.status();
  const bad = { ...config, workers: 'many', listn: [] };
  const line = await site.reload(bad, 'the config is not reloaded; nothing has changed');
  assert.match(String(line['faults']), /workers.*listn|listn.*workers/s);
  await site.reload('{', 'the config is not reloaded; nothing has changed');
  assert.equal((await site.status()).revision, revision);
  assert.equal((await site.get()).text, 'stable');
});

test('a changed setting that only a restart can change is named in a warning', async (t) => {
  const config = shop(await named(t, 'stable'), await named(t, 'canary'));
  const site = await startSite(t, config);
  const line = await site.reload({ ...config, workers: 3 }, 'these settings change only with a restart');
  assert.deepEqual(line['settings'], ['workers']);
});

test('reloading opens and closes listeners, and those that stay miss nothing', async (t) => {
  const config = shop(await named(t, 'stable'), await named(t, 'canary'));
  const site = await startSite(t, config);
  const [second] = await freeEndpoints(1);
  const path = `unix:${join(dirname(site.configPath), 'front.sock')}`;
  const more = [...config.listen, { address: second! }, { address: path }];
  await site.reload({ ...config, listen: more }, 'the config is reloaded');
  for (const url of [site.proxy, `http://${second}`])
    assert.equal(await (await fetch(url, { headers: { connection: 'close' } })).text(), 'stable');
  const socket = connect(path.slice('unix:'.length));
  socket.end('GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n');
  assert.match(await text(socket), /^HTTP\/1\.1 200 .*stable$/s);

  await site.reload(config, 'the config is reloaded');
  assert.equal((await site.get()).status, 200);
  await until(() => refuses(`http://${second}`));
  await assert.rejects(stat(path.slice('unix:'.length)), { code: 'ENOENT' });

  const taken = [...config.listen, { address: site.admin.slice('http://'.length) }];
  const line = await site.reload(
    { ...config, listen: taken },
    'the config is not reloaded; nothing has changed',
  );
  assert.match(JSON.stringify(line), /Cannot listen on .*something else is listening there/);
  assert.equal((await site.get()).status, 200);
});

test('SIGHUP lets the access log go on in a new file', async (t) => {
  const config = shop(await named(t, 'stable'), await named(t, 'canary'), {
    accessLog: { path: 'access.log' },
  });
  const site = await startSite(t, config);
  const path = join(dirname(site.configPath), 'access.log');
  await site.get('/before');
  await rename(path, `${path}.1`);
  await site.reload(config, 'the config is reloaded');
  await until(async () => readFile(path, 'utf8').catch(() => undefined));
  await site.get('/after');
  site.child.kill('SIGTERM');
  assert.equal(await site.ended(), 0);
  const lines = (await readFile(`${path}.1`, 'utf8')) + (await readFile(path, 'utf8'));
  assert.equal(lines.trimEnd().split('\n').length, 2);
  for (const line of lines.trimEnd().split('\n')) assert.equal(JSON.parse(line).status, 200);
});

/** A site whose origin answers half, and the rest when it is let go. */
async function halfAnswered(t: TestContext) {
  let finish = () => {};
  const slow = await origin(t, (_request, response) => {
    response.writeHead(200, { 'content-length': 8 });
    response.write('half');
    finish = () => void response.end('done');
  });
  const site = await startSite(t, shop(slow, await named(t, 'canary')));
  const answer = await fetch(site.proxy);
  return { site, answer, finish: () => finish() };
}

test('on SIGTERM what is in flight is finished, nothing new is accepted, and the exit code is 0', async (t) => {
  const { site, answer, finish } = await halfAnswered(t);
  site.child.kill('SIGTERM');
  await until(async () => (await fetch(`${site.admin}/ready`)).status === 503);
  await until(() => refuses(site.proxy));
  finish();
  assert.equal(await answer.text(), 'halfdone');
  assert.equal(await site.ended(), 0);
});

test('with notice given, SIGTERM turns /ready to 503 while new connections are still accepted', async (t) => {
  const open = async (notice: number): Promise<Site> => {
    const versions = [await named(t, 'stable'), await named(t, 'canary')] as const;
    const site = await startSite(t, shop(...versions, { timeouts: { notice } }));
    assert.equal((await site.get()).text, 'stable');
    site.child.kill('SIGTERM');
    return site;
  };
  const long = await open(600_000);
  await until(async () => (await fetch(`${long.admin}/ready`)).status === 503);
  assert.equal(await refuses(long.proxy), false);
  assert.equal((await long.get()).text, 'stable');
  long.child.kill('SIGTERM');
  assert.equal(await long.ended(), 1);
  assert.equal(await (await open(1)).ended(), 0);
});

test('a second signal ends at once', async (t) => {
  const { site, answer } = await halfAnswered(t);
  site.child.kill('SIGTERM');
  await site.logged('shutting down');
  site.child.kill('SIGINT');
  assert.equal(await site.ended(), 1);
  await assert.rejects(answer.text());
});

test('a Ctrl-C that reaches it twice is one: what is in flight is finished, and the exit code is 0', async (t) => {
  for (let attempts = 5; ; attempts--) {
    const { site, answer, finish } = await halfAnswered(t);
    const since = performance.now();
    site.child.kill('SIGINT');
    await site.logged('shutting down');
    site.child.kill('SIGINT');
    await until(() => refuses(site.proxy));
    finish();
    const text = await answer.text().catch(() => 'cut off');
    const code = await site.ended();
    // So long after the first, because the machine was busy, it was another one.
    if (code !== 0 && attempts > 1 && performance.now() - since > 500) continue;
    assert.deepEqual([code, text], [0, 'halfdone']);
    return;
  }
});

test('Ctrl-C is pressed again, and it ends at once', async (t) => {
  const { site, answer } = await halfAnswered(t);
  const pressing = setInterval(() => site.child.kill('SIGINT'), 200);
  atEnd(t, () => clearInterval(pressing));
  assert.equal(await site.ended(), 1);
  await assert.rejects(answer.text());
});

test('workers that lose their primary finish what is in flight, and end', async (t) => {
  const { site, answer, finish } = await halfAnswered(t);
  site.child.kill('SIGKILL');
  await until(() => refuses(site.proxy));
  finish();
  assert.equal(await answer.text(), 'halfdone');
  // The workers share the output of the primary: it closes when the last of them is gone.
  await site.ended();
});

test('an address that is taken ends the start with the cure, and leaves no process behind', async (t) => {
  const holder = createServer().listen(0, '127.0.0.1');
  await once(holder, 'listening');
  atEnd(t, () => holder.close());
  const address = `127.0.0.1:${(holder.address() as AddressInfo).port}`;
  const { services } = shop('127.0.0.1:9', '127.0.0.1:9');
  const free = '127.0.0.1:0';
  for (const [listen, admin] of [
    [address, free],
    [free, address],
  ] as const) {
    const config: Config = {
      listen: [{ address: listen }],
      admin: { address: admin },
      store: 'memory:',
      workers: 2,
      log: { level: 'error' },
      services,
    };
    const path = join(await scratch(t), 'spillway.json');
    await writeFile(path, JSON.stringify(config));
    const { code, out, err } = await spillway(['run', '--config', path]);
    assert.equal(code, 1);
    assert.equal(out, '');
    assert.match(
      err,
      new RegExp(`^Cannot listen on ${address}: something else.*ss -ltnp.*in the config file`),
    );
  }
});

test('without workers the primary serves by itself: same requests, same receipts, same end', async (t) => {
  const config = shop(await named(t, 'stable'), await named(t, 'canary'), {
    workers: 0,
    log: { level: 'error' },
  });
  const running = await runSpillway({ config, base: await scratch(t) });
  atEnd(t, () => running.stop());
  const get = async () => (await fetch(`http://${running.addresses[0]}`)).text();
  assert.equal(await get(), 'stable');
  const change = await fetch(`http://${running.admin}/v1/services/shop/weights?timeout=30s`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ weights: { canary: 100, stable: 0 } }),
  });
  const { receipt } = (await change.json()) as Change;
  assert.deepEqual(receipt?.workers, [{ worker: 1, revision: 2, lastRequestAt: receipt?.lastRequestAt }]);
  assert.equal(receipt?.live, true);
  assert.equal(await get(), 'canary');
});

/** Whether nobody accepts connections at this URL. */
async function refuses(url: string): Promise<boolean> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  try {
    await once(socket, 'connect');
    return false;
  } catch {
    return true;
  } finally {
    socket.destroy();
  }
}

test('a SIGHUP that comes before there is anything to reload does not end it', async (t) => {
  // It waits for a store that does not answer.
  const store = createServer().listen(0, '127.0.0.1');
  await once(store, 'listening');
  atEnd(t, () => store.close());
  const { port } = store.address() as AddressInfo;
  const directory = await scratch(t);
  const path = join(directory, 'spillway.json');
  const away = { store: `redis://127.0.0.1:${port}/0`, fleet: { mirror: directory }, workers: 0 };
  await writeFile(path, JSON.stringify(shop('127.0.0.1:1', '127.0.0.1:1', away)));
  const child = spawn(process.execPath, [CLI, 'run', '--config', path], { stdio: 'ignore' });
  atEnd(t, () => child.kill('SIGKILL'));
  await patiently<Socket>('it to ask the store', (resolve) =>
    store.on('connection', (socket) => {
      atEnd(t, () => socket.destroy());
      resolve(socket);
    }),
  );
  const ended = once(child, 'exit');
  // Of two that wait the lower number is delivered first.
  child.kill('SIGHUP');
  child.kill('SIGTERM');
  assert.deepEqual(await ended, [null, 'SIGTERM']);
});
