import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { always, Origin, ok } from '../support/origin.ts';
import { type Draft, get, post, Site, type SiteOptions } from '../support/site.ts';

async function open(t: TestContext, settings: SiteOptions['settings'] = {}, draft: Partial<Draft> = {}) {
  const origin = await Origin.open(t);
  const site = await Site.open(t, { app: { versions: { v: [origin.address] }, ...draft } }, { settings });
  const client = await site.connect();
  return { origin, site, client };
}

const LONG_POST = 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n';

test('Expect: 100-continue is the endpoint’s to answer', async (t) => {
  const { origin, client } = await open(t);
  client.say(`${LONG_POST}expect: 100-continue\r\n\r\n`);
  const peer = await origin.next();
  assert.match(await peer.take('\r\n\r\n'), /\r\nexpect: 100-continue\r\n/);
  peer.say('HTTP/1.1 100 Continue\r\n\r\n');
  assert.equal(await client.take('\r\n\r\n'), 'HTTP/1.1 100 Continue\r\n\r\n');
  client.say('0123456789');
  assert.equal(await peer.bytes(10), '0123456789');
  peer.say(ok('done'));
  const answer = await client.message();
  assert.equal(answer.body, 'done');
  assert.equal(answer.field('connection'), undefined);
});

test('an endpoint that answers instead of 100 ends the connection, since the body may or may not come', async (t) => {
  const { origin, site, client } = await open(t);
  client.say(`${LONG_POST}expect: 100-continue\r\n\r\n`);
  const peer = await origin.next();
  await peer.take('\r\n\r\n');
  peer.say('HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n');
  const answer = await client.message();
  assert.equal(answer.line, 'HTTP/1.1 403 Forbidden');
  assert.equal(answer.field('connection'), 'close');
  assert.equal(await client.gone(), 'end');
  await peer.gone();
  assert.deepEqual(site.counted('v').faults, {});
});

test('a body that comes along with its expectation is sent at once, without one', async (t) => {
  const { origin, client } = await open(t);
  client.say(`${LONG_POST}expect: 100-continue\r\n\r\n0123456789`);
  const request = await (await origin.next()).message();
  assert.equal(request.field('expect'), undefined);
  assert.equal(request.body, '0123456789');
});

test('early hints and other interim answers come before the answer', async (t) => {
  const { origin, client } = await open(t);
  client.say(get());
  const peer = await origin.next();
  await peer.message();
  peer.say('HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n');
  peer.say(ok('done'));
  assert.equal(await client.take('\r\n\r\n'), 'HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n');
  assert.equal(await client.take('\r\n\r\n'), 'HTTP/1.1 102 Processing\r\n\r\n');
  assert.equal((await client.message()).body, 'done');
});

test('an answer that comes before the request is over is passed on, and the rest read to nowhere', async (t) => {
  const { origin, site, client } = await open(t);
  client.say('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 200000\r\n\r\n');
  const peer = await origin.next();
  await peer.take('\r\n\r\n');
  peer.say(`HTTP/1.1 413 Content Too Large\r\ncontent-length: 2\r\n\r\nno`);
  const answer = await client.message();
  assert.equal(answer.body, 'no');
  assert.equal(answer.field('connection'), 'close');
  client.say('x'.repeat(200_000));
  client.end();
  assert.equal(await client.gone(), 'end', 'not reset, which could cost the client its answer');
  assert.deepEqual(site.counted('v'), { codes: { 413: 1 }, faults: {}, errors: 0, inFlight: 0 });
});

test('answer and request may go on side by side', async (t) => {
  const { origin, client } = await open(t);
  client.say('POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n');
  const peer = await origin.next();
  await peer.take('\r\n\r\n');
  peer.say('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n');
  await client.take('\r\n\r\n');
  for (const letter of 'abc') {
    client.say(`1\r\n${letter}\r\n`);
    assert.equal(await peer.take(/1\r\n.\r\n/), `1\r\n${letter}\r\n`);
    peer.say(`1\r\n${letter}\r\n`);
    assert.equal(await client.take(/1\r\n.\r\n/), `1\r\n${letter}\r\n`);
  }
  client.say('0\r\n\r\n');
  assert.equal(await peer.take('0\r\n\r\n'), '0\r\n\r\n');
  peer.say('0\r\n\r\n');
  assert.equal(await client.take('0\r\n\r\n'), '0\r\n\r\n');
});

test('requests sent together are answered in order', async (t) => {
  const origin = await Origin.open(t, (peer, { line }) => {
    const path = line.split(' ')[1]!;
    // The first ones take longest.
    setTimeout(() => peer.say(ok(path)), path === '/0' ? 50 : 0);
  });
  const site = await Site.open(t, { app: { versions: { v: [origin.address] } } });
  const client = await site.connect();
  client.say([0, 1, 2, 3, 4].map((i) => get('', `/${i}`)).join(''));
  for (let i = 0; i < 5; i++) assert.equal((await client.message()).body, `/${i}`);
  assert.equal(origin.requests, 5);
});

test('requests sent together survive being cut anywhere', async (t) => {
  const origin = await Origin.open(t, (peer, { line, body }) =>
    peer.say(ok(`${line.split(' ')[1]} ${body}`)),
  );
  const site = await Site.open(t, { app: { versions: { v: [origin.address] } } });
  const text = `${post('12')}${get('', '/a')}POST /c HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n2\r\nxy\r\n0\r\n\r\n${get('', '/b')}`;
  for (let at = 1; at < text.length; at += 7) {
    const client = await site.connect();
    client.say(text.slice(0, at));
    await new Promise(setImmediate);
    client.say(text.slice(at));
    const bodies: string[] = [];
    for (let i = 0; i < 4; i++) bodies.push((await client.message()).body);
    assert.deepEqual(bodies, ['/ 12', '/a ', '/c xy', '/b '], `cut at ${at}`);
    client.reset();
  }
});

test('HTTP/1.0 clients are served: no chunks, no interim answers, closed unless they ask otherwise', async (t) => {
  const { origin, site } = await open(t);
  const old = await site.connect();
  old.say('GET /x HTTP/1.0\r\n\r\n');
  const peer = await origin.next();
  const request = await peer.message();
  assert.equal(request.line, 'GET /x HTTP/1.1');
  assert.equal(request.field('host'), site.address);
  peer.say(
    'HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nx: y\r\n\r\n',
  );
  const head = await old.take('\r\n\r\n');
  assert.match(head, /^HTTP\/1\.1 200 OK\r\n/);
  assert.match(head, /\r\nconnection: close\r\n/);
  assert.doesNotMatch(head, /transfer-encoding/);
  assert.equal(await old.gone(), 'end');
  assert.equal(old.heard, 'hello');

  const keeping = await site.connect();
  for (let i = 0; i < 2; i++) {
    keeping.say('GET /x HTTP/1.0\r\nconnection: keep-alive\r\n\r\n');
    await peer.message();
    peer.say(ok('ok'));
    assert.equal((await keeping.message()).field('connection'), 'keep-alive');
  }
});

test('an answer that ends with its connection is chunked for those who understand it', async (t) => {
  const { origin, site, client } = await open(t);
  const old = await site.connect();
  client.say(get());
  old.say('GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n');
  for (const peer of [await origin.next(), await origin.next()]) {
    await peer.message();
    peer.say('HTTP/1.0 200 OK\r\n\r\nhel');
    peer.say('lo');
    peer.end();
  }
  const answer = await client.message();
  assert.equal(answer.line, 'HTTP/1.1 200 OK');
  assert.equal(answer.field('transfer-encoding'), 'chunked');
  assert.equal(answer.body, 'hello');
  assert.match(await old.take('\r\n\r\n'), /\r\nconnection: close\r\n/);
  assert.equal(await old.gone(), 'end');
  assert.equal(old.heard, 'hello');
});

test('a client that wants the connection closed is told that it will be', async (t) => {
  const { origin, client } = await open(t);
  client.say(get('connection: close\r\n') + get('', '/ignored'));
  const peer = await origin.next();
  assert.equal((await peer.message()).field('connection'), undefined);
  peer.say(ok('bye'));
  assert.equal((await client.message()).field('connection'), 'close');
  assert.equal(await client.gone(), 'end');
  assert.equal(client.heard, '');
});

test('who has said that a request is the last one makes room with its answer, and not only by hanging up', async (t) => {
  const origin = await Origin.open(t, always('ok'));
  const settings = { limits: { connections: 1 } };
  const site = await Site.open(t, { app: { versions: { v: [origin.address] } } }, { settings });
  for (const last of [
    get('connection: close\r\n'),
    post('data', 'connection: close\r\n'),
    'GET / HTTP/1.0\r\nhost: a\r\n\r\n',
    get('connection: close\r\n'),
  ]) {
    const client = await site.connect();
    client.say(last);
    assert.equal((await client.message()).body, 'ok');
    assert.equal(await client.gone(), 'end');
  }
});

test('HEAD, 204 and 304 have no body, and the connection goes on', async (t) => {
  const { origin, client } = await open(t);
  client.say('HEAD / HTTP/1.1\r\nhost: a\r\n\r\n');
  const peer = await origin.next();
  await peer.message();
  peer.say('HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n');
  const answer = await client.message(true);
  assert.equal(answer.field('content-length'), '5');
  for (const line of ['204 No Content', '304 Not Modified']) {
    client.say(get());
    await peer.message();
    peer.say(`HTTP/1.1 ${line}\r\n\r\n`);
    const bare = await client.message();
    assert.equal(bare.line, `HTTP/1.1 ${line}`);
    assert.equal(bare.field('transfer-encoding'), undefined);
    assert.equal(bare.field('content-length'), undefined);
  }
});

test('a fault in answer to HEAD has no body either', async (t) => {
  const site = await Site.open(t, { app: { versions: { v: [] } } });
  const client = await site.connect();
  client.say(`HEAD / HTTP/1.1\r\nhost: a\r\n\r\n${get()}`);
  assert.match((await client.message(true)).line, / 503 /);
  assert.match((await client.message()).line, / 503 /);
});

test('OPTIONS * is answered by the proxy', async (t) => {
  const { origin, client } = await open(t);
  client.say('OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n');
  const answer = await client.message();
  assert.match(answer.line, / 204 /);
  assert.match(answer.field('allow') ?? '', /GET/);
  assert.equal(origin.peers.length, 0);
});

test('who is told that a method is not passed on is told which are', async (t) => {
  const { client } = await open(t);
  client.say('TRACE / HTTP/1.1\r\nhost: a\r\n\r\n');
  const answer = await client.message();
  assert.match(answer.line, / 405 /);
  assert.equal(answer.field('allow'), 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS');
});

test('what is no request is answered with its reason, and the connection ends', async (t) => {
  const { origin, site } = await open(t, { limits: { targetBytes: 100, headBytes: 500 } });
  for (const [bytes, status, fault] of [
    ['GET / HTTP/1.1\r\n\r\n', 400, 'bad-request'],
    [`GET /${'x'.repeat(200)} HTTP/1.1\r\nhost: a\r\n\r\n`, 414, 'target-too-long'],
    [get(`x: ${'x'.repeat(600)}\r\n`), 431, 'head-too-large'],
    ['GET / HTTP/2.0\r\nhost: a\r\n\r\n', 505, 'bad-version'],
    [get('transfer-encoding: gzip\r\n'), 501, 'not-implemented'],
    [get('expect: miracles\r\n'), 417, 'expectation-failed'],
    ['TRACE / HTTP/1.1\r\nhost: a\r\n\r\n', 405, 'method-not-allowed'],
    ['POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n', 400, 'bad-request'],
  ] as const) {
    const client = await site.connect();
    client.say(bytes + get());
    const answer = await client.message();
    assert.equal(answer.line.split(' ')[1], `${status}`, bytes);
    assert.equal(JSON.parse(answer.body).fault, fault);
    assert.equal(answer.field('connection'), 'close');
    assert.equal(await client.gone(), 'end');
    assert.equal(client.heard, '');
  }
  assert.equal(origin.peers.length, 0);
  assert.equal(site.plane.collectUnrouted()[400], 2);
});

test('a body that turns out unsound is cut off from its endpoint', async (t) => {
  const { origin, site, client } = await open(t);
  client.say('POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n');
  const peer = await origin.next();
  await peer.take('3\r\nabc\r\n');
  client.say('nonsense\r\n');
  assert.match((await client.message()).line, / 400 /);
  await peer.gone();
  assert.equal(peer.heard, '', 'and never ended');
  assert.deepEqual(site.counted('v'), {
    codes: { 400: 1 },
    faults: { 'bad-request': 1 },
    errors: 0,
    inFlight: 0,
  });
});

test('a body larger than may be is 413, told at once or when it grows too large', async (t) => {
  const { origin, site } = await open(t, {}, { maxBodyBytes: 5 });
  for (const [bytes, status] of [
    [post('12345'), 200],
    [post('123456'), 413],
    ['POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000\r\nexpect: 100-continue\r\n\r\n', 413],
    ['POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n6\r\n123456\r\n', 413],
  ] as const) {
    const client = await site.connect();
    client.say(bytes);
    if (status === 200) {
      const peer = await origin.next();
      await peer.message();
      peer.say(ok(''));
    }
    assert.equal((await client.message()).line.split(' ')[1], `${status}`, bytes);
  }
  assert.equal(origin.peers.length, 1);
  const client = await site.connect();
  client.say('POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\n123\r\n');
  await origin.peers[0]!.take('123\r\n');
  client.say('3\r\n456\r\n');
  assert.match((await client.message()).line, / 413 /);
  await origin.peers[0]!.gone();
  assert.equal(site.counted('v').codes[413], 4);
});

test('a client that leaves before its answer is 499, and its endpoint is told', async (t) => {
  const { origin, site } = await open(t);
  for (const leave of ['reset', 'end'] as const) {
    const client = await site.connect();
    client.say(leave === 'reset' ? get() : `${LONG_POST}\r\n012`);
    const peer = await origin.next();
    await peer.take('\r\n\r\n');
    client[leave]();
    const { status, fault, version } = await site.record();
    assert.deepEqual({ status, fault, version }, { status: 499, fault: 'client-gone', version: 'v' });
    await peer.gone();
  }
  assert.deepEqual(site.counted('v'), {
    codes: { 499: 2 },
    faults: { 'client-gone': 2 },
    errors: 0,
    inFlight: 0,
  });
});

test('a client that leaves in the middle of its answer is 499', async (t) => {
  const { origin, site, client } = await open(t);
  client.say(get());
  const peer = await origin.next();
  await peer.message();
  peer.say('HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhello');
  await client.take('hello');
  client.reset();
  const { status, fault, bytesOut } = await site.record();
  assert.deepEqual({ status, fault, bytesOut }, { status: 499, fault: 'client-gone', bytesOut: 5 });
  await peer.gone();
});

test('a client that has said all it will say still gets its answer', async (t) => {
  const { origin, client } = await open(t);
  client.say(get());
  client.end();
  const peer = await origin.next();
  await peer.message();
  peer.say(ok('bye'));
  assert.equal((await client.message()).body, 'bye');
  assert.equal(await client.gone(), 'end');
});

test('a head that does not come in time is 408; silence is closed without a word', async (t) => {
  const { site, client } = await open(t, { timeouts: { head: 500, keepAlive: 700 } });
  const silent = await site.connect();
  client.say('GET / HT');
  site.run(t, 100);
  assert.match((await client.message()).line, / 408 /);
  assert.equal(await silent.gone(), 'end');
  assert.equal(silent.heard, '');
});

test('a body that stops coming is 408, and the endpoint is not to blame', async (t) => {
  const { origin, site, client } = await open(t, { timeouts: { body: 500 } });
  client.say(`${LONG_POST}\r\n012`);
  const peer = await origin.next();
  await peer.take('012');
  site.clock.wind(700);
  assert.match((await client.message()).line, / 408 /);
  await peer.gone();
  assert.deepEqual(site.counted('v'), {
    codes: { 408: 1 },
    faults: { 'request-timeout': 1 },
    errors: 0,
    inFlight: 0,
  });
});

test('an idle connection is closed when its time is over', async (t) => {
  const origin = await Origin.open(t, always('ok'));
  const site = await Site.open(
    t,
    { app: { versions: { v: [origin.address] } } },
    { settings: { timeouts: { keepAlive: 500 } } },
  );
  const client = await site.connect();
  client.say(get());
  await client.message();
  site.clock.wind(700);
  assert.equal(await client.gone(), 'end');
  assert.equal(client.heard, '');
});

test('after so many requests a connection is closed, and says so', async (t) => {
  const origin = await Origin.open(t, always('ok'));
  const site = await Site.open(
    t,
    { app: { versions: { v: [origin.address] } } },
    { settings: { limits: { requestsPerConnection: 2 } } },
  );
  const client = await site.connect();
  client.say(get().repeat(3));
  assert.equal((await client.message()).field('connection'), undefined);
  assert.equal((await client.message()).field('connection'), 'close');
  assert.equal(await client.gone(), 'end');
  assert.equal(client.heard, '');
});

test('an address has so many connections and no more, until it leaves one', async (t) => {
  const origin = await Origin.open(t, always('ok'));
  const site = await Site.open(
    t,
    { app: { versions: { v: [origin.address] } } },
    { settings: { limits: { connectionsPerAddress: 2 } } },
  );
  const clients = [await site.connect(), await site.connect()];
  for (const client of clients) {
    client.say(get());
    await client.message();
  }
  const third = await site.connect();
  assert.equal(JSON.parse((await third.message()).body).fault, 'shedding');
  await third.gone();
  assert.deepEqual(site.plane.collectUnrouted(), { 503: 1 });
  clients[0]!.end();
  await clients[0]!.gone();
  const fourth = await site.connect();
  fourth.say(get());
  assert.equal((await fourth.message()).body, 'ok');
});

test('there are so many connections and no more', async (t) => {
  const { site, client } = await open(t, { limits: { connections: 2 } });
  await site.connect();
  const third = await site.connect();
  assert.match((await third.message()).line, / 503 /);
  await third.gone();
  assert.equal(client.left, undefined);
});
