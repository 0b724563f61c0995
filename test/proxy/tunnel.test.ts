import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Origin, ok } from '../support/origin.ts';
import { get, Site } from '../support/site.ts';

const ASK = get('connection: Upgrade\r\nupgrade: WebSocket\r\nsec-websocket-key: x\r\n', '/chat');
const AGREE =
  'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: y\r\n\r\n';

async function open(t: TestContext) {
  const origin = await Origin.open(t);
  const site = await Site.open(t, { app: { versions: { v: [origin.address] } } });
  const client = await site.connect();
  return { origin, site, client };
}

/** Both ends of an open tunnel. */
async function tunnel(t: TestContext) {
  const { origin, site, client } = await open(t);
  client.say(ASK);
  const peer = await origin.next();
  const request = await peer.message();
  peer.say(AGREE);
  const answer = await client.message();
  return { site, client, peer, request, answer };
}

test('an upgrade both sides agree on opens a tunnel both ways', async (t) => {
  const { site, client, peer, request, answer } = await tunnel(t);
  assert.equal(request.field('connection'), 'upgrade');
  assert.equal(request.field('upgrade'), 'WebSocket');
  assert.equal(request.field('sec-websocket-key'), 'x');
  assert.equal(answer.line, 'HTTP/1.1 101 Switching Protocols');
  assert.equal(answer.field('connection'), 'upgrade');
  assert.equal(answer.field('upgrade'), 'websocket');
  assert.equal(answer.field('x-spillway-version'), 'v');
  for (let i = 0; i < 3; i++) {
    client.say(`\x00ping${i}\r\n\r\n`);
    assert.equal(await peer.bytes(10), `\x00ping${i}\r\n\r\n`);
    peer.say(`\xffpong${i}`);
    assert.equal(await client.bytes(6), `\xffpong${i}`);
  }
  peer.end();
  assert.equal(await client.gone(), 'end');
  const { status, fault, bytesIn, bytesOut } = await site.record();
  assert.deepEqual(
    { status, fault, bytesIn, bytesOut },
    { status: 101, fault: null, bytesIn: 30, bytesOut: 18 },
  );
});

test('the client’s end reaches the endpoint, and what the endpoint still says the client', async (t) => {
  const { site, client, peer } = await tunnel(t);
  client.say('bye');
  client.end();
  assert.equal(await peer.take('bye'), 'bye');
  assert.equal(await peer.gone(), 'end');
  peer.say('so long');
  peer.end();
  assert.equal(await client.gone(), 'end');
  assert.equal(client.heard, 'so long');
  assert.equal((await site.record()).status, 101);
});

test('a client that leaves a tunnel is nobody’s fault', async (t) => {
  const { site, client, peer } = await tunnel(t);
  client.reset();
  const { status, fault } = await site.record();
  assert.deepEqual({ status, fault }, { status: 101, fault: null });
  await peer.gone();
});

test('an endpoint that breaks a tunnel off breaks it off for the client', async (t) => {
  const { site, client, peer } = await tunnel(t);
  peer.reset();
  assert.equal(await client.gone(), 'reset');
  assert.equal((await site.record()).fault, 'truncated');
});

test('bytes that the client sends ahead wait for the tunnel', async (t) => {
  const { origin, client } = await open(t);
  client.say(`${ASK}early`);
  const peer = await origin.next();
  await peer.message();
  assert.equal(peer.heard, '');
  peer.say(`${AGREE}first`);
  await client.message();
  assert.equal(await peer.bytes(5), 'early');
  assert.equal(await client.bytes(5), 'first');
});

test('an upgrade that is declined is an answer like any other, and the last one', async (t) => {
  const { origin, client } = await open(t);
  client.say(ASK);
  const peer = await origin.next();
  await peer.message();
  peer.say(ok('no'));
  const answer = await client.message();
  assert.equal(answer.body, 'no');
  assert.equal(answer.field('connection'), 'close');
  assert.equal(await client.gone(), 'end');
});

test('a request with a body asks for no upgrade, nor does one that names two, or is of HTTP/1.0', async (t) => {
  const { origin, site } = await open(t);
  for (const request of [
    ASK.replace('\r\n\r\n', '\r\ncontent-length: 2\r\n\r\nhi'),
    ASK.replace('\r\n\r\n', '\r\nupgrade: h2c\r\n\r\n'),
    ASK.replace('HTTP/1.1', 'HTTP/1.0'),
    ASK.replace('connection: Upgrade\r\n', ''),
  ]) {
    const client = await site.connect();
    client.say(request);
    const peer = await origin.next();
    const got = await peer.message();
    assert.equal(got.field('upgrade'), undefined, request);
    assert.equal(got.field('connection'), undefined, request);
    // So that every request gets a connection of its own.
    peer.reset();
    assert.match((await client.message()).line, / 502 /);
  }
});

test('a switch that nobody asked for is 502', async (t) => {
  const { origin, client } = await open(t);
  client.say(get());
  const peer = await origin.next();
  await peer.message();
  peer.say(AGREE);
  assert.match((await client.message()).line, / 502 /);
});

test('a tunnel may be silent for a long time, and is ended when that is over', async (t) => {
  const { site, client, peer } = await tunnel(t);
  // A connection that says nothing is closed by the same sweep that looks at the tunnel.
  const silent = await site.connect();
  site.clock.wind(3500_000);
  await silent.gone();
  client.say('still here');
  assert.equal(await peer.bytes(10), 'still here');
  site.clock.wind(3700_000);
  await client.gone();
  await peer.gone();
  assert.deepEqual(site.counted('v').codes, { 101: 1 });
});
