import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { Agent, get } from 'node:http';
import { type TestContext, test } from 'node:test';
import type { RolloutView, ServiceView } from '../../src/model/api.ts';
import type { EndpointView } from '../../src/model/health.ts';
import type { ServiceConfig } from '../../src/model/state.ts';
import { atEnd } from '../support/end.ts';
import { once, patiently, until } from '../support/patience.ts';
import { CLI } from './command.ts';
import { freeEndpoints, origin, type Site, shop, startSite } from './site.ts';

/** A sample version in a process of its own. */
async function child(t: TestContext, name: string, endpoint: string): Promise<ChildProcess> {
  const process_ = spawn(process.execPath, [CLI, 'sample', name, endpoint], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  atEnd(t, () => process_.kill('SIGKILL'));
  await once(process_.stdout, 'data');
  return process_;
}

/** A busy machine answers late, and whoever is killed refuses at once. */
const FAST = { path: '/', interval: 50, timeout: 10_000, rise: 2, fall: 2 };

/** `stable` on two endpoints, `canary` on one, each a process. */
async function open(t: TestContext, more: Partial<ServiceConfig> = {}, workers = 2) {
  const [one, two, three] = (await freeEndpoints(3)) as [string, string, string];
  const children = {
    one: await child(t, 'one', one),
    two: await child(t, 'two', two),
    canary: await child(t, 'canary', three),
  };
  const config = shop(one, three, { workers });
  const site = await startSite(t, {
    ...config,
    services: {
      shop: {
        ...config.services['shop']!,
        versions: { stable: { endpoints: [one, two] }, canary: { endpoints: [three] } },
        health: FAST,
        ...more,
      },
    },
  });
  return { site, children, endpoints: { one, two, canary: three } };
}

async function standing(site: Site, version: string, endpoint: string): Promise<EndpointView> {
  const answer = await fetch(`${site.admin}/v1/services/shop`);
  const { versions } = (await answer.json()) as ServiceView;
  return versions[version]!.standing.find((each) => each.endpoint === endpoint)!;
}

function stands(site: Site, version: string, endpoint: string, state: EndpointView['state']) {
  return until(async () => {
    const found = await standing(site, version, endpoint);
    return found.state === state ? found : undefined;
  });
}

async function bodies(site: Site, count: number): Promise<Set<string>> {
  const seen = new Set<string>();
  for (let i = 0; i < count; i++) {
    const { status, text } = await site.get();
    seen.add(status === 200 ? text.trim() : String(status));
  }
  return seen;
}

for (const workers of [0, 2])
  test(`an endpoint that is frozen is left out, and used again when it thaws, with ${workers} workers`, async (t) => {
    const { site, children, endpoints } = await open(t, { health: { ...FAST, timeout: 2000 } }, workers);
    await stands(site, 'stable', endpoints.two, 'up');
    children.two.kill('SIGSTOP');
    const { says, used } = await stands(site, 'stable', endpoints.two, 'down');
    assert.match(says, /^it did not .* within 2000 ms$/);
    assert.equal(used, false);
    assert.deepEqual(await bodies(site, 30), new Set(['hello from one']));
    const metrics = await (await fetch(`${site.admin}/metrics`)).text();
    const at = `{service="shop",version="stable",endpoint="${endpoints.two}"`;
    assert.ok(metrics.includes(`spillway_endpoint_healthy${at}} 0`));
    assert.match(metrics, new RegExp(`spillway_endpoint_probes_total${at},result="failed"} \\d`));
    children.two.kill('SIGCONT');
    await stands(site, 'stable', endpoints.two, 'up');
    assert.deepEqual(await bodies(site, 40), new Set(['hello from one', 'hello from two']));
    assert.equal((await site.logged('an endpoint is down'))['endpoint'], endpoints.two);
  });

test('killing one endpoint of two costs requests under way no more than themselves, and none that come after', async (t) => {
  const { site, children, endpoints } = await open(t);
  await stands(site, 'stable', endpoints.one, 'up');
  const agent = new Agent({ keepAlive: true, maxSockets: 8 });
  atEnd(t, () => agent.destroy());
  const ask = () =>
    patiently<number>('an answer', (resolve) => {
      get(site.proxy, { agent }, (answer) => {
        answer.resume();
        answer.once('end', () => resolve(answer.statusCode!));
      }).once('error', () => resolve(0));
    });
  let over = false;
  let failed = 0;
  let late = 0;
  let asked = 0;
  let known = false;
  const clients = Array.from({ length: 8 }, async () => {
    while (!over) {
      const began = known;
      const status = await ask();
      asked++;
      if (status === 200) continue;
      failed++;
      if (began) late++;
    }
  });
  await until(async () => asked > 200);
  children.two.kill('SIGKILL');
  await stands(site, 'stable', endpoints.two, 'down');
  known = true;
  const before = asked;
  await until(async () => asked > before + 300);
  children.two = await child(t, 'two again', endpoints.two);
  await stands(site, 'stable', endpoints.two, 'up');
  const returned = asked;
  await until(async () => asked > returned + 100);
  over = true;
  await Promise.all(clients);
  t.diagnostic(`${asked} requests, ${failed} failed, ${late} of them after it was known`);
  assert.ok(failed <= 8, `${failed} failed, and only eight can have been under way`);
  assert.equal(late, 0);
  // A worker that was refused there avoids it for another second.
  await until(async () => (await bodies(site, 10)).has('hello from two again'));
});

test('an endpoint that fails again and again is left alone by all workers, for a time, without any probes', async (t) => {
  const { site, endpoints } = await open(t, { ejection: { base: 1000 } });
  const [spare] = (await freeEndpoints(1)) as [string];
  const bad = await origin(t, (_, response) => void response.writeHead(503).end());
  const config = shop(endpoints.one, spare, { workers: 2 });
  const service = config.services['shop']!;
  const versions = { stable: { endpoints: [endpoints.one, bad] }, canary: { endpoints: [spare] } };
  const services = { shop: { ...service, versions, ejection: { base: 1000 } } };
  await site.reload({ ...config, services }, 'the config is reloaded');
  const ejected = await until(async () => {
    await site.get();
    const found = await standing(site, 'stable', bad);
    return found.state === 'ejected' ? found : undefined;
  });
  assert.match(ejected.says, /^it failed \d+ times in a row; it is left alone for 1 s$/);
  assert.equal(ejected.used, false);
  await stands(site, 'stable', bad, 'unknown');
  const again = await until(async () => {
    await site.get();
    const found = await standing(site, 'stable', bad);
    return found.state === 'ejected' ? found : undefined;
  });
  assert.match(again.says, /left alone for [12] s$/);
  const metrics = await (await fetch(`${site.admin}/metrics`)).text();
  assert.match(metrics, new RegExp(`spillway_endpoint_ejections_total{.*endpoint="${bad}"} [2-9]`));
});

test('a version that is gone is answered for by its fallback, and counts as failed', async (t) => {
  const { site, children, endpoints } = await open(t, {
    fallback: 'stable',
    weights: { stable: 0, canary: 100 },
  });
  assert.deepEqual(await bodies(site, 5), new Set(['hello from canary']));
  children.canary.kill('SIGKILL');
  await stands(site, 'canary', endpoints.canary, 'down');
  const answer = await fetch(site.proxy);
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.get('x-spillway-rescued'), '1');
  assert.match(await answer.text(), /hello from (one|two)/);
  const errors = await until(async () => {
    const { versions } = (await (await fetch(`${site.admin}/v1/services/shop`)).json()) as ServiceView;
    return versions['canary']!.totals.errors || undefined;
  });
  assert.equal(errors, 1);
});

test('a candidate that is killed is rolled back, even with no traffic', async (t) => {
  const { site, children } = await open(t);
  const started = await fetch(`${site.admin}/v1/services/shop/rollouts`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ candidate: 'canary', strategy: { type: 'canary', steps: [10, 50] } }),
  });
  const { rollout } = (await started.json()) as { rollout: RolloutView };
  children.canary.kill('SIGKILL');
  const phase = await until(async () => {
    const answer = await fetch(`${site.admin}/v1/rollouts/${rollout.id}`);
    const { phase: now } = (await answer.json()) as RolloutView;
    return now.at === 'rolledBack' ? now : undefined;
  });
  assert.equal(phase.cause, 'vanished');
  assert.equal(phase.says, 'no endpoint of version "canary" serves any more');
});
