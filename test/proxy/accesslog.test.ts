import assert from 'node:assert/strict';
import http2 from 'node:http2';
import { test } from 'node:test';
import { proxyHeader } from '../../src/http/proxyprotocol.ts';
import { AccessLog, hashKey } from '../../src/proxy/accesslog.ts';
import { HandClock } from '../support/clock.ts';
import { atEnd } from '../support/end.ts';
import { always, Origin, ok } from '../support/origin.ts';
import { once } from '../support/patience.ts';
import { get, post, Site, settingsFor } from '../support/site.ts';

test('a line tells what happened, and no more', async (t) => {
  const origin = await Origin.open(t);
  const site = await Site.open(t, { app: { versions: { v: [origin.address] }, key: { header: 'x-user' } } });
  const client = await site.connect();
  client.say(post('hello', 'x-user: ann\r\n'));
  const peer = await origin.next();
  const request = await peer.message();
  site.clock.wind(12.3456);
  peer.say('HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\na');
  await client.take('\r\n\r\na');
  site.clock.wind(7);
  peer.say('bc');
  assert.deepEqual(await site.record(), {
    time: '2026-01-01T12:00:00.019Z',
    id: request.field('x-request-id'),
    service: 'app',
    version: 'v',
    rescuedBy: null,
    endpoint: origin.address,
    why: 'header',
    method: 'POST',
    host: 'a.example',
    path: '/',
    status: 200,
    latency: 12.346,
    duration: 19.346,
    bytesIn: 5,
    bytesOut: 3,
    fault: null,
    key: hashKey(Buffer.from('ann'), 0, 3).toString(16).padStart(8, '0'),
  });
});

test('a request that reached no service has a line too', async (t) => {
  const site = await Site.open(t, {});
  await site.get();
  const { service, version, why, status, fault, latency, key } = await site.record();
  assert.deepEqual(
    { service, version, why, status, fault, latency, key },
    { service: null, version: null, why: null, status: 404, fault: 'no-service', latency: null, key: null },
  );
});

test('the bytes of an answer of our own are counted like those of others', async (t) => {
  const site = await Site.open(t, {});
  const { body } = await site.get();
  assert.equal((await site.record()).bytesOut, body.length);
  const client = await site.connect();
  client.say('HEAD / HTTP/1.1\r\nhost: a.example\r\n\r\n');
  await client.message(true);
  assert.equal((await site.record()).bytesOut, 0);
});

test('what is no request has a line that tells what is known of it', async (t) => {
  const site = await Site.open(t, {}, { settings: { limits: { headBytes: 500 } } });
  for (const [bytes, status, fault] of [
    ['\x16\x03\x01 hello', 400, 'bad-request'],
    [get(`x: ${'x'.repeat(600)}\r\n`), 431, 'head-too-large'],
    ['TRACE / HTTP/1.1\r\nhost: a\r\n\r\n', 405, 'method-not-allowed'],
    ['GET / HTTP/1.1\r\nho', 408, 'request-timeout'],
  ] as const) {
    const client = await site.connect();
    client.say(bytes);
    if (status === 408) site.run(t, 1000);
    const { body } = await client.message();
    const { time: _, ...line } = await site.record();
    assert.deepEqual(line, {
      id: JSON.parse(body).requestId,
      service: null,
      version: null,
      rescuedBy: null,
      endpoint: null,
      why: null,
      method: null,
      host: null,
      path: null,
      status,
      latency: null,
      duration: null,
      bytesIn: 0,
      bytesOut: body.length,
      fault,
      key: null,
    });
  }
});

test('of a request whose body is unsound from its beginning it is told what was asked for', async (t) => {
  const site = await Site.open(t, {});
  const client = await site.connect();
  client.say('POST /x HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n');
  await client.message();
  const { method, host, path, status, fault } = await site.record();
  assert.deepEqual([method, host, path, status, fault], ['POST', 'a', '/x', 400, 'bad-request']);
});

test('a connection that ends before it has said anything has no line, one that ends in a head has', async (t) => {
  const site = await Site.open(t, {}, { settings: { accessLog: { path: '-', client: true } } });
  const silent = await site.connect();
  silent.end();
  assert.equal(await silent.gone(), 'end');
  const short = await site.connect();
  short.say('GET / HT');
  short.end();
  await short.message();
  const { status, fault, client } = await site.record();
  assert.deepEqual([status, fault, client], [400, 'bad-request', '127.0.0.1']);
});

test('what the proxy answers by itself has a line, too, if its turn has come', async (t) => {
  const site = await Site.open(t, {}, { speech: { httpsRedirect: 443 } });
  const client = await site.connect();
  client.say(`OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n${get('', '/x?y')}`);
  await client.message();
  await client.message();
  for (const asked of [
    { method: 'OPTIONS', host: 'a', path: '*', status: 204 },
    { method: 'GET', host: 'a.example', path: '/x', status: 308 },
  ]) {
    const { method, host, path, status, fault, duration, bytesOut } = await site.record();
    assert.deepEqual(
      { method, host, path, status, fault, duration, bytesOut },
      { ...asked, fault: null, duration: 0, bytesOut: 0 },
    );
  }
  site.plane.configure(settingsFor({ accessLog: { path: '-', sample: 0.001 } }));
  client.say(`${get()}(nonsense)`);
  await client.message();
  await client.message();
  assert.equal((await site.record()).status, 400, 'the redirect has none');
});

test('over HTTP/2 it is the same', async (t) => {
  const site = await Site.open(t, {});
  const session = http2.connect(`http://${site.address}`);
  atEnd(t, () => session.destroy());
  await once(session.request({ ':authority': 'a', ':method': 'TRACE' }), 'response');
  await once(session.request({ ':authority': 'a', ':method': 'OPTIONS', ':path': '*' }), 'response');
  const refused = await site.record();
  assert.deepEqual([refused.method, refused.status, refused.fault], [null, 405, 'method-not-allowed']);
  const answered = await site.record();
  assert.deepEqual([answered.method, answered.status, answered.fault], ['OPTIONS', 204, null]);
});

test('no raw key, cookie or query is ever written', async (t) => {
  const origin = await Origin.open(t, always('ok'));
  const draft = { versions: { v: [origin.address] }, key: { header: 'x-user', cookie: 'uid' } };
  const site = await Site.open(t, { app: draft });
  const { field } = await site.get('', '/?token=hush');
  const minted = /spillway_key=([0-9a-f]+)/.exec(field('set-cookie') ?? '')?.[1] ?? '';
  assert.equal(minted.length, 32);
  await site.get('x-user: hush\r\n');
  await site.get('cookie: uid=hush; other=hush\r\n');
  await site.get(`cookie: spillway_key=${minted}\r\n`);
  for (let i = 0; i < 4; i++) {
    const line = JSON.stringify(await site.record());
    for (const secret of ['hush', minted]) assert.equal(line.includes(secret), false, line);
  }
});

test('the address of the client is written only where the settings want it', async (t) => {
  const origin = await Origin.open(t, always('ok'));
  const app = { versions: { v: [origin.address] } };
  const site = await Site.open(t, { app }, { speech: { proxyFrom: ['127.0.0.0/8'] } });
  const destination = { address: '203.0.113.1', port: 443 };
  const client = await site.connect();
  client.say(proxyHeader('v1', { source: { address: '198.51.100.7', port: 7 }, destination }) + get());
  await client.message();
  assert.equal(JSON.stringify(await site.record()).includes('198.51.100.7'), false);
  site.plane.configure(settingsFor({ accessLog: { path: '-', client: true } }));
  client.say(get());
  await client.message();
  assert.equal((await site.record()).client, '198.51.100.7');
});

test('the endpoint in a line is the one asked last, of the version that answered', async (t) => {
  const gone = await Origin.open(t);
  gone.close();
  const origin = await Origin.open(t, always('ok'));
  const versions = { stable: [origin.address], canary: [gone.address] };
  const site = await Site.open(t, { app: { versions, weights: { canary: 100 }, fallback: 'stable' } });
  assert.equal((await site.get()).body, 'ok');
  const { version, rescuedBy, endpoint } = await site.record();
  assert.deepEqual([version, rescuedBy, endpoint], ['canary', 'stable', origin.address]);
  site.adopt({ app: { versions: { canary: [gone.address] } } });
  await site.get();
  const { fault, endpoint: none } = await site.record();
  assert.deepEqual([fault, none], ['no-endpoint', null]);
});

test('an id that a trusted proxy sends cannot break out of its line', async (t) => {
  const origin = await Origin.open(t, always('ok'));
  const settings = { trustedProxies: ['127.0.0.1'] };
  const site = await Site.open(t, { app: { versions: { v: [origin.address] } } }, { settings });
  await site.get('x-request-id: a","service":"b\\\r\n');
  const { id, service } = await site.record();
  assert.equal(id, 'a","service":"b\\');
  assert.equal(service, 'app');
});

test('a share of the requests is logged evenly, and every fault', () => {
  const lines: string[] = [];
  const log = new AccessLog({ write: (line) => lines.push(line) }, new HandClock(), 0.25);
  const due = Array.from({ length: 100 }, () => log.due());
  assert.equal(due.filter(Boolean).length, 25);
  for (let i = 0; i < 100; i += 4) assert.equal(due.slice(i, i + 4).filter(Boolean).length, 1);
});

test('a fault is logged though its turn has not come', async (t) => {
  const origin = await Origin.open(t, (peer, { line }) => {
    if (line.includes('fault')) peer.reset();
    else peer.say(ok(''));
  });
  const site = await Site.open(t, { app: { versions: { v: [origin.address] } } });
  site.plane.configure(settingsFor({ accessLog: { path: '-', sample: 0.001 } }));
  for (let i = 0; i < 5; i++) await site.get();
  await site.get('', '/fault');
  assert.equal((await site.record()).fault, 'reset');
});

test('without an access log nothing is written, and requests are served', async (t) => {
  const origin = await Origin.open(t);
  const site = await Site.open(t, { app: { versions: { v: [origin.address] } } });
  site.plane.configure({ ...settingsFor({}), accessLog: undefined });
  const client = await site.connect();
  client.say(get());
  const peer = await origin.next();
  await peer.message();
  peer.say(ok('ok'));
  assert.equal((await client.message()).body, 'ok');
  site.plane.configure(settingsFor({}));
  client.say(get('', '/logged'));
  await peer.message();
  peer.say(ok('ok'));
  assert.equal((await site.record()).bytesOut, 2, 'the first line is of the second request');
  assert.deepEqual(site.counted('v').codes, { 200: 2 });
});
