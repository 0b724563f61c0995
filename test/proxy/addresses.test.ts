import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { atEnd } from '../support/end.ts';
import { always, Origin } from '../support/origin.ts';
import { get, Site } from '../support/site.ts';

/** A path for a Unix socket, in a directory that goes with the test. */
function unixAddress(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'spillway-'));
  atEnd(t, () => rmSync(directory, { recursive: true }));
  return `unix:${join(directory, 'socket')}`;
}

for (const [name, where] of [
  ['IPv4', () => '127.0.0.1:0'],
  ['IPv6', () => '[::1]:0'],
  ['a Unix socket', unixAddress],
] as const) {
  test(`an endpoint can be reached over ${name}`, async (t) => {
    const origin = await Origin.open(t, always('ok'), where(t));
    const site = await Site.open(t, { app: { versions: { v: [origin.address] } } });
    for (let i = 0; i < 3; i++) assert.equal((await site.get()).body, 'ok');
    assert.equal(origin.peers.length, 1);
  });

  test(`clients can come over ${name}`, async (t) => {
    const origin = await Origin.open(t);
    const site = await Site.open(t, { app: { versions: { v: [origin.address] } } }, { at: where(t) });
    const client = await site.connect();
    client.say('GET / HTTP/1.0\r\n\r\n');
    const request = await (await origin.next()).message();
    const host = name === 'a Unix socket' ? 'localhost' : site.address;
    const from = { IPv4: '127.0.0.1', IPv6: '::1', 'a Unix socket': 'unknown' }[name];
    assert.equal(request.field('host'), host);
    assert.equal(request.field('x-forwarded-for'), from);
  });
}

test('a port that is taken is told by the system’s error', async (t) => {
  const origin = await Origin.open(t);
  const site = await Site.open(t, {});
  await assert.rejects(site.plane.listen(origin.address), { code: 'EADDRINUSE' });
});

test('an address that is none is refused by name', async (t) => {
  const site = await Site.open(t, {});
  await assert.rejects(site.plane.listen('nowhere'), /listen address "nowhere": a port is missing/);
});

test('an answer broken off is broken off for a client on a Unix socket too', async (t) => {
  const origin = await Origin.open(t);
  const site = await Site.open(t, { app: { versions: { v: [origin.address] } } }, { at: unixAddress(t) });
  const client = await site.connect();
  client.say(get());
  const peer = await origin.next();
  await peer.message();
  peer.say('HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhel');
  await client.take('hel');
  peer.end();
  await client.gone();
  assert.equal((await site.record()).fault, 'truncated');
  assert.equal(client.heard, '');
});
