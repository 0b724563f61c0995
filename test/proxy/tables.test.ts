import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Log } from '../../src/base/log.ts';
import { silent } from '../../src/base/log.ts';
import { deaf } from '../support/deaf.ts';
import { always, Origin, ok } from '../support/origin.ts';
import { eventually } from '../support/patience.ts';
import { type Draft, get, Site, stateOf } from '../support/site.ts';

const SLOW = 'POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n';

async function pair(t: TestContext) {
  const [stable, canary] = [await Origin.open(t), await Origin.open(t)];
  const draft = (whole: string): Draft => ({
    versions: { stable: [stable.address], canary: [canary.address] },
    weights: { [whole]: 100 },
  });
  return { stable, canary, draft };
}

test('a request goes on with the table it began with, whatever is swapped meanwhile', async (t) => {
  const { stable, canary, draft } = await pair(t);
  const site = await Site.open(t, { app: draft('stable') });
  const client = await site.connect();
  client.say(SLOW);
  const peer = await stable.next();
  await peer.take('3\r\nabc\r\n');
  site.adopt({ app: draft('canary') });
  client.say(`0\r\n\r\n${get('', '/next')}`);
  await peer.take('0\r\n\r\n');
  peer.say(ok('stable'));
  const first = await client.message();
  assert.equal(first.field('x-spillway-version'), 'stable');
  const next = await canary.next();
  assert.match((await next.message()).line, / \/next /);
  next.say(ok('canary'));
  assert.equal((await client.message()).field('x-spillway-version'), 'canary');
});

test('a limit that is lowered does not catch a request on its way', async (t) => {
  const origin = await Origin.open(t);
  const versions = { v: [origin.address] };
  const site = await Site.open(t, { app: { versions } });
  const client = await site.connect();
  client.say(SLOW);
  const peer = await origin.next();
  await peer.take('3\r\nabc\r\n');
  site.adopt({ app: { versions, maxBodyBytes: 4 } });
  client.say('3\r\ndef\r\n0\r\n\r\n');
  peer.say(ok('all of it'));
  assert.match((await client.message()).line, / 200 /);
  assert.deepEqual(site.counted('v').faults, {});
});

test('a request whose service is removed is finished all the same', async (t) => {
  const origin = await Origin.open(t);
  const site = await Site.open(t, { app: { versions: { v: [origin.address] } } });
  const client = await site.connect();
  client.say(SLOW);
  const peer = await origin.next();
  await peer.take('3\r\nabc\r\n');
  site.adopt({});
  client.say('0\r\n\r\n');
  await peer.take('0\r\n\r\n');
  peer.say(ok('done'));
  assert.equal((await client.message()).body, 'done');
  assert.equal(await peer.gone(), 'end', 'then its connection is closed, since nobody names it');
  client.say(get());
  assert.match((await client.message()).line, / 404 /);
  assert.deepEqual(site.counted('v').codes, { 200: 1 });
});

test('a change of endpoints between two tries is not mistaken for endpoints tried', async (t) => {
  const hanging = await deaf(t);
  const origin = await Origin.open(t, always('ok'));
  const draft = (...endpoints: string[]): Draft => ({
    versions: { v: endpoints },
    timeouts: { connect: 1000 },
  });
  const site = await Site.open(t, { app: draft(hanging.address) });
  const client = await site.connect();
  client.say(get());
  await eventually('the request to be under way', () => site.counted('v').inFlight === 1);
  site.adopt({ app: draft(origin.address, hanging.address) });
  site.run(t, 1000);
  // By its own table there is no other endpoint, by the new one there is: either, but not a hanging one twice.
  await client.message();
  assert.deepEqual(site.counted('v').faults['connect-timeout'], 1);
});

test('a state that cannot be compiled changes nothing', async (t) => {
  const [old, young] = [await Origin.open(t, always('old')), await Origin.open(t, always('young'))];
  const site = await Site.open(t, {
    app: { versions: { v: [old.address] }, match: [{ path: '/' }] },
    other: { versions: { v: [old.address] }, match: [{ path: '/other' }] },
  });
  const broken = stateOf(9, {
    app: { versions: { v: [young.address] }, match: [{ path: '/' }] },
    other: { versions: { v: [young.address] }, weights: { v: 99 }, match: [{ path: '/other' }] },
  });
  assert.throws(() => site.plane.adopt(broken), /service "other": .*99/);
  assert.equal(site.plane.revision, 1);
  assert.equal((await site.get()).body, 'old');
  assert.equal(young.requests, 0);
});

test('the revision served is that of the last state', async (t) => {
  const site = await Site.open(t, {});
  assert.equal(site.plane.revision, 1);
  site.adopt({});
  assert.equal(site.plane.revision, 2);
});

test('connections are kept when a weight changes', async (t) => {
  const origin = await Origin.open(t, always('ok'));
  const draft = (weight: number): Draft => ({
    versions: { stable: [origin.address], canary: [origin.address] },
    weights: { stable: weight, canary: 100 - weight },
  });
  const site = await Site.open(t, { app: draft(100) });
  for (const weight of [100, 50, 10, 0]) {
    site.adopt({ app: draft(weight) });
    await site.get();
  }
  assert.equal(origin.requests, 4);
  assert.equal(origin.peers.length, 1);
});

test('settled tells at once when nothing is unsent, and when the last request was sent', async (t) => {
  const origin = await Origin.open(t, always('ok'));
  const site = await Site.open(t, { app: { versions: { stable: [origin.address], canary: [] } } });
  assert.equal(await site.plane.settled('app', ['stable', 'canary']), undefined);
  assert.equal(await site.plane.settled('nonesuch', ['stable']), undefined);
  site.clock.wind(1000);
  const sentAt = site.clock.now();
  await site.get();
  site.clock.wind(5000);
  assert.equal(await site.plane.settled('app', ['stable', 'canary']), sentAt);
  assert.equal(await site.plane.settled('app', ['canary']), undefined);
});

test('settled waits for a request that waits for a connection, and tells when that was sent', async (t) => {
  const origin = await Origin.open(t);
  const site = await Site.open(t, { app: { versions: { v: [origin.address] }, limits: { connections: 1 } } });
  const [first, second] = [await site.connect(), await site.connect()];
  first.say(get());
  const peer = await origin.next();
  await peer.message();
  second.say(get());
  await eventually('the second request to wait', () => site.counted('v').inFlight === 2);
  let settled = false;
  const settling = site.plane.settled('app', ['v']);
  void settling.then(() => {
    settled = true;
  });
  await new Promise(setImmediate);
  assert.equal(settled, false);
  site.clock.wind(100);
  peer.say(ok('1'));
  await peer.message();
  assert.equal(await settling, site.clock.now(), 'when it was sent, not when it came');
  site.clock.wind(20);
  peer.say(ok('2'));
  await second.message();
  await site.record();
  assert.equal((await site.record()).latency, 20, 'and the time in the queue is not the endpoint’s');
});

test('settled waits for a request that is tried on another endpoint', async (t) => {
  const [one, other] = [await deaf(t), await deaf(t)];
  let warned = 0;
  const log: Log = {
    ...silent,
    warn() {
      warned++;
    },
  };
  const site = await Site.open(
    t,
    { app: { versions: { v: [one.address, other.address] }, timeouts: { connect: 1000 } } },
    { log },
  );
  const client = await site.connect();
  client.say(get());
  await eventually('the request to be under way', () => site.counted('v').inFlight === 1);
  let settled = false;
  const settling = site.plane.settled('app', ['v']).then((at) => {
    settled = true;
    return at;
  });
  site.clock.wind(1200);
  await eventually('the first endpoint to be given up', () => warned === 1);
  await new Promise(setImmediate);
  assert.equal(settled, false, 'the request is not sent yet');
  one.hear();
  other.hear();
  assert.equal((await client.message()).body, 'late');
  assert.equal(await settling, site.clock.now());
});

test('a request that never will be sent keeps nobody waiting', async (t) => {
  const hanging = await deaf(t);
  const site = await Site.open(t, { app: { versions: { v: [hanging.address] } } });
  const client = await site.connect();
  client.say(get());
  await eventually('the request to be under way', () => site.counted('v').inFlight === 1);
  const settling = site.plane.settled('app', ['v']);
  client.reset();
  assert.equal(await settling, undefined);
  assert.equal((await site.record()).status, 499);
});
