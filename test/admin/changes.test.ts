import assert from 'node:assert/strict';
import { test } from 'node:test';
import { memoryStore } from '../../src/store/memory.ts';
import { StoreUnavailable } from '../../src/store/store.ts';
import { openHouse } from './house.ts';

const WEIGHTS = '/v1/services/checkout/weights';
const ROLLBACK = '/v1/services/checkout/rollback';
const HALF = { weights: { stable: 50, canary: 50 } };

test('a shift of weights is served, answered with its receipt, and written to the audit log', async (t) => {
  const { ask, workers } = await openHouse(t);
  const { status, headers, json } = await ask('PUT', WEIGHTS, { body: { ...HALF, reason: 'half way' } });
  assert.equal(status, 200);
  assert.equal(headers.get('etag'), '"2"');
  assert.deepEqual(json.split.weights, HALF.weights);
  assert.equal(json.changed, true);
  assert.deepEqual(json.receipt, {
    revision: 2,
    live: true,
    workers: [
      { worker: 1, revision: 2 },
      { worker: 2, revision: 2 },
    ],
    missing: [],
  });
  assert.equal(workers.announced?.revision, 2);
  const [entry] = (await ask('GET', '/v1/audit')).json.entries;
  assert.deepEqual(entry, {
    revision: 2,
    at: '2026-01-02T03:04:05.000Z',
    actor: { name: 'anonymous', role: 'admin', address: '127.0.0.1' },
    action: 'weights',
    service: 'checkout',
    reason: 'half way',
    before: { weights: { stable: 100, canary: 0 } },
    after: { weights: HALF.weights },
  });
});

test('a rollback works without a body, with an empty one, and whatever its type is said to be', async (t) => {
  const { ask, control } = await openHouse(t);
  const ways: { body?: string; headers?: Record<string, string> }[] = [
    {},
    { body: '' },
    { body: ' \n' },
    { body: '', headers: { 'content-type': 'application/x-www-form-urlencoded' } },
    { body: '', headers: { 'content-type': 'text/plain' } },
    { body: '{}' },
  ];
  for (const way of ways) {
    await ask('PUT', WEIGHTS, { body: HALF });
    const { status, json } = await ask('POST', ROLLBACK, way);
    assert.equal(status, 200, JSON.stringify(way));
    assert.equal(json.to, 'stable');
    assert.deepEqual(json.from, ['canary']);
    assert.equal(json.receipt.live, true);
    assert.equal(json.receipt.lastRequestAt, '2026-01-02T03:04:05.000Z');
    assert.deepEqual(control.state().services['checkout']?.split.weights, { stable: 100, canary: 0 });
  }
});

test('a rollback goes to the version that is named', async (t) => {
  const { ask } = await openHouse(t);
  const { json } = await ask('POST', ROLLBACK, { body: { to: 'canary', reason: 'stable is on fire' } });
  assert.equal(json.to, 'canary');
  assert.deepEqual(json.split.weights, { stable: 0, canary: 100 });
});

test('a rollback is not kept from working by the limit on requests', async (t) => {
  const { ask } = await openHouse(t, { requestsPerMinute: 1 });
  await ask('PUT', WEIGHTS, { body: HALF });
  assert.equal((await ask('GET', '/v1/services')).status, 429);
  for (let i = 0; i < 5; i++) assert.equal((await ask('POST', ROLLBACK)).status, 200);
});

test('a rollback is live although the store cannot be written, and says that it is not durable', async (t) => {
  const store = memoryStore();
  const { ask } = await openHouse(t, { store });
  await ask('PUT', WEIGHTS, { body: HALF });
  const replace = store.replace.bind(store);
  store.replace = async () => {
    throw new StoreUnavailable('the disk is full');
  };
  const refused = await ask('PUT', WEIGHTS, { body: { weights: { stable: 10, canary: 90 } } });
  assert.equal(refused.status, 503);
  const { status, json } = await ask('POST', ROLLBACK);
  assert.equal(status, 200);
  assert.equal(json.durable, false);
  assert.equal(json.receipt.live, true);
  store.replace = replace;
});

test('who does not want to wait gets no receipt; who does may say how long', async (t) => {
  const { ask, workers } = await openHouse(t);
  await ask('PUT', `${WEIGHTS}?wait=none`, { body: HALF });
  assert.equal((await ask('POST', `${ROLLBACK}?wait=none`)).json.receipt, undefined);
  assert.deepEqual(workers.waits, []);
  await ask('POST', ROLLBACK);
  await ask('POST', `${ROLLBACK}?wait=all&timeout=500ms`);
  await ask('PUT', `${WEIGHTS}?timeout=30s`, { body: HALF });
  assert.deepEqual(workers.waits, [2000, 500, 30_000]);
  for (const query of ['timeout=31s', 'timeout=soon', 'timeout=2', 'wait=some', 'wiat=none'])
    assert.equal((await ask('POST', `${ROLLBACK}?${query}`)).status, 400, query);
});

test('a receipt names the workers that have not confirmed in time', async (t) => {
  const { ask, workers } = await openHouse(t);
  workers.hanging = true;
  const { status, json } = await ask('PUT', WEIGHTS, { body: HALF });
  assert.equal(status, 200);
  assert.equal(json.receipt.live, false);
  assert.deepEqual(json.receipt.missing, [2]);
});

test('a version can be added and removed, and the header gives the reason where there is no body', async (t) => {
  const { ask, control } = await openHouse(t);
  const path = '/v1/services/checkout/versions/v42';
  const put = await ask('PUT', path, { body: { endpoints: ['127.0.0.1:9042'], reason: 'new build' } });
  assert.equal(put.status, 200);
  assert.deepEqual(control.state().services['checkout']?.versions['v42'], {
    endpoints: ['127.0.0.1:9042'],
    owner: 'api',
  });
  const gone = await ask('DELETE', path, { headers: { 'x-reason': 'was not needed' } });
  assert.equal(gone.status, 200);
  const { entries } = (await ask('GET', '/v1/audit?limit=2')).json;
  assert.deepEqual(
    entries.map(({ action, reason }: { action: string; reason: string }) => [action, reason]),
    [
      ['version.delete', 'was not needed'],
      ['version.put', 'new build'],
    ],
  );
});

test('what control refuses is answered with the status that tells why', async (t) => {
  const { ask } = await openHouse(t);
  const cases: [number, string, string, unknown?][] = [
    [404, 'PUT', '/v1/services/nowhere/weights', HALF],
    [404, 'POST', '/v1/services/constructor/rollback'],
    [404, 'PUT', WEIGHTS, { weights: { stable: 50, ghost: 50 } }],
    [404, 'DELETE', '/v1/services/checkout/versions/ghost'],
    [422, 'PUT', WEIGHTS, { weights: { stable: 50, canary: 49 } }],
    [422, 'PUT', '/v1/services/checkout/versions/v1', { endpoints: ['nonsense'] }],
    [409, 'DELETE', '/v1/services/checkout/versions/stable'],
  ];
  for (const [status, method, path, body] of cases) {
    const answer = await ask(method, path, body === undefined ? {} : { body });
    assert.equal(answer.status, status, `${method} ${path}`);
    assert.equal(answer.json.status, status);
    assert.match(answer.json.type, /^urn:spillway:problem:/);
  }
});

test('bodies are refused where they do not fit the schema, and nothing in them is bent to fit', async (t) => {
  const { ask, control } = await openHouse(t);
  const cases: [unknown, string][] = [
    [{ weights: { stable: '50', canary: 50 } }, 'body/weights/stable'],
    [{ weights: { stable: 100, canary: null } }, 'body/weights/canary'],
    [{ weights: { stable: 101, canary: -1 } }, 'body/weights/stable'],
    [{ ...HALF, wieghts: {} }, 'body'],
    [{ ...HALF, reason: 7 }, 'body/reason'],
    [{ weights: { 'no such name!': 100 } }, 'body/weights'],
    [{}, 'body'],
    [[], 'body'],
    ['null', 'body'],
    ['', 'body'],
  ];
  for (const [body, path] of cases) {
    const { status, json } = await ask('PUT', WEIGHTS, { body });
    assert.equal(status, 400, JSON.stringify(body));
    assert.equal(json.faults[0].path, path);
  }
  assert.equal(control.state().revision, 1);
});

test('what does not fit is told with what there may be', async (t) => {
  const { ask } = await openHouse(t);
  const messages = async (path: string, body: unknown): Promise<string> =>
    JSON.stringify((await ask('PUT', path, { body })).json.faults);
  assert.match(await messages(WEIGHTS, { ...HALF, wieghts: {} }), /additional properties: \\"wieghts\\"/);
  assert.match(await messages(`${WEIGHTS}?wait=both`, HALF), /constant: \\"all\\".*constant: \\"none\\"/);
});

test('a change under If-Match is refused with the newest ETag if the truth has moved on', async (t) => {
  const { ask } = await openHouse(t);
  const first = await ask('PUT', WEIGHTS, { body: HALF, headers: { 'if-match': '"1"' } });
  assert.equal(first.status, 200);
  for (const [method, path, body] of [
    ['PUT', WEIGHTS, { weights: { stable: 90, canary: 10 } }],
    ['POST', ROLLBACK, undefined],
    ['PUT', '/v1/services/checkout/versions/v1', { endpoints: [] }],
    ['DELETE', '/v1/services/checkout/versions/stable', undefined],
  ] as const) {
    const stale = await ask(method, path, { ...(body && { body }), headers: { 'if-match': '"1"' } });
    assert.equal(stale.status, 412, method);
    assert.equal(stale.headers.get('etag'), '"2"');
  }
  assert.equal((await ask('POST', ROLLBACK, { headers: { 'if-match': '*' } })).status, 200);
  assert.equal((await ask('POST', ROLLBACK, { headers: { 'if-match': 'three' } })).status, 400);
});

test('the same Idempotency-Key and request get the first answer again, and nothing is done twice', async (t) => {
  const { ask, control } = await openHouse(t);
  const headers = { 'idempotency-key': '"8e03978e"', 'if-match': '"1"' };
  const first = await ask('PUT', WEIGHTS, { body: HALF, headers });
  assert.equal(first.headers.get('idempotency-replayed'), null);
  await ask('POST', ROLLBACK);
  const again = await ask('PUT', WEIGHTS, { body: HALF, headers });
  assert.equal(again.headers.get('idempotency-replayed'), 'true');
  assert.equal(again.headers.get('etag'), '"2"');
  assert.equal(again.text, first.text);
  assert.equal(control.state().revision, 3);
  const other = await ask('POST', ROLLBACK, { headers: { 'idempotency-key': '8e03978e' } });
  assert.equal(other.status, 422);
  assert.match(other.json.detail, /take a new one/);
  assert.equal((await ask('POST', ROLLBACK, { headers: { 'idempotency-key': '""' } })).status, 400);
});
