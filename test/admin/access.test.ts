import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAdmin } from '../../src/admin/admin.ts';
import { silent } from '../../src/base/log.ts';
import { createControl } from '../../src/control/control.ts';
import { aloneView } from '../../src/control/fleet.ts';
import { ApprovalLinks } from '../../src/gates/links.ts';
import { Totals } from '../../src/metrics/totals.ts';
import { NO_CATALOGUE } from '../../src/rollout/catalogue.ts';
import { memoryStore } from '../../src/store/memory.ts';
import { memoryRecordings } from '../../src/store/recordings.ts';
import { atEnd } from '../support/end.ts';
import { BLIND, HandClock, openHouse, token } from './house.ts';

const TOKENS = [token('eve', 'viewer'), token('ci', 'operator'), token('root', 'admin')];

test('a viewer reads, an operator also shifts and rolls back, an admin also changes structure', async (t) => {
  const { ask } = await openHouse(t, { tokens: TOKENS });
  const endpoints = { endpoints: ['127.0.0.1:9042'] };
  const cases: [string, string, unknown, number][] = [
    ['GET', '/v1/services', undefined, 0],
    ['GET', '/v1/services/checkout', undefined, 0],
    ['GET', '/v1/audit', undefined, 0],
    ['PUT', '/v1/services/checkout/weights', { weights: { stable: 50, canary: 50 } }, 1],
    ['POST', '/v1/services/checkout/rollback', undefined, 1],
    ['PUT', '/v1/services/checkout/versions/v42', endpoints, 2],
    ['DELETE', '/v1/services/checkout/versions/v42', undefined, 2],
  ];
  for (const [method, path, body, needed] of cases) {
    for (const [rank, { name }] of TOKENS.entries()) {
      const { status, json } = await ask(method, path, {
        ...(body !== undefined && { body }),
        token: `secret-of-${name}`,
      });
      assert.equal(status, rank < needed ? 403 : 200, `${name}: ${method} ${path}`);
      if (status === 403) assert.match(json.detail, new RegExp(`takes the role ${TOKENS[needed]?.role}`));
    }
    const nobody = await ask(method, path, body === undefined ? {} : { body });
    assert.equal(nobody.status, 401);
    assert.match(nobody.headers.get('www-authenticate') ?? '', /^Bearer realm=/);
  }
});

test('the audit log names the token, its role and the address it came from', async (t) => {
  const { ask } = await openHouse(t, { tokens: TOKENS });
  await ask('PUT', '/v1/services/checkout/weights', {
    body: { weights: { canary: 100 } },
    token: 'secret-of-ci',
  });
  const { entries } = (await ask('GET', '/v1/audit?limit=1', { token: 'secret-of-eve' })).json;
  assert.deepEqual(entries[0].actor, { name: 'ci', role: 'operator', address: '127.0.0.1' });
});

test('a token that is wrong, empty, or sent in another way opens nothing', async (t) => {
  const { ask } = await openHouse(t, { tokens: TOKENS });
  const hash = TOKENS[2]!.sha256;
  for (const authorization of [
    'Bearer wrong',
    'Bearer',
    'Bearer ',
    `Bearer ${hash}`,
    'Basic cm9vdDpyb290',
    'secret-of-root',
  ])
    assert.equal(
      (await ask('GET', '/v1/services', { headers: { authorization } })).status,
      401,
      authorization,
    );
  assert.equal((await ask('GET', '/v1/services?access_token=secret-of-root')).status, 401);
  const lower = await ask('GET', '/v1/services', { headers: { authorization: 'bearer secret-of-root' } });
  assert.equal(lower.status, 200);
});

test('guessing tokens is limited like everything else', async (t) => {
  const { ask } = await openHouse(t, { tokens: TOKENS, requestsPerMinute: 3 });
  const statuses = [];
  for (let i = 0; i < 5; i++)
    statuses.push((await ask('GET', '/v1/services', { token: `guess-${i}` })).status);
  assert.deepEqual(statuses, [401, 401, 401, 429, 429]);
});

test('live, ready, the description, and on loopback the metrics, need no token', async (t) => {
  const { ask } = await openHouse(t, { tokens: TOKENS });
  for (const path of ['/live', '/ready', '/openapi.json', '/metrics'])
    assert.equal((await ask('GET', path)).status, 200, path);
});

test('where other machines can connect the metrics take a viewer', async (t) => {
  const { ask } = await openHouse(t, { tokens: TOKENS, address: '0.0.0.0:0' });
  assert.equal((await ask('GET', '/metrics')).status, 401);
  assert.equal((await ask('GET', '/metrics', { token: 'secret-of-eve' })).status, 200);
  assert.equal((await ask('GET', '/live')).status, 200);
});

test('without tokens only loopback may listen', async (t) => {
  const commands = await createControl({
    store: memoryStore(),
    serving: { announce() {}, receipt: async () => ({ revision: 0, live: true, workers: [], missing: [] }) },
    clock: new HandClock(),
    newSalt: () => 'salt',
    log: silent,
  });
  atEnd(t, () => commands.close());
  const open = (address: string, tokens = [] as typeof TOKENS) =>
    createAdmin({
      commands,
      totals: new Totals(),
      insight: BLIND,
      recordings: memoryRecordings(silent),
      observations: { outcomes: [], post: () => assert.fail('nobody posts') },
      catalogue: () => NO_CATALOGUE,
      links: new ApprovalLinks(() => undefined, {}, new HandClock()),
      status: {
        handshakes: () => ({}),
        connections: () => ({}),
        pressures: () => [],
        shed: () => ({}),
        certificates: () => [],
        standing: () => [],
        endpoints: () => [],
        fleet: () => aloneView('here', '0', 1, 1, 0),
        notLive: () => undefined,
        notReady: () => undefined,
        workers: () => [],
        unrouted: () => ({}),
      },
      settings: { address, tokens, requestsPerMinute: 600 },
      clock: new HandClock(),
      log: silent,
      version: '0',
    });
  for (const address of ['0.0.0.0:0', '[::]:0', '192.0.2.1:8081', 'admin.example:8081'])
    assert.throws(
      () => open(address),
      /without tokens.*Configure admin\.tokens, or listen on 127\.0\.0\.1/,
      address,
    );
  assert.throws(() => open('127.0.0.1'), /admin\.address "127\.0\.0\.1": a port is missing/);
  for (const address of [
    '127.0.0.1:0',
    '127.9.9.9:0',
    '[::1]:0',
    'localhost:0',
    'unix:/tmp/never-opened.sock',
  ])
    open(address);
  open('0.0.0.0:0', TOKENS);
});
