import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { refuseCrossSite, refuseForeignHost } from '../../src/admin/browser.ts';
import { atEnd } from '../support/end.ts';
import { openHouse, token } from './house.ts';

/** fetch does not let a caller choose Host or Origin; a page with its own name does. */
function statusOf(options: {
  port?: number;
  socketPath?: string;
  method: string;
  path: string;
  headers: Record<string, string>;
}) {
  return new Promise<number | undefined>((resolve, reject) => {
    const outgoing = request({ host: '127.0.0.1', agent: false, ...options }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    outgoing.once('error', reject).end();
  });
}

test('without tokens a name that merely resolves to this machine is refused', async (t) => {
  const { address } = await openHouse(t);
  const port = Number(address.split(':')[1]);
  for (const [host, status] of [
    ['evil.example', 403],
    [`evil.example:${port}`, 403],
    ['127.0.0.1.evil.example', 403],
    ['localhost.evil.example', 403],
    [address, 200],
    ['localhost', 200],
    [`LOCALHOST:${port}`, 200],
    [`[::1]:${port}`, 200],
  ] as const)
    assert.equal(
      await statusOf({ port, method: 'GET', path: '/v1/services', headers: { host } }),
      status,
      host,
    );
});

test('without tokens a page of another site can change nothing', async (t) => {
  const { address, ask, control } = await openHouse(t);
  await ask('PUT', '/v1/services/checkout/weights', { body: { weights: { stable: 50, canary: 50 } } });
  const port = Number(address.split(':')[1]);
  const roll = (headers: Record<string, string>) =>
    statusOf({
      port,
      method: 'POST',
      path: '/v1/services/checkout/rollback',
      headers: { host: address, ...headers },
    });
  assert.equal(await roll({ 'sec-fetch-site': 'cross-site' }), 403);
  assert.equal(await roll({ 'sec-fetch-site': 'same-site' }), 403);
  assert.equal(await roll({ origin: 'https://evil.example' }), 403);
  assert.equal(await roll({ origin: `http://localhost:${port + 1}` }), 403);
  assert.equal(await roll({ origin: 'null' }), 403);
  assert.equal(control.state().revision, 2);
  assert.equal(await roll({ 'sec-fetch-site': 'same-origin', origin: `http://${address}` }), 200);
  assert.equal(await roll({ 'sec-fetch-site': 'none' }), 200);
  assert.equal(await roll({}), 200);
});

test('with tokens it is the token that counts, not the name', async (t) => {
  const { address } = await openHouse(t, { tokens: [token('eve', 'viewer')] });
  const port = Number(address.split(':')[1]);
  const headers = { host: 'spillway.internal', authorization: 'Bearer secret-of-eve' };
  assert.equal(await statusOf({ port, method: 'GET', path: '/v1/services', headers }), 200);
});

test('a Unix socket serves local clients, who share one limit', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'spillway-admin-'));
  atEnd(t, () => rm(folder, { recursive: true }));
  const socketPath = join(folder, 'admin.sock');
  const { address } = await openHouse(t, { address: `unix:${socketPath}`, requestsPerMinute: 2 });
  assert.equal(address, `unix:${socketPath}`);
  const statuses = [];
  for (let i = 0; i < 3; i++)
    statuses.push(
      await statusOf({ socketPath, method: 'GET', path: '/v1/audit', headers: { host: 'localhost' } }),
    );
  assert.deepEqual(statuses, [200, 200, 429]);
});

test('a request without Host or Origin is not from a browser', () => {
  refuseForeignHost({});
  assert.throws(() => refuseForeignHost({ host: '' }), /is not this machine/);
  refuseCrossSite({});
});
