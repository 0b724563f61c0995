import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { silent } from '../../src/base/log.ts';
import type { FleetSettings } from '../../src/model/settings.ts';
import { systemClock } from '../../src/process/clock.ts';
import { openStore } from '../../src/store/open.ts';
import { sampleEntry, sampleState } from '../contract/store.ts';
import { freeEndpoints } from '../process/site.ts';
import { Authority } from '../support/certificates.ts';
import { atEnd } from '../support/end.ts';
import { atLast, once, within } from '../support/patience.ts';
import { RedisServer } from '../support/redis.ts';

/** Two stores at the same URL: what one writes the other hears of, and one of them leads. */
async function works(
  t: TestContext,
  url: string,
  fleet: FleetSettings = {},
  environment: Readonly<Record<string, string>> = {},
): Promise<void> {
  const base = mkdtempSync(join(tmpdir(), 'spillway-kinds-'));
  const open = (mirror: string) =>
    openStore(
      { store: url, fleet: { ...fleet, mirror } },
      { base, environment, clock: systemClock, log: silent },
    );
  const [a, b] = [await open('a'), await open('b')];
  atEnd(t, async () => {
    await a.close();
    await b.close();
    rmSync(base, { recursive: true });
  });
  const heard = new Promise<number>((resolve) => b.watch(({ revision }) => resolve(revision)));
  const token = new Promise<string>((resolve) =>
    a.link!.follow({
      willing: true,
      card: () => ({}),
      beat: (beat) => beat.token !== undefined && resolve(beat.token),
      missed() {},
    }),
  );
  assert.ok(await a.replace(0, sampleState('a'), sampleEntry('web'), await within('the lease', token)));
  assert.equal(await within('a revision', heard), 1);
  await b.link!.post('evidence', 'counts');
  assert.deepEqual(await a.link!.gather('evidence'), ['counts']);
}

async function server(t: TestContext, ...options: string[]): Promise<RedisServer> {
  const redis = await RedisServer.start(...options);
  atEnd(t, () => redis.stop());
  return redis;
}

test('a Redis with users is spoken to by the one that the environment names', async (t) => {
  const user = ['on', '>secret', '~spillway:*', '&spillway:*', '+@all'];
  const redis = await server(t, '--user', 'spillway', ...user, '--user', 'default', 'off');
  const fleet = { username: 'spillway', password: 'env:REDIS_PASSWORD' };
  await works(t, redis.url, fleet, { REDIS_PASSWORD: 'secret' });
});

test('over TLS, with a certificate of its own, which Redis asks for', async (t) => {
  const authority = new Authority(t);
  const [served, own] = [authority.issue('IP:127.0.0.1'), authority.issue('DNS:spillway')];
  const [address = ''] = await freeEndpoints(1);
  const [, port = ''] = address.split(':');
  const files = ['--tls-cert-file', served.certFile, '--tls-key-file', served.keyFile];
  await server(t, '--tls-port', port, ...files, '--tls-ca-cert-file', authority.file);
  const fleet = { ca: authority.file, cert: own.certFile, key: 'env:REDIS_KEY' };
  await works(t, `rediss://${address}`, fleet, { REDIS_KEY: own.key });
});

test('a cluster keeps all of a fleet in one place', async (t) => {
  const nodes = await Promise.all(
    [1, 2, 3].map(() => server(t, '--cluster-enabled', 'yes', '--cluster-announce-ip', '127.0.0.1')),
  );
  const [first] = nodes;
  for (const [i, node] of nodes.entries()) {
    const [from, to] = [Math.ceil((i * 16_384) / 3), Math.ceil(((i + 1) * 16_384) / 3) - 1];
    await node.ask('CLUSTER', 'ADDSLOTSRANGE', `${from}`, `${to}`);
    await node.ask('CLUSTER', 'MEET', ...first!.address.split(':'));
  }
  for (const node of nodes)
    await atLast(async () => {
      const info = await node.ask('CLUSTER', 'INFO');
      assert.match(info, /cluster_state:ok/);
      assert.match(info, /cluster_known_nodes:3/);
    });
  await works(t, `redis+cluster://${first!.address}`);
});

/** A sentinel that looks after this Redis as `shop`. Gives back its address. */
async function sentinelOf(t: TestContext, redis: RedisServer): Promise<string> {
  const [address = ''] = await freeEndpoints(1);
  const [, port = ''] = address.split(':');
  const directory = mkdtempSync(join(tmpdir(), 'spillway-sentinel-'));
  const path = join(directory, 'sentinel.conf');
  const lines = [
    `port ${port}`,
    'bind 127.0.0.1',
    `sentinel monitor shop ${redis.address.replace(':', ' ')} 1`,
    'sentinel down-after-milliseconds shop 2000',
  ];
  writeFileSync(path, `${lines.join('\n')}\n`);
  const sentinel = spawn('redis-server', [path, '--sentinel'], { stdio: 'ignore' });
  atEnd(t, async () => {
    if (sentinel.kill('SIGKILL')) await once(sentinel, 'exit');
    rmSync(directory, { recursive: true });
  });
  return address;
}

test('sentinels say where the primary is', async (t) => {
  const address = await sentinelOf(t, await server(t));
  await atLast(() => works(t, `redis+sentinel://${address}/shop`));
});

test('when the primary dies the one that sentinels name is gone on with, and given whatever it missed', async (t) => {
  const primary = await server(t);
  const replica = await server(t, '--replicaof', ...primary.address.split(':'));
  await atLast(async () => assert.match(await replica.ask('INFO', 'replication'), /master_link_status:up/));
  const address = await sentinelOf(t, primary);
  const base = mkdtempSync(join(tmpdir(), 'spillway-kinds-'));
  const store = await atLast(() =>
    openStore(
      { store: `redis+sentinel://${address}/shop`, fleet: { mirror: 'm' } },
      { base, environment: {}, clock: systemClock, log: silent },
    ),
  );
  atEnd(t, async () => {
    await store.close();
    rmSync(base, { recursive: true });
  });
  // Whatever is refused, or unheard of, is tried again on what is there.
  const reach = (wanted: number) =>
    atLast(async () => {
      const { revision } = await store.read();
      if (revision < wanted) await store.replace(revision, sampleState(`${revision}`), sampleEntry('web'));
      assert.equal((await store.read()).revision, wanted);
    });
  for (const revision of [1, 2, 3]) await reach(revision);
  await primary.kill();
  await reach(4);
  assert.match(await replica.ask('INFO', 'replication'), /role:master/);
  assert.match(await replica.ask('HGET', 'spillway:{spillway}:truth', 'revision'), /4/);
});
