import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { Agent } from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Config } from '../../src/model/settings.ts';
import { scratch, startSite } from '../process/site.ts';
import { atEnd } from '../support/end.ts';
import { until } from '../support/patience.ts';
import { Random } from '../wire/differential/random.ts';
import { Account, type FaultName, type Logged } from './account.ts';
import { Clients, Http2, http1, talk } from './clients.ts';
import { Endpoint } from './endpoint.ts';

/** How long it goes on, and the order of events: `CHAOS_SECONDS=3600 CHAOS_SEED=7 node --test dist/test/chaos`. */
const SECONDS = Number(process.env['CHAOS_SECONDS'] ?? 120);
const SEED = Number(process.env['CHAOS_SEED'] ?? Date.now() % 2 ** 31);

test(`chaos of ${SECONDS} s, seed ${SEED}: every failure is explained by a fault that could not be hidden, and nothing leaks`, {
  timeout: (SECONDS + 120) * 1000,
}, async (t) => {
  const random = new Random(SEED);
  const account = new Account();
  const deliveries = new Map<string, number>();
  const endpoints = ['stable', 'canary'].flatMap((version) =>
    [1, 2].map((number) => new Endpoint(version, `${version}-${number}`, deliveries)),
  );
  await Promise.all(endpoints.map((endpoint) => endpoint.start()));
  atEnd(t, () => Promise.all(endpoints.map((endpoint) => endpoint.kill())));
  const log = join(await scratch(t), 'access.log');
  const config: Config = { ...configFor(endpoints), accessLog: { path: log, sample: 1e-9 } };
  const site = await startSite(t, config);

  const workers = async () => (await site.status()).workers;
  const at = async (path: string, method: string, body?: object) => {
    const answer = await fetch(`${site.admin}/v1/services/shop/${path}`, {
      method,
      ...(body && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    });
    assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${await answer.text()}`);
  };
  const weights = (canary: number) => at('weights', 'PUT', { weights: { stable: 100 - canary, canary } });

  /** One of each version at most is hurt at a time, so there is always somebody who could have answered. */
  const hurt = new Set<string>();
  const pick = (): Endpoint | undefined => {
    const fit = endpoints.filter(({ version }) => !hurt.has(version));
    return fit.length === 0 ? undefined : random.pick(fit);
  };
  const during = async (
    fault: FaultName,
    whom: string,
    act: () => Promise<void> | void,
    heal: () => Promise<void> | void,
  ) => {
    const end = account.begin(fault, whom);
    await act();
    await pause(1000 + random.below(3000));
    await heal();
    end();
  };
  const harm = async (
    fault: FaultName,
    act: (whom: Endpoint) => Promise<void> | void,
    heal: (whom: Endpoint) => Promise<void> | void,
  ) => {
    const endpoint = pick();
    if (endpoint === undefined) return;
    hurt.add(endpoint.version);
    await during(
      fault,
      endpoint.name,
      () => act(endpoint),
      () => heal(endpoint),
    );
    // Long enough for it to be found well again, before the other one of its version has its turn.
    await pause(2500);
    hurt.delete(endpoint.version);
  };
  const misfortunes: readonly (() => Promise<void>)[] = [
    () =>
      harm(
        'killed',
        (whom) => whom.kill(),
        (whom) => whom.start(),
      ),
    () =>
      harm(
        'killed',
        (whom) => whom.kill(),
        (whom) => whom.start(),
      ),
    () =>
      harm(
        'frozen',
        (whom) => whom.freeze(),
        (whom) => whom.thaw(),
      ),
    () =>
      harm(
        'cutting',
        (whom) => whom.feel({ cuts: true, delay: 0 }),
        (whom) => whom.feel({ cuts: false, delay: 0 }),
      ),
    () =>
      harm(
        'slowed',
        (whom) => whom.feel({ cuts: false, delay: 300 }),
        (whom) => whom.feel({ cuts: false, delay: 0 }),
      ),
    async () => {
      const victim = random.pick(await workers());
      const end = account.begin('worker', String(victim.pid));
      process.kill(victim.pid, 'SIGKILL');
      await until(async () => (await workers()).every(({ pid }) => pid !== victim.pid));
      end();
    },
    async () => {
      const end = account.begin('reload', 'config');
      await site.reload(
        { ...config, timeouts: { ...config.timeouts, keepAlive: 60_000 + random.below(1000) } },
        'the config is reloaded',
      );
      end();
    },
    async () => {
      const end = account.begin('shift', 'weights');
      await weights(10 + random.below(80));
      end();
    },
    async () => {
      const end = account.begin('rollback', 'canary');
      await at('rollback', 'POST');
      end();
      await pause(500);
      await weights(50);
    },
  ];

  const agent = new Agent({ keepAlive: true, maxSockets: 32 });
  const http2 = new Http2(site.proxy);
  const load = [
    new Clients('get', 8, account, http1(site.proxy, agent, false)),
    new Clients('post', 6, account, http1(site.proxy, agent, true)),
    new Clients('http2', 6, account, http2.get),
    new Clients('websocket', 6, account, talk(site.proxy)),
  ];
  await pause(2000);
  const atFirst = await measured(site.child.pid!, await workers());
  const end = performance.now() + SECONDS * 1000;
  const lanes = Array.from({ length: 3 }, async () => {
    while (performance.now() < end) {
      await random.pick(misfortunes)();
      await pause(random.below(1500));
    }
  });
  await Promise.all(lanes);
  await Promise.all(load.map((clients) => clients.stop()));
  agent.destroy();
  http2.close();

  t.diagnostic(account.summary());
  const crashes = site.lines.filter(({ msg }) => msg.startsWith('uncaught exception'));
  assert.deepEqual(crashes, [], 'a process ended by itself');
  assert.deepEqual(account.unexplained(await logged(log)).slice(0, 5), []);
  // Only that there was load of each kind all the time: how much is the machine's affair.
  for (const [kind, count] of Object.entries(account.answered))
    assert.ok(count > SECONDS / 10, `${kind} was answered ${count} times`);
  const twice = [...deliveries].filter(([, times]) => times > 1);
  assert.deepEqual(twice, [], 'POSTs delivered more than once');

  // Nobody is there any more, so nothing may be in flight or open but what waits in pools.
  const scrape = async () => await (await fetch(`${site.admin}/metrics`)).text();
  await until(async () => sumOf(await scrape(), 'spillway_in_flight_requests') === 0);
  const most = atFirst.descriptors + 4;
  await until(async () => (await measured(site.child.pid!, await workers())).descriptors <= most);
  const atLast = await measured(site.child.pid!, await workers());
  t.diagnostic(
    `descriptors ${atFirst.descriptors} → ${atLast.descriptors}, megabytes ${atFirst.megabytes} → ${atLast.megabytes}`,
  );
  assert.ok(
    atLast.megabytes < atFirst.megabytes * 1.5 + 100,
    `${atFirst.megabytes} MB have become ${atLast.megabytes}`,
  );
});

function configFor(endpoints: readonly Endpoint[]): Config {
  const of = (version: string) =>
    endpoints.filter((each) => each.version === version).map(({ address }) => address);
  return {
    listen: [{ address: '127.0.0.1:0' }],
    admin: { address: '127.0.0.1:0', requestsPerMinute: 100_000 },
    store: 'memory:',
    workers: 2,
    timeouts: { tunnel: 10_000 },
    services: {
      shop: {
        match: [{ path: '/' }],
        key: { header: 'x-user' },
        versions: { stable: { endpoints: of('stable') }, canary: { endpoints: of('canary') } },
        weights: { stable: 50, canary: 50 },
        timeouts: { connect: 500, head: 1000, body: 1500 },
        retries: { attempts: 3, budget: { share: 1, minPerSecond: 1000 } },
        rescue: { budget: { share: 1, minPerSecond: 1000 } },
        health: { path: '/200', interval: 250, timeout: 750, fall: 2, rise: 1 },
        streams: { evictOver: 300 },
      },
    },
  };
}

async function logged(log: string): Promise<readonly Logged[]> {
  const lines = (await readFile(log, 'utf8')).split('\n').filter((line) => line !== '');
  return lines.map((line) => JSON.parse(line) as Logged);
}

/** Descriptors and resident megabytes of a primary and its workers together. */
async function measured(primary: number, workers: readonly { readonly pid: number }[]) {
  let descriptors = 0;
  let pages = 0;
  for (const pid of [primary, ...workers.map((worker) => worker.pid)]) {
    descriptors += (await readdir(`/proc/${pid}/fd`)).length;
    pages += Number((await readFile(`/proc/${pid}/statm`, 'latin1')).split(' ')[1]);
  }
  return { descriptors, megabytes: Math.round((pages * 4096) / 2 ** 20) };
}

function sumOf(metrics: string, name: string): number {
  return [...metrics.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'gm'))].reduce(
    (sum, [, value]) => sum + Number(value),
    0,
  );
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
