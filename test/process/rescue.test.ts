import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { type TestContext, test } from 'node:test';
import { atEnd } from '../support/end.ts';
import { once, until } from '../support/patience.ts';
import { CLI } from './command.ts';
import { Load } from './load.ts';
import { freeEndpoints, named, shop, startSite } from './site.ts';

/** A sample version in a process of its own, answering. */
async function sample(t: TestContext, name: string) {
  const [endpoint] = await freeEndpoints(1);
  const child = spawn(process.execPath, [CLI, 'sample', name, endpoint!], { stdio: 'ignore' });
  atEnd(t, () => child.kill('SIGKILL'));
  await until(() => fetch(`http://${endpoint}/`).catch(() => undefined));
  return { endpoint: endpoint!, child };
}

test('a candidate killed under load costs the clients of GETs nothing', async (t) => {
  const canary = await sample(t, 'canary');
  const config = shop(await named(t, 'stable'), canary.endpoint);
  const { shop: service } = config.services;
  const site = await startSite(t, {
    ...config,
    services: { shop: { ...service!, weights: { stable: 10, canary: 90 }, rescue: { to: 'stable' } } },
  });
  const load = new Load(site.proxy);
  atEnd(t, () => load.stop());
  await load.start();
  await load.answered(500);
  assert.ok(load.versions.get('canary')! > 0, 'the canary has traffic');

  const gone = once(canary.child, 'exit');
  canary.child.kill('SIGKILL');
  await gone;
  await load.answered(load.total + 1000);
  await load.stop();
  assert.deepEqual(load.failures, []);

  // Counters come up twice a second or so.
  const { rescues, errors } = await until(async () => {
    const text = await (await fetch(`${site.admin}/metrics`)).text();
    const rescues = Number(
      /^spillway_rescues_total\{service="shop",version="canary"\} (\d+)$/m.exec(text)?.[1],
    );
    const { totals } = (await site.status()).services.find(({ name }) => name === 'shop')!.versions[
      'canary'
    ]!;
    return rescues > 0 && totals.errors === rescues ? { rescues, errors: totals.errors } : undefined;
  });
  t.diagnostic(`${load.total} requests, ${rescues} rescued, ${errors} errors of the canary, 0 failed`);
});
