import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { test } from 'node:test';
import type { RolloutView } from '../../src/model/api.ts';
import { atEnd } from '../support/end.ts';
import { once, until } from '../support/patience.ts';
import { spillway } from './command.ts';
import { newest, version } from './ground.ts';
import { named, origin, type Site, shop, startSite } from './site.ts';

/** Begins a rollout that only overrides and people move, and tells its id. */
async function begin(site: Site, bake: object): Promise<string> {
  const begun = await fetch(`${site.admin}/v1/services/shop/rollouts`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ candidate: 'canary', strategy: { type: 'override', bake } }),
  });
  assert.equal(begun.status, 200, await begun.text());
  return (await newest(site)).id;
}

async function gauge(site: Site): Promise<string | undefined> {
  const metrics = await (await fetch(`${site.admin}/metrics`)).text();
  return /^spillway_rollback_ready\{service="shop"\} ([01])$/m.exec(metrics)?.[1];
}

test('nobody is promoted while the old version does not answer, and the gauge says so', async (t) => {
  const stable = await version(t);
  const site = await startSite(t, shop(stable.endpoint, await named(t, 'canary')));
  const env = { SPILLWAY_ADMIN: site.admin };
  const id = await begin(site, { for: 0 });
  assert.equal(await gauge(site), '1');

  stable.child.kill('SIGKILL');
  const killed = performance.now();
  const found = <T>(look: (rollout: RolloutView) => T | false) => until(async () => look(await newest(site)));
  await found(({ rollbackReady }) => !rollbackReady.ready);
  t.diagnostic(`seen ${((performance.now() - killed) / 1000).toFixed(1)} s after stable was killed`);
  assert.equal(await gauge(site), '0');
  const promoted = await spillway(['rollout', 'promote', id, '--all'], env);
  assert.equal(promoted.code, 1);
  assert.match(promoted.err, /no endpoint of version "stable" accepts connections/);
  const approved = await spillway(['rollout', 'approve', id], env);
  assert.equal(approved.code, 0, approved.err);
  assert.match((await newest(site)).status, /^waiting before promotion for a way back/);

  const again = createServer((_request, response) => response.end('stable'));
  atEnd(t, () => again.close());
  again.listen(Number(stable.endpoint.split(':')[1]), '127.0.0.1');
  await once(again, 'listening');
  await found(({ phase }) => phase.at === 'promoted');
});

test('nor while it accepts connections and passes no probe, though nothing is to be kept on it', async (t) => {
  let sick = false;
  const stable = await origin(t, (_request, response) => {
    response.statusCode = sick ? 503 : 200;
    response.end();
  });
  const config = shop(stable, await named(t, 'canary'));
  const { shop: service } = config.services;
  const health = { path: '/up', interval: 100, timeout: 30_000, fall: 2, rise: 1 };
  const site = await startSite(t, { ...config, services: { shop: { ...service!, health } } });
  const id = await begin(site, { for: 600, keepWarm: 0 });
  assert.equal(await gauge(site), '1');
  const ready = (wanted: boolean) =>
    until(async () => {
      const { rollbackReady } = await newest(site);
      return rollbackReady.ready === wanted ? rollbackReady.says : undefined;
    });

  sick = true;
  assert.match(await ready(false), /no endpoint of version "stable" passes its probes/);
  assert.equal(await gauge(site), '0');
  const promoted = await spillway(['rollout', 'promote', id, '--all'], { SPILLWAY_ADMIN: site.admin });
  assert.equal(promoted.code, 1);
  assert.match(promoted.err, /no endpoint of version "stable" passes its probes/);
  sick = false;
  await ready(true);
});
