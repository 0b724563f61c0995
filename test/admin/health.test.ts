import assert from 'node:assert/strict';
import { test } from 'node:test';
import { counts } from '../support/counts.ts';
import { openHouse } from './house.ts';

test('what is not ready may be live, and what is not live says why', async (t) => {
  const { ask, health } = await openHouse(t);
  assert.deepEqual((await ask('GET', '/ready')).json, { status: 'ok' });
  health.notReady = 'No worker accepts connections yet.';
  assert.deepEqual((await ask('GET', '/live')).json, { status: 'ok' });
  const { status, json } = await ask('GET', '/ready');
  assert.equal(status, 503);
  assert.equal(json.detail, 'No worker accepts connections yet.');
  assert.equal(json.type, 'urn:spillway:problem:not-ready');
  health.notLive = 'No worker is alive: 2 hang.';
  const live = await ask('GET', '/live');
  assert.equal(live.status, 503);
  assert.equal(live.json.detail, 'No worker is alive: 2 hang.');
  assert.equal(live.json.type, 'urn:spillway:problem:not-live');
});

test('probes are not counted against the limit', async (t) => {
  const { ask } = await openHouse(t, { requestsPerMinute: 1 });
  for (let i = 0; i < 4; i++) {
    assert.equal((await ask('GET', '/live')).status, 200);
    assert.equal((await ask('GET', '/ready')).status, 200);
  }
});

test('the metrics tell of the truth, the workers and what was counted', async (t) => {
  const { ask } = await openHouse(t);
  const { headers, text } = await ask('GET', '/metrics');
  assert.equal(headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8');
  for (const line of [
    'spillway_version_weight{service="checkout",version="stable"} 100',
    'spillway_version_weight{service="checkout",version="canary"} 0',
    'spillway_state_revision 1',
    'spillway_workers 2',
    'spillway_unrouted_requests_total{code="404"} 7',
    'spillway_build_info{version="1.2.3"} 1',
  ])
    assert.ok(text.split('\n').includes(line), line);
});

test('what was counted of a version goes when the version does', async (t) => {
  const { ask, totals } = await openHouse(t);
  totals.add(
    ['stable', 'canary'].map((version) => counts({ service: 'checkout', version })),
    1,
  );
  await ask('DELETE', '/v1/services/checkout/versions/canary');
  assert.equal(totals.of('checkout', 'canary'), undefined);
  assert.ok(totals.of('checkout', 'stable'));
});
