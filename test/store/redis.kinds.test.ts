import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
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
import { atLast } from '../support/patience.ts';
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
  t.after(async () => {
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
  assert.ok(await a.replace(0, sampleState('a'), sampleEntry('web'), await token));
  assert.equal(await heard, 1);
  await b.link!.post('evidence', 'counts');
  assert.deepEqual(await a.link!.gather('evidence'), ['counts']);
}

async function server(t: TestContext, ...options: string[]): Promise<RedisServer> {
  const redis = await RedisServer.start(...options);
  t.after(() => redis.stop());
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
  const redis = await server(t, '--cluster-enabled', 'yes', '--cluster-announce-ip', '127.0.0.1');
  await redis.ask('CLUSTER', 'ADDSLOTSRANGE', '0', '16383');
  await atLast(async () => assert.match(await redis.ask('CLUSTER', 'INFO'), /cluster_state:ok/));
  await works(t, `redis+cluster://${redis.address}`);
});

test('sentinels say where the primary is', async (t) => {
  const redis = await server(t);
  const [address = ''] = await freeEndpoints(1);
  const [, port = ''] = address.split(':');
  const directory = mkdtempSync(join(tmpdir(), 'spillway-sentinel-'));
  const path = join(directory, 'sentinel.conf');
  writeFileSync(
    path,
    `port ${port}\nbind 127.0.0.1\nsentinel monitor shop ${redis.address.replace(':', ' ')} 1\n`,
  );
  const sentinel = spawn('redis-server', [path, '--sentinel'], { stdio: 'ignore' });
  t.after(async () => {
    sentinel.kill('SIGKILL');
    if (sentinel.exitCode === null && sentinel.signalCode === null) await once(sentinel, 'exit');
    rmSync(directory, { recursive: true });
  });
  await atLast(() => works(t, `redis+sentinel://${address}/shop`));
});
