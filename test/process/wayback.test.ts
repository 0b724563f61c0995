import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { test } from 'node:test';
import type { RolloutView } from '../../src/model/api.ts';
import { spillway } from './command.ts';
import { newest, version } from './ground.ts';
import { named, shop, startSite, until } from './site.ts';

test('nobody is promoted while the old version does not answer, and the gauge says so', async (t) => {
  const stable = await version(t);
  const site = await startSite(t, shop(stable.endpoint, await named(t, 'canary')));
  const env = { SPILLWAY_ADMIN: site.admin };
  const strategy = { type: 'override', bake: { for: 0 } };
  const begun = await fetch(`${site.admin}/v1/services/shop/rollouts`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ candidate: 'canary', strategy }),
  });
  assert.equal(begun.status, 200, await begun.text());
  const { id } = await newest(site);
  const gauge = async () =>
    /^spillway_rollback_ready\{service="shop"\} ([01])$/m.exec(
      await (await fetch(`${site.admin}/metrics`)).text(),
    )?.[1];
  assert.equal(await gauge(), '1');

  stable.child.kill('SIGKILL');
  const killed = performance.now();
  const found = <T>(look: (rollout: RolloutView) => T | undefined) =>
    until(async () => look(await newest(site)));
  await found(({ rollbackReady }) => (rollbackReady.ready ? undefined : true));
  t.diagnostic(`seen ${((performance.now() - killed) / 1000).toFixed(1)} s after stable was killed`);
  assert.equal(await gauge(), '0');
  const promoted = await spillway(['rollout', 'promote', id, '--all'], env);
  assert.equal(promoted.code, 1);
  assert.match(promoted.err, /no endpoint of version "stable" accepts connections/);
  const approved = await spillway(['rollout', 'approve', id], env);
  assert.equal(approved.code, 0, approved.err);
  assert.match((await newest(site)).status, /^waiting before promotion for a way back/);

  const again = createServer((_request, response) => response.end('stable'));
  t.after(() => again.close());
  again.listen(Number(stable.endpoint.split(':')[1]), '127.0.0.1');
  await once(again, 'listening');
  await found(({ phase }) => (phase.at === 'promoted' ? true : undefined));
});
