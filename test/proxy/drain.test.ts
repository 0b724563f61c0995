import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Origin, ok } from '../support/origin.ts';
import { connect } from '../support/peer.ts';
import { get, Site } from '../support/site.ts';

async function open(t: TestContext) {
  const origin = await Origin.open(t);
  const site = await Site.open(t, { app: { versions: { v: [origin.address] } } });
  const client = await site.connect();
  return { origin, site, client };
}

test('idle connections have a second for a last request, new ones are refused', async (t) => {
  const { origin, site, client } = await open(t);
  client.say(get());
  const peer = await origin.next();
  await peer.message();
  peer.say(ok(''));
  await client.message();
  await site.record();
  const drained = site.plane.drain(60_000);
  client.say(get());
  await peer.message();
  peer.say(ok('last'));
  assert.equal((await client.message()).field('connection'), 'close');
  assert.equal(await client.gone(), 'end');
  await assert.rejects(connect(site.address), { code: 'ECONNREFUSED' });
  client.end();
  await drained;
  await peer.gone();
});

test('a connection that stays idle while draining is closed', async (t) => {
  const { site, client } = await open(t);
  site.run(t, 200);
  const drained = site.plane.drain(60_000);
  assert.equal(await client.gone(), 'end');
  client.end();
  await drained;
});

test('what is in flight is finished, and its connection closed with it', async (t) => {
  const { origin, site, client } = await open(t);
  client.say(get());
  const peer = await origin.next();
  await peer.message();
  const drained = site.plane.drain(60_000);
  peer.say(ok('last'));
  const answer = await client.message();
  assert.equal(answer.body, 'last');
  assert.equal(answer.field('connection'), 'close');
  assert.equal(await client.gone(), 'end');
  client.end();
  await drained;
  assert.deepEqual(site.counted('v'), { codes: { 200: 1 }, faults: {}, errors: 0, inFlight: 0 });
});

test('a request whose head has begun is served, as the last of its connection', async (t) => {
  const { origin, site, client } = await open(t);
  client.say('GET / HTTP/1.1\r\nho');
  const other = await site.connect();
  other.say(get('', '/other'));
  // Read in the order in which they came, so the first has begun by now.
  await (await origin.next()).message();
  const drained = site.plane.drain(60_000);
  client.say('st: a\r\n\r\n');
  const peer = await origin.next();
  await peer.message();
  for (const each of origin.peers) each.say(ok('last'));
  assert.equal((await client.message()).field('connection'), 'close');
  for (const each of [client, other]) {
    await each.gone();
    each.end();
  }
  await drained;
});

test('what is not done in time is cut, and still recorded', async (t) => {
  const { origin, site, client } = await open(t);
  client.say(get());
  const peer = await origin.next();
  await peer.message();
  const drained = site.plane.drain(500);
  site.clock.wind(500);
  await drained;
  await client.gone();
  assert.equal((await site.record()).version, 'v');
  assert.equal(site.counted('v').inFlight, 0);
  await peer.gone();
});
