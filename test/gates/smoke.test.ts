import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer as createPlainServer, type RequestListener } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { askSmoke } from '../../src/gates/smoke.ts';
import type { Gate } from '../../src/model/gate.ts';
import type { Service } from '../../src/model/state.ts';
import { Authority } from '../support/certificates.ts';
import { atEnd } from '../support/end.ts';
import { introduced } from '../support/introduced.ts';
import { once } from '../support/patience.ts';
import {
  broken,
  circumstancesOf,
  HandWorld,
  json,
  type Manner,
  mute,
  Receiver,
  untroubled,
} from './parts.ts';

type Smoke = Extract<Gate, { kind: 'smoke' }>;
type SmokeRequest = Smoke['requests'][number];

function gateOf(requests: readonly SmokeRequest[], rest: Partial<Smoke> = {}): Smoke {
  return { name: 'smoke', moment: 'before', kind: 'smoke', requests, ...rest };
}

function ask(gate: Smoke, endpoints: readonly string[], world = new HandWorld(), signal = untroubled()) {
  return askSmoke(gate, circumstancesOf(...endpoints), world, signal);
}

test('Requests go to every endpoint of the candidate: IPv4, IPv6 and Unix sockets', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'spillway-smoke-'));
  atEnd(t, () => rmSync(directory, { recursive: true }));
  const origins = await Promise.all(
    ['127.0.0.1', '::1', join(directory, 'app.sock')].map((at) => Receiver.open(t, 200, at)),
  );
  const gate = gateOf([{ path: '/health' }, { method: 'POST', path: '/orders', body: '{"dry":true}' }]);
  const result = await ask(
    gate,
    origins.map(({ address }) => address),
  );
  assert.deepEqual(result, { answer: 'pass', says: '6 requests were answered as expected' });
  for (const { received } of origins) {
    assert.deepEqual(
      received.map(({ method, url, body }) => `${method} ${url} ${body}`),
      ['GET /health ', 'POST /orders {"dry":true}'],
    );
    for (const { headers } of received) {
      assert.equal(headers.host, 'shop.example');
      assert.equal(headers['x-spillway-version'], 'v2');
    }
  }
});

test('Headers are sent as they are set, the host too, and env:NAME is looked up', async (t) => {
  const origin = await Receiver.open(t);
  const headers = { Host: 'other.example', Authorization: 'env:TOKEN' };
  const gate = gateOf([{ path: '/', headers }]);
  await ask(gate, [origin.address], new HandWorld({ TOKEN: 'abc' }));
  const sent = (await origin.next()).headers;
  assert.equal(sent.host, 'other.example');
  assert.equal(sent.authorization, 'abc');
  const { answer, says } = await ask(gate, [origin.address]);
  assert.equal(answer, 'unknown');
  assert.match(says, /TOKEN is not set/);
});

const BODY = { status: 'ok', checks: [{ name: 'db', up: true }], version: null };
const flaws: readonly (readonly [string, Manner, SmokeRequest['expect'], RegExp | undefined])[] = [
  ['a usual status', 299, undefined, undefined],
  ['a status beyond 299', 301, undefined, /status 301 instead of 200 to 299/],
  ['one of the statuses', 404, { status: [204, 404] }, undefined],
  ['none of the statuses', 200, { status: [204, 404] }, /status 200 instead of 204 or 404/],
  ['the header', json(BODY), { headers: { 'Content-Type': 'application/json' } }, undefined],
  [
    'another header',
    json(BODY),
    { headers: { 'content-type': 'x' } },
    /is "application\/json" instead of "x"/,
  ],
  ['no such header', json(BODY), { headers: { 'x-a': 'b' } }, /x-a is missing instead of "b"/],
  ['a value', json(BODY), { json: { '/status': 'ok', '/checks/0': { up: true, name: 'db' } } }, undefined],
  [
    'another value',
    json(BODY),
    { json: { '/checks/0/up': false } },
    /\/checks\/0\/up is true instead of false/,
  ],
  ['null for nothing', json(BODY), { json: { '/build': null } }, /\/build is missing instead of null/],
  ['the whole', json([1, 2]), { json: { '': [1, 3] } }, /the answer is \[1,2\] instead of \[1,3\]/],
  ['no JSON', 200, { json: { '/a': 1 } }, /the answer is not JSON/],
  ['too much', json('x'.repeat(1_100_000)), { json: { '': 1 } }, /longer than the 1048576 bytes/],
  ['nothing', broken, undefined, /other side closed/],
];
for (const [what, manner, expect, flaw] of flaws) {
  test(`An answer with ${what} ${flaw ? 'fails' : 'passes'}`, async (t) => {
    const origin = await Receiver.open(t, manner);
    const request = { path: '/health', ...(expect && { expect }) };
    const { answer, says } = await ask(gateOf([request]), [origin.address]);
    assert.equal(answer, flaw ? 'fail' : 'pass');
    if (flaw) {
      assert.match(says, flaw);
      assert.ok(says.startsWith(`GET /health to ${origin.address}, round 1: `), says);
    }
  });
}

test('An answer that takes too long fails', async (t) => {
  const origin = await Receiver.open(t, mute);
  const world = new HandWorld();
  const asking = ask(gateOf([{ path: '/', expect: { within: 300 } }]), [origin.address], world);
  await origin.next();
  await world.pass(300);
  const { answer, says } = await asking;
  assert.equal(answer, 'fail');
  assert.match(says, /no answer within 300 ms/);
});

test("A request that cannot be sent as it is written is nobody's failure", async (t) => {
  const origin = await Receiver.open(t);
  for (const request of [{ path: '/a b' }, { path: '/', headers: { 'x-a': 'line\r\n' } }]) {
    const { answer, says } = await ask(gateOf([request]), [origin.address]);
    assert.equal(answer, 'unknown');
    assert.match(says, /invalid/);
  }
  assert.equal(origin.received.length, 0);
});

test('Rounds follow each other with a pause, and the first failure ends them', async (t) => {
  const origin = await Receiver.open(t);
  const world = new HandWorld();
  const asking = ask(gateOf([{ path: '/' }], { repeat: 5, pause: 2 }), [origin.address], world);
  await world.pausing(2000);
  origin.manner = 500;
  world.wind(2000);
  const { answer, says } = await asking;
  assert.equal(answer, 'fail');
  assert.match(says, /round 2: status 500/);
  assert.equal(origin.received.length, 2);
});

test('A candidate that nobody answers for has failed, and so has one without endpoints', async () => {
  assert.match((await ask(gateOf([{ path: '/' }]), ['127.0.0.1:1'])).says, /ECONNREFUSED/);
  assert.deepEqual(await ask(gateOf([{ path: '/' }]), []), {
    answer: 'fail',
    says: 'v2 has no endpoint to send requests to',
  });
});

test('Cancelling ends the rounds at once', async (t) => {
  const origin = await Receiver.open(t);
  const world = new HandWorld();
  const cancelled = new AbortController();
  const asking = ask(gateOf([{ path: '/' }], { repeat: 2 }), [origin.address], world, cancelled.signal);
  await world.pausing(1000);
  cancelled.abort(new Error('no longer wanted'));
  await assert.rejects(asking, /no longer wanted/);
});

test('An endpoint that speaks TLS is asked by TLS, on the terms of its version, and believed only if it is the right one', async (t) => {
  const ca = new Authority(t);
  const own = ca.issue('DNS:spillway');
  const server = createServer(
    { ...ca.issue('DNS:shop.internal'), ca: ca.cert, requestCert: true, rejectUnauthorized: true },
    (_request, response) => void response.end(),
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  atEnd(t, () => server.close());
  const endpoint = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const circumstances = circumstancesOf(endpoint);
  const asked = (tls: Service['tls']) =>
    askSmoke(
      gateOf([{ path: '/health' }]),
      { ...circumstances, service: { ...circumstances.service, ...(tls && { tls }) } },
      new HandWorld(),
      untroubled(),
    );
  const terms = { ca: ca.file, serverName: 'shop.internal', cert: own.certFile, key: own.keyFile };
  assert.equal((await asked(terms)).answer, 'pass');
  assert.equal((await asked({ ...terms, serverName: 'other.internal' })).answer, 'fail');
  assert.equal((await asked({ ...terms, ca: new Authority(t, 'Another').file })).answer, 'fail');
  assert.equal((await asked(undefined)).answer, 'fail');
  assert.equal((await asked({ ...terms, ca: '/nowhere/ca.pem' })).answer, 'unknown');
});

test('An endpoint that expects a PROXY header is told that nobody is behind it, before TLS and without', async (t) => {
  const ca = new Authority(t);
  const tls = { ca: ca.file, serverName: 'shop.internal' };
  const answer: RequestListener = (_request, response) => void response.end();
  for (const [server, terms] of [
    [createPlainServer(answer), undefined],
    [createServer(ca.issue('DNS:shop.internal'), answer), tls],
  ] as const) {
    const door = await introduced(t, server);
    const circumstances = circumstancesOf(door.address);
    const service = { ...circumstances.service, ...(terms && { tls: terms }) };
    for (const proxyProtocol of ['v1', 'v2'] as const) {
      const told = { ...circumstances, service: { ...service, proxyProtocol } };
      const gate = gateOf([{ path: '/health' }]);
      assert.equal((await askSmoke(gate, told, new HandWorld(), untroubled())).answer, 'pass');
    }
    assert.deepEqual(door.headers, ['PROXY UNKNOWN\r\n', '\r\n\r\n\0\r\nQUIT\n\x20\0\0\0']);
  }
});
