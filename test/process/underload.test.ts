import assert from 'node:assert/strict';
import { test } from 'node:test';
import { named, shop, startSite } from './site.ts';
import { Visitors } from './visitors.ts';

test('reloads under load, with other endpoints, limits and listeners, fail no request', async (t) => {
  const config = shop(await named(t, 'stable'), await named(t, 'canary'));
  const site = await startSite(t, config);
  const visitors = new Visitors(t, site.proxy);
  for (let round = 0; round < 3; round++) {
    const { services } = shop(await named(t, 'stable'), await named(t, 'canary'));
    const listen = [...config.listen, { address: '127.0.0.1:0' }].slice(0, 1 + (round % 2));
    await site.reload(
      { ...config, services, listen, limits: { headers: 50 + round } },
      'the config is reloaded',
    );
    await visitors.more(200);
  }
  await visitors.stop();
  t.diagnostic(`${visitors.answered} requests answered, ${visitors.failures.length} failed, 3 reloads`);
  assert.deepEqual(visitors.failures, []);
});

test('a worker killed under load costs no more than the request that each client had under way', async (t) => {
  const site = await startSite(t, shop(await named(t, 'stable'), await named(t, 'canary')));
  const visitors = new Visitors(t, site.proxy, { kept: 8, fresh: 4 });
  await visitors.more(200);
  const [victim] = (await site.status()).workers;
  process.kill(victim!.pid, 'SIGKILL');
  await site.logged('a worker ended and will be replaced');
  await visitors.more(500);
  await visitors.stop();
  t.diagnostic(`${visitors.answered} requests answered, ${visitors.failures.length} failed, 12 clients`);
  assert.ok(visitors.failures.length <= 12, visitors.failures.join('\n'));
});
