import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { always, Origin, ok } from '../support/origin.ts';
import type { Message } from '../support/peer.ts';
import { Site, type SiteOptions, settingsFor } from '../support/site.ts';

async function open(t: TestContext, settings: SiteOptions['settings'] = {}) {
  const origin = await Origin.open(t);
  const site = await Site.open(t, { app: { versions: { v: [origin.address] } } }, { settings });
  return { origin, site };
}

/** The request that an endpoint gets when a client sends these lines. */
async function forwarded(
  t: TestContext,
  lines: string,
  settings: SiteOptions['settings'] = {},
): Promise<Message> {
  const { origin, site } = await open(t, settings);
  const client = await site.connect();
  client.say(`GET /x HTTP/1.1\r\nHost: Shop.example:8080\r\n${lines}\r\n`);
  return (await origin.next()).message();
}

const TRUSTING = { trustedProxies: ['127.0.0.1'] };
const CLAIMS = [
  'X-Forwarded-For: 192.0.2.1, 192.0.2.2',
  'x-forwarded-for: 192.0.2.3',
  'X-Forwarded-Proto: https',
  'X-Forwarded-Host: other.example',
  'X-Forwarded-Port: 444',
  'Forwarded: for=192.0.2.1',
  'X-Real-IP: 192.0.2.1',
  'X-Request-Id: mine',
  '',
].join('\r\n');

test('what a stranger claims of where it came from is replaced by what we see', async (t) => {
  const request = await forwarded(t, CLAIMS);
  assert.equal(request.field('x-forwarded-for'), '127.0.0.1');
  assert.equal(request.field('x-forwarded-proto'), 'http');
  assert.equal(request.field('x-forwarded-host'), 'Shop.example:8080');
  for (const name of ['x-forwarded-port', 'forwarded', 'x-real-ip'])
    assert.equal(request.field(name), undefined, name);
  assert.match(request.field('x-request-id') ?? '', /^[0-9a-f]{32}$/);
  assert.equal(request.field('host'), 'Shop.example:8080');
});

test('what a trusted proxy claims is kept, with the proxy itself added', async (t) => {
  const request = await forwarded(t, CLAIMS, TRUSTING);
  assert.equal(request.field('x-forwarded-for'), '192.0.2.1, 192.0.2.2, 192.0.2.3, 127.0.0.1');
  assert.equal(request.field('x-forwarded-proto'), 'https');
  assert.equal(request.field('x-forwarded-host'), 'other.example');
  assert.equal(request.field('x-forwarded-port'), '444');
  assert.equal(request.field('forwarded'), 'for=192.0.2.1');
  assert.equal(request.field('x-request-id'), 'mine');
});

test('a trusted proxy that claims nothing is the client', async (t) => {
  const request = await forwarded(t, '', TRUSTING);
  assert.equal(request.field('x-forwarded-for'), '127.0.0.1');
  assert.equal(request.field('x-forwarded-proto'), 'http');
  assert.equal(request.field('x-forwarded-host'), 'Shop.example:8080');
  assert.match(request.field('x-request-id') ?? '', /^[0-9a-f]{32}$/);
});

test('a request id is kept if it is of sensible length', async (t) => {
  const request = await forwarded(t, `x-request-id: ${'a'.repeat(201)}\r\n`, TRUSTING);
  assert.match(request.field('x-request-id') ?? '', /^[0-9a-f]{32}$/);
});

test('no two requests have the same id', async (t) => {
  const ids = new Set<string | undefined>();
  const origin = await Origin.open(t, (peer, request) => {
    ids.add(request.field('x-request-id'));
    peer.say(ok(''));
  });
  const site = await Site.open(t, { app: { versions: { v: [origin.address] } } });
  for (let i = 0; i < 20; i++) await site.get();
  assert.equal(ids.size, 20);
});

test('trace context and every other field travel as they came', async (t) => {
  const lines =
    'traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\ntracestate: a=b\r\nX-Odd: \xe9\tx\r\n';
  const request = await forwarded(t, lines);
  assert.equal(request.field('traceparent'), '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01');
  assert.equal(request.field('tracestate'), 'a=b');
  assert.equal(request.field('x-odd'), '\xe9\tx');
});

test('what concerns one hop stays on it, both ways', async (t) => {
  const { origin, site } = await open(t);
  const client = await site.connect();
  client.say(
    'GET / HTTP/1.1\r\nhost: a\r\nconnection: keep-alive, x-mine\r\nkeep-alive: timeout=1\r\nte: trailers\r\nproxy-authorization: x\r\nproxy-connection: close\r\nupgrade: h2c\r\nhttp2-settings: x\r\nx-mine: 1\r\nx-kept: 1\r\n\r\n',
  );
  const peer = await origin.next();
  const names = ({ fields }: Message) => fields.map(([name]) => name);
  assert.deepEqual(names(await peer.message()), [
    'host',
    'x-kept',
    'x-forwarded-for',
    'x-forwarded-proto',
    'x-forwarded-host',
    'x-request-id',
    'x-spillway-version',
  ]);
  peer.say(
    'HTTP/1.1 200 OK\r\nconnection: close\r\nkeep-alive: timeout=1\r\nproxy-authenticate: x\r\nupgrade: h2c\r\nx-kept: 1\r\ncontent-length: 0\r\n\r\n',
  );
  assert.deepEqual(names(await client.message()), [
    'x-kept',
    'date',
    'content-length',
    'x-spillway-version',
    'set-cookie',
  ]);
});

test('names with underscores are dropped, or passed where that is configured', async (t) => {
  const lines = 'x_user: 1\r\ncontent_length: 5\r\n';
  assert.equal((await forwarded(t, lines)).field('x_user'), undefined);
  const passed = await forwarded(t, lines, { underscoreHeaders: 'pass' });
  assert.equal(passed.field('x_user'), '1');
});

test('framing is always written anew', async (t) => {
  const { origin, site } = await open(t);
  const client = await site.connect();
  client.say(
    'POST / HTTP/1.1\r\nhost: a\r\nTransfer-Encoding:   chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nX-Sum:  1\r\n\r\n',
  );
  const peer = await origin.next();
  const request = await peer.message();
  assert.equal(request.field('transfer-encoding'), 'chunked');
  assert.equal(request.field('content-length'), undefined);
  assert.equal(request.body, 'abc');
  assert.equal(request.trailers, 'X-Sum: 1\r\n');
  peer.say('HTTP/1.1 200 OK\r\nTransfer-encoding: CHUNKED\r\n\r\n03\r\nxyz\r\n0\r\nx-sum: 2\r\n\r\n');
  const answer = await client.message();
  assert.equal(answer.field('transfer-encoding'), 'chunked');
  assert.equal(answer.body, 'xyz');
  assert.equal(answer.trailers, 'x-sum: 2\r\n');
});

test('an address behind a dual-stack socket is told as the IPv4 address it is', async (t) => {
  const origin = await Origin.open(t);
  const site = await Site.open(
    t,
    { app: { versions: { v: [origin.address] } } },
    { at: '[::ffff:127.0.0.1]:0' },
  );
  const client = await site.connect();
  client.say('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
  assert.equal((await (await origin.next()).message()).field('x-forwarded-for'), '127.0.0.1');
});

test('settings that are taken over hold for the next request', async (t) => {
  const origin = await Origin.open(t, always('x'));
  const site = await Site.open(t, { app: { versions: { v: [origin.address] } } });
  assert.equal((await site.get()).field('x-spillway-version'), 'v');
  site.plane.configure(settingsFor({ exposeVersion: false }));
  assert.equal((await site.get()).field('x-spillway-version'), undefined);
});
