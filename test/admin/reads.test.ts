import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bucketOf } from '../../src/base/histogram.ts';
import { counts } from '../support/counts.ts';
import { openHouse } from './house.ts';

test('a service is shown as it is built, split and doing, and without its secret', async (t) => {
  const { ask, totals } = await openHouse(t);
  totals.add(
    [
      counts({
        service: 'checkout',
        version: 'canary',
        codes: [200, 98, 503, 2],
        errors: 2,
        latency: [bucketOf(5), 99, bucketOf(80), 1],
        duration: [bucketOf(6), 100],
        latencySum: 575,
        durationSum: 600,
        inFlight: 3,
      }),
    ],
    1,
  );
  const { status, headers, text, json } = await ask('GET', '/v1/services/checkout');
  assert.equal(status, 200);
  assert.equal(headers.get('etag'), '"1"');
  assert.equal(headers.get('cache-control'), 'no-store');
  const { p50, p99, ...others } = json.versions.canary.totals;
  assert.deepEqual(others, { requests: 100, errors: 2, p95: p50 });
  assert.ok(Math.abs(p50 - 5) < 0.15 && p99 === p50);
  assert.equal(json.versions.canary.inFlight, 3);
  assert.equal(json.versions.stable.weight, 100);
  assert.deepEqual(json.versions.stable.totals, { requests: 0, errors: 0 });
  assert.deepEqual(json.wholes, ['stable']);
  assert.deepEqual(json.override, { signed: true, addresses: ['10.0.0.0/8'] });
  assert.doesNotMatch(text, /not to be shown/);
});

test('the list holds every service, and the revision that each worker serves', async (t) => {
  const { ask } = await openHouse(t);
  const { json } = await ask('GET', '/v1/services');
  assert.equal(json.revision, 1);
  assert.deepEqual(json.workers, [
    { worker: 1, pid: 1001, revision: 1 },
    { worker: 2, pid: 1002, revision: 1 },
  ]);
  assert.deepEqual(
    json.services.map(({ name }: { name: string }) => name),
    ['checkout'],
  );
});

test('a service that is not there is 404, whatever objects inherit', async (t) => {
  const { ask } = await openHouse(t);
  for (const name of ['nowhere', 'constructor', 'toString'])
    assert.equal((await ask('GET', `/v1/services/${name}`)).status, 404);
});

test('who has the newest revision already is told so and no more', async (t) => {
  const { ask } = await openHouse(t);
  for (const path of ['/v1/services', '/v1/services/checkout', '/v1/audit']) {
    for (const tag of ['"1"', 'W/"1"', '"0", "1"', '*']) {
      const { status, headers, text } = await ask('GET', path, { headers: { 'if-none-match': tag } });
      assert.equal(status, 304, `${path} ${tag}`);
      assert.equal(headers.get('etag'), '"1"');
      assert.equal(text, '');
    }
    assert.equal((await ask('GET', path, { headers: { 'if-none-match': '"0"' } })).status, 200);
  }
});

test('the audit log is read page by page, and by service', async (t) => {
  const { ask } = await openHouse(t);
  for (let canary = 1; canary <= 5; canary++)
    await ask('PUT', '/v1/services/checkout/weights', {
      body: { weights: { stable: 100 - canary, canary } },
    });
  const revisions: number[] = [];
  let next: number | undefined;
  do {
    const page = await ask('GET', `/v1/audit?limit=2${next === undefined ? '' : `&before=${next}`}`);
    revisions.push(...page.json.entries.map(({ revision }: { revision: number }) => revision));
    next = page.json.next;
  } while (next !== undefined);
  assert.deepEqual(revisions, [6, 5, 4, 3, 2, 1]);
  assert.equal((await ask('GET', '/v1/audit?service=checkout')).json.entries.length, 5);
  assert.deepEqual((await ask('GET', '/v1/audit?service=other')).json.entries, []);
  for (const query of ['limit=0', 'limit=1001', 'limit=ten', 'before=-1', 'limit=1&limit=2', 'page=2'])
    assert.equal((await ask('GET', `/v1/audit?${query}`)).status, 400, query);
});
