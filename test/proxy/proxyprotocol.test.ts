import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { proxyHeader } from '../../src/http/proxyprotocol.ts';
import type { Speech } from '../../src/model/tls.ts';
import { Authority } from '../support/certificates.ts';
import { Origin, ok } from '../support/origin.ts';
import type { Peer } from '../support/peer.ts';
import { connectSecurely, termsOf } from '../support/secure.ts';
import { get, Site, type SiteOptions } from '../support/site.ts';

const HERE = { address: '203.0.113.1', port: 443 };
const CLIENT = { address: '198.51.100.7', port: 4711 };
const ENDS = { source: CLIENT, destination: HERE };
const TRUSTING: Partial<Speech> = { proxyFrom: ['127.0.0.0/8'] };

async function open(t: TestContext, options: SiteOptions) {
  const origin = await Origin.open(t, (peer, request) => {
    peer.say(ok(request.field('x-forwarded-for') ?? 'nobody'));
  });
  return Site.open(t, { app: { versions: { stable: [origin.address] } } }, options);
}

for (const version of ['v1', 'v2'] as const)
  test(`the client that a PROXY header of version ${version} names is the client`, async (t) => {
    const site = await open(t, { speech: TRUSTING });
    const peer = await site.connect();
    peer.say(proxyHeader(version, ENDS) + get());
    assert.equal((await peer.message()).body, CLIENT.address);
    peer.say(get());
    assert.equal((await peer.message()).body, CLIENT.address);
  });

test('a header may come in pieces', async (t) => {
  const site = await open(t, { speech: TRUSTING });
  const peer = await site.connect();
  for (const character of proxyHeader('v2', ENDS) + get()) {
    peer.say(character);
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.equal((await peer.message()).body, CLIENT.address);
});

test('a proxy that speaks for itself is the client', async (t) => {
  const site = await open(t, { speech: TRUSTING });
  for (const header of [proxyHeader('v1', undefined), proxyHeader('v2', undefined)]) {
    const peer = await site.connect();
    peer.say(header + get());
    assert.equal((await peer.message()).body, '127.0.0.1');
  }
});

test('from a trusted address nothing is served without a header', async (t) => {
  const site = await open(t, { speech: TRUSTING });
  for (const text of [get(), 'PROXY TCP4 1.2.3.4 5.6.7.8 1 99999\r\n']) {
    const peer = await site.connect();
    peer.say(text);
    await peer.gone();
    assert.equal(peer.heard, '');
  }
  assert.deepEqual(site.plane.collectHandshakes(), { 'no-proxy-header': 2 });
});

test('from any other address a header is nonsense, and its bearer the client', async (t) => {
  const site = await open(t, { speech: { proxyFrom: ['192.0.2.0/24'] } });
  const liar = await site.connect();
  liar.say(proxyHeader('v1', ENDS) + get());
  assert.match((await liar.message()).line, /^HTTP\/1\.1 (400|505) /);
  const honest = await site.connect();
  honest.say(get());
  assert.equal((await honest.message()).body, '127.0.0.1');
});

test('a header has its time', async (t) => {
  const site = await open(t, { speech: TRUSTING, settings: { timeouts: { handshake: 5000 } } });
  const peer = await site.connect();
  peer.say('PROXY ');
  site.clock.wind(4000);
  site.clock.wind(1600);
  await peer.gone();
});

test('trust, and connections per address, go by the client and not by the proxy', async (t) => {
  const site = await open(t, {
    speech: TRUSTING,
    settings: { trustedProxies: ['127.0.0.1'], limits: { connectionsPerAddress: 1 } },
  });
  const first = await site.connect();
  first.say(proxyHeader('v1', ENDS) + get('x-forwarded-for: 10.0.0.1\r\n'));
  assert.equal((await first.message()).body, CLIENT.address);
  const second = await site.connect();
  second.say(proxyHeader('v1', ENDS) + get());
  assert.match((await second.message()).line, /503/);
  const other = await site.connect();
  other.say(proxyHeader('v1', { source: { ...CLIENT, address: '198.51.100.8' }, destination: HERE }) + get());
  assert.equal((await other.message()).body, '198.51.100.8');
});

test('TLS comes after the header, even in the same breath', async (t) => {
  const ca = new Authority(t);
  const site = await open(t, { speech: { ...TRUSTING, tls: termsOf([ca.issue('DNS:a.example')]) } });
  const plain = await site.connect();
  plain.socket.removeAllListeners('data');
  plain.say(proxyHeader('v2', ENDS));
  const peer: Peer = await connectSecurely(site.address, {
    ca: ca.cert,
    servername: 'a.example',
    socket: plain.socket,
  });
  peer.say(get());
  assert.equal((await peer.message()).body, CLIENT.address);
});

test('on a Unix socket the header is due as well', async (t) => {
  const ca = new Authority(t);
  const site = await open(t, { speech: { proxyFrom: [] }, at: `unix:${ca.directory}/proxy.sock` });
  const peer = await site.connect();
  peer.say(proxyHeader('v1', ENDS) + get());
  assert.equal((await peer.message()).body, CLIENT.address);
});
