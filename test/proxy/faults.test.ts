import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { deaf } from '../support/deaf.ts';
import { always, Origin, ok } from '../support/origin.ts';
import { eventually } from '../support/patience.ts';
import type { Message, Peer } from '../support/peer.ts';
import { type Draft, get, post, Site, type SiteOptions } from '../support/site.ts';

async function open(t: TestContext, draft: Partial<Draft> = {}, options: SiteOptions = {}) {
  const origin = await Origin.open(t);
  const site = await Site.open(t, { app: { versions: { v: [origin.address] }, ...draft } }, options);
  const client = await site.connect();
  return { origin, site, client };
}

/** An endpoint that nobody listens on, of a port that was free a moment ago. */
async function nobody(t: TestContext): Promise<string> {
  const origin = await Origin.open(t);
  origin.close();
  return origin.address;
}

function statusOf({ line }: Message): number {
  return Number(line.split(' ')[1]);
}

/** Has a request answered, so that a connection to the endpoint is idle. */
async function warm(client: Peer, origin: Origin): Promise<Peer> {
  client.say(get());
  const peer = await origin.next();
  await peer.message();
  peer.say(ok('warm'));
  await client.message();
  return peer;
}

test('a kept connection that dies as it is used again costs a GET nothing', async (t) => {
  const { origin, site, client } = await open(t);
  const stale = await warm(client, origin);
  client.say(get());
  await stale.message();
  stale.reset();
  const fresh = await origin.next();
  await fresh.message();
  fresh.say(ok('again'));
  assert.equal((await client.message()).body, 'again');
  assert.deepEqual(site.counted('v'), { codes: { 200: 2 }, faults: {}, errors: 0, inFlight: 0 });
});

test('an idempotent request with a body is sent again with all of it', async (t) => {
  const { origin, client } = await open(t);
  const stale = await warm(client, origin);
  client.say(post('hello').replace('POST', 'PUT'));
  await stale.message();
  stale.end();
  const fresh = await origin.next();
  assert.equal((await fresh.message()).body, 'hello');
  fresh.say(ok('again'));
  assert.equal((await client.message()).body, 'again');
});

test('a kept connection that dies is no reason to come back to a version that was left meanwhile', async (t) => {
  const { origin, site, client } = await open(t);
  const stale = await warm(client, origin);
  client.say(get());
  await stale.message();
  const other = await Origin.open(t, always('other'));
  site.adopt({ app: { versions: { v: [origin.address], w: [other.address] }, weights: { w: 100 } } });
  stale.reset();
  assert.equal(statusOf(await client.message()), 502);
  assert.equal(origin.peers.length, 1);
});

test('a POST is never sent twice', async (t) => {
  const { origin, site, client } = await open(t);
  const stale = await warm(client, origin);
  client.say(post('hello'));
  await stale.message();
  stale.reset();
  const answer = await client.message();
  assert.equal(statusOf(answer), 502);
  assert.equal(JSON.parse(answer.body).fault, 'reset');
  assert.equal(origin.peers.length, 1);
  assert.deepEqual(site.counted('v'), {
    codes: { 200: 1, 502: 1 },
    faults: { reset: 1 },
    errors: 1,
    inFlight: 0,
  });
});

test('a connection that dies on its first request is not tried again', async (t) => {
  const { origin, site, client } = await open(t);
  client.say(get());
  const peer = await origin.next();
  await peer.message();
  peer.reset();
  assert.equal(statusOf(await client.message()), 502);
  assert.equal(origin.peers.length, 1);
  assert.deepEqual(site.counted('v').faults, { reset: 1 });
});

test('a second try that dies too is the last', async (t) => {
  const { origin, client } = await open(t);
  const stale = await warm(client, origin);
  client.say(get());
  await stale.message();
  stale.reset();
  const fresh = await origin.next();
  await fresh.message();
  fresh.reset();
  assert.equal(statusOf(await client.message()), 502);
  assert.equal(origin.peers.length, 2);
});

test('an endpoint that has begun to answer is not asked again', async (t) => {
  const { origin, client } = await open(t);
  const stale = await warm(client, origin);
  client.say(get());
  await stale.message();
  stale.say('HTTP/1.1 20');
  stale.end();
  assert.equal(JSON.parse((await client.message()).body).fault, 'bad-response');
  assert.equal(origin.peers.length, 1);
});

test('where one endpoint refuses another is asked, whatever the method', async (t) => {
  const origin = await Origin.open(t, always('ok'));
  const site = await Site.open(t, { app: { versions: { v: [await nobody(t), origin.address] } } });
  const client = await site.connect();
  for (let i = 0; i < 10; i++) {
    // So that the endpoint that refused is tried anew.
    site.clock.wind(10_000);
    client.say(post('hello'));
    assert.equal((await client.message()).body, 'ok');
  }
  assert.deepEqual(site.counted('v').codes, { 200: 10 });
});

test('without an endpoint left the answer is a clear 503, counted under the version', async (t) => {
  const endpoints = [await nobody(t), await nobody(t)];
  const site = await Site.open(t, { app: { versions: { v: endpoints } } });
  const answer = await site.get();
  assert.equal(answer.line, 'HTTP/1.1 503 Service Unavailable');
  assert.equal(answer.field('content-type'), 'application/problem+json');
  assert.equal(answer.field('retry-after'), '1');
  assert.equal(answer.field('x-spillway-version'), 'v');
  const { requestId, ...body } = JSON.parse(answer.body);
  assert.match(requestId, /^[0-9a-f]{32}$/);
  assert.deepEqual(body, {
    type: 'about:blank',
    title: 'Service Unavailable',
    status: 503,
    detail: 'This version has no endpoint that can be used.',
    fault: 'no-endpoint',
    service: 'app',
    version: 'v',
  });
  for (const endpoint of endpoints) assert.equal(answer.body.includes(endpoint), false, 'tells no address');
  assert.deepEqual(site.counted('v'), {
    codes: { 503: 1 },
    faults: { refused: 2, 'no-endpoint': 1 },
    errors: 1,
    inFlight: 0,
  });
});

test('a version without endpoints is 503', async (t) => {
  const site = await Site.open(t, { app: { versions: { v: [] } } });
  assert.equal(statusOf(await site.get()), 503);
  assert.deepEqual(site.counted('v').faults, { 'no-endpoint': 1 });
});

test('no request is tried on more than three endpoints', async (t) => {
  const endpoints = await Promise.all(Array.from({ length: 6 }, () => nobody(t)));
  const site = await Site.open(t, { app: { versions: { v: endpoints } } });
  assert.equal(statusOf(await site.get()), 503);
  assert.deepEqual(site.counted('v').faults, { refused: 3, 'no-endpoint': 1 });
});

test('an endpoint that does not accept in time is given up, and another asked', async (t) => {
  const silent = await deaf(t);
  const site = await Site.open(t, { app: { versions: { v: [silent.address] }, timeouts: { connect: 500 } } });
  const client = await site.connect();
  client.say(post('x'));
  const recorded = site.record();
  site.run(t, 500);
  assert.equal(statusOf(await client.message()), 503);
  assert.equal((await recorded).fault, 'no-endpoint');
  assert.deepEqual(site.counted('v').faults, { 'connect-timeout': 1, 'no-endpoint': 1 });
});

test('an endpoint that does not begin to answer in time is 504', async (t) => {
  const { origin, site, client } = await open(t, { timeouts: { head: 700 } });
  client.say(get());
  const peer = await origin.next();
  await peer.message();
  site.clock.wind(900);
  const answer = await client.message();
  assert.equal(statusOf(answer), 504);
  assert.equal(JSON.parse(answer.body).fault, 'head-timeout');
  await peer.gone();
  assert.deepEqual(site.counted('v').faults, { 'head-timeout': 1 });
});

test('a time is never over early, however long ago the clock was last looked at', async (t) => {
  const origin = await Origin.open(t);
  const site = await Site.open(
    t,
    { app: { versions: { v: [origin.address] }, timeouts: { head: 100 } } },
    { settings: { timeouts: { keepAlive: 120 } } },
  );
  const idle = await site.connect();
  await warm(idle, origin);
  site.clock.wind(350);
  const client = await site.connect();
  client.say(get());
  await origin.peers[0]!.message();
  // What ends this connection also looks at the request, for which no time at all has passed.
  await idle.gone();
  origin.peers[0]!.say(ok('in time'));
  assert.equal((await client.message()).body, 'in time');
});

test('an endpoint that falls silent inside its answer breaks the answer off, visibly', async (t) => {
  const { origin, site, client } = await open(t, { timeouts: { body: 700 } });
  client.say(get());
  const peer = await origin.next();
  await peer.message();
  peer.say('HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhel');
  await client.take('hel');
  site.clock.wind(900);
  assert.equal(await client.gone(), 'reset');
  const { status, fault, bytesOut } = await site.record();
  assert.deepEqual({ status, fault, bytesOut }, { status: 200, fault: 'body-timeout', bytesOut: 3 });
});

test('an answer broken off is never presented as whole', async (t) => {
  const { origin, site } = await open(t);
  for (const framing of ['content-length: 5', 'transfer-encoding: chunked']) {
    for (const version of ['1.1', '1.0']) {
      const client = await site.connect();
      client.say(`GET / HTTP/${version}\r\nhost: a\r\n\r\n`);
      const peer = await origin.next();
      await peer.message();
      peer.say(`HTTP/1.1 200 OK\r\n${framing}\r\n\r\n${framing.includes('chunked') ? '9\r\n' : ''}hel`);
      await client.take('hel');
      peer.end();
      assert.equal(await client.gone(), 'reset', `${framing} to HTTP/${version}`);
      assert.equal((await site.record()).fault, 'truncated');
    }
  }
});

test('an answer that is no HTTP is 502', async (t) => {
  const { origin, site, client } = await open(t);
  client.say(get());
  const peer = await origin.next();
  await peer.message();
  peer.say('SSH-2.0-OpenSSH_9.6\r\n');
  const answer = await client.message();
  assert.equal(statusOf(answer), 502);
  assert.equal(answer.body.includes('SSH'), false);
  assert.deepEqual(site.counted('v').faults, { 'bad-response': 1 });
});

test('after a fault the client goes on with the same connection', async (t) => {
  const { origin, client } = await open(t);
  client.say(get());
  const peer = await origin.next();
  await peer.message();
  peer.reset();
  assert.equal(statusOf(await client.message()), 502);
  await warm(client, origin);
});

test('requests beyond the connections of an endpoint wait in turn, and beyond that are turned away', async (t) => {
  const { origin, site, client } = await open(t, { limits: { connections: 1, pending: 2 } });
  client.say(get('', '/1'));
  const peer = await origin.next();
  assert.match((await peer.message()).line, / \/1 /);
  const others = await Promise.all([2, 3, 4].map(() => site.connect()));
  for (const other of others) other.say(get());
  const answers = others.map(async (other) => (await other.message()).body);
  assert.equal(JSON.parse(await Promise.race(answers)).fault, 'overloaded');
  assert.deepEqual(site.counted('v').faults, { overloaded: 1 });

  peer.say(ok(''));
  for (let i = 0; i < 2; i++) {
    await peer.message();
    peer.say(ok('ok'));
  }
  const bodies = await Promise.all(answers);
  assert.equal(bodies.filter((body) => body === 'ok').length, 2);
  assert.equal(origin.peers.length, 1);
});

test('a request that waits in vain for a connection is 503', async (t) => {
  const { origin, site, client } = await open(t, { limits: { connections: 1 }, timeouts: { connect: 600 } });
  client.say(get());
  await (await origin.next()).message();
  const second = await site.connect();
  second.say(post('hello'));
  site.run(t, 600);
  assert.equal(JSON.parse((await second.message()).body).fault, 'overloaded');
});

test('a request that waits for a connection is sent whole when it gets one', async (t) => {
  const { origin, site, client } = await open(t, { limits: { connections: 1 } });
  client.say(get());
  const peer = await origin.next();
  await peer.message();
  const second = await site.connect();
  second.say('POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n');
  second.say('3\r\ndef\r\n0\r\n\r\n');
  peer.say(ok(''));
  const request = await peer.message();
  assert.equal(request.body, 'abcdef');
  peer.say(ok('done'));
  assert.equal((await second.message()).body, 'done');
});

test('a client that leaves the queue is 499, and its place goes to the next', async (t) => {
  const { origin, site, client } = await open(t, { limits: { connections: 1 } });
  client.say(get());
  const peer = await origin.next();
  await peer.message();
  const second = await site.connect();
  second.say(get('', '/second'));
  const third = await site.connect();
  await eventually('the second request to wait', () => site.counted('v').inFlight === 2);
  second.reset();
  assert.equal((await site.record()).status, 499);
  third.say(get('', '/third'));
  peer.say(ok(''));
  assert.match((await peer.message()).line, /^GET \/third /);
  assert.deepEqual(site.counted('v').faults, { 'client-gone': 1 });
});

test('an endpoint that reads no more of a request is given up one day', async (t) => {
  const { origin, site, client } = await open(t);
  client.say('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 50000000\r\n\r\n');
  const peer = await origin.next();
  await peer.take('\r\n\r\n');
  peer.socket.pause();
  client.say('x'.repeat(50_000_000));
  site.run(t, 60_000);
  const { fault } = await site.record();
  assert.match(`${fault}`, /timeout/);
  assert.equal(site.counted('v').faults['request-timeout'], undefined, 'and the client is not to blame');
});
