import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AccessLog, hashKey } from '../../src/proxy/accesslog.ts';
import { HandClock } from '../support/clock.ts';
import { always, Origin, ok } from '../support/origin.ts';
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
    why: 'header',
    method: 'POST',
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

test('no raw key, cookie, target or address is ever written', async (t) => {
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
    for (const secret of ['hush', minted, '127.0.0.1']) assert.equal(line.includes(secret), false, line);
  }
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
