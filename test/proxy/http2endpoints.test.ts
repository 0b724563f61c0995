import assert from 'node:assert/strict';
import http2 from 'node:http2';
import { createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { Deadlines } from '../../src/base/deadlines.ts';
import { silent } from '../../src/base/log.ts';
import { Pool, type PoolLimits } from '../../src/upstream/pool.ts';
import { atEnd } from '../support/end.ts';
import { endpoint, type Script } from '../support/h2c.ts';
import { eventually, patiently } from '../support/patience.ts';
import { reachable } from '../support/peer.ts';
import { type Draft, get, Site } from '../support/site.ts';
import { Notebook } from '../upstream/notebook.ts';
import { LIMITS, question, TERMS } from '../upstream/parts.ts';

const { NGHTTP2_INTERNAL_ERROR, NGHTTP2_REFUSED_STREAM } = http2.constants;

/** An endpoint that answers nothing for now. */
async function holding(t: TestContext) {
  const streams: http2.ServerHttp2Stream[] = [];
  return { ...(await endpoint(t, (stream) => void streams.push(stream))), streams };
}

function poolAt(t: TestContext, address: string, pooling: PoolLimits, deadlines = new Deadlines(0, 0)): Pool {
  const pool = new Pool(reachable(address), deadlines, LIMITS, pooling, silent, undefined, true);
  atEnd(t, () => pool.destroy());
  return pool;
}

/** A version with this endpoint, and another that is down. */
async function open(t: TestContext, script: Script, draft: Partial<Draft> = {}, settings = {}) {
  const { address, sessions } = await endpoint(t, script, settings);
  const versions = { v: [address, '127.0.0.1:1'] };
  const site = await Site.open(t, { app: { protocol: 'h2c', versions, ...draft } });
  site.plane.stand([{ service: 'app', version: 'v', endpoints: { '127.0.0.1:1': [{ out: 'down' }] } }]);
  return { site, address, sessions };
}

for (const [what, script, seen] of [
  ['an answer', (stream) => stream.respond({ ':status': 200 }, { endStream: true }), [1, 0, 0]],
  ['an answer of 503', (stream) => stream.respond({ ':status': 503 }, { endStream: true }), [1, 1, 1]],
  ['an answer of 500', (stream) => stream.respond({ ':status': 500 }, { endStream: true }), [1, 1, 0]],
  [
    'a call that is UNAVAILABLE',
    (stream) => stream.respond({ ':status': 200, 'grpc-status': '14' }, { endStream: true }),
    [1, 1, 1],
  ],
  [
    'a call that failed, in trailers',
    (stream) => {
      stream.respond({ ':status': 200 }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '13' }));
      stream.end('x');
    },
    [1, 1, 0],
  ],
  [
    'a call that asked for the wrong thing',
    (stream) => stream.respond({ ':status': 200, 'grpc-status': '5' }, { endStream: true }),
    [1, 0, 0],
  ],
  ['a stream that is reset', (stream) => stream.close(NGHTTP2_INTERNAL_ERROR), [1, 1, 1]],
  ['a connection that is cut', (stream) => stream.session!.destroy(), [1, 1, 1]],
  ['a stream that was not begun', (stream) => stream.close(NGHTTP2_REFUSED_STREAM), undefined],
] as const satisfies readonly (readonly [string, Script, readonly number[] | undefined])[])
  test(`${what}, from an HTTP/2 endpoint, is ${seen ? 'told of to whoever ejects' : "nobody's fault"}`, async (t) => {
    const { site, address } = await open(t, script);
    await site.get();
    const outcomes = seen && { requests: seen[0], errors: seen[1], streak: seen[2] };
    assert.deepEqual(site.plane.collectOutcomes(), outcomes ? [{ endpoint: address, ...outcomes }] : []);
  });

test('an HTTP/2 endpoint has no more requests than it may, and others wait, or not', async (t) => {
  const streams: http2.ServerHttp2Stream[] = [];
  const { site, sessions } = await open(t, (stream) => void streams.push(stream), {
    limits: { requests: 2, pending: 1 },
  });
  const clients = [await site.connect(), await site.connect(), await site.connect()];
  for (const client of clients.slice(0, 2)) client.say(get());
  await eventually('two to be asked', () => streams.length === 2);
  clients[2]!.say(get());
  await eventually('the third to wait', () => site.counted('v').inFlight === 3);
  assert.equal(JSON.parse((await site.get()).body).fault, 'overloaded');
  assert.equal(streams.length, 2);
  streams[0]!.respond({ ':status': 200 }, { endStream: true });
  await eventually('the third to be asked', () => streams.length === 3);
  for (const stream of streams.slice(1)) stream.respond({ ':status': 200 }, { endStream: true });
  for (const client of clients) assert.match((await client.message()).line, / 200 /);
  assert.equal(sessions.length, 1);
});

test('an HTTP/2 endpoint has no more connections than it may, and others wait for room', async (t) => {
  const streams: http2.ServerHttp2Stream[] = [];
  const { site, sessions } = await open(
    t,
    (stream, fields) => {
      if (fields[':path'] === '/') streams.push(stream);
      else stream.respond({ ':status': 200 }, { endStream: true });
    },
    { limits: { connections: 1 } },
    { maxConcurrentStreams: 1 },
  );
  // How many it allows is known once it has answered.
  await site.get('', '/first');
  const clients = [await site.connect(), await site.connect()];
  for (const client of clients) client.say(get());
  await eventually('both to be in flight', () => site.counted('v').inFlight === 2);
  for (const [i, client] of clients.entries()) {
    await eventually('one to be asked', () => streams.length === i + 1);
    streams[i]!.respond({ ':status': 200 }, { endStream: true });
    assert.match((await client.message()).line, / 200 /);
  }
  assert.equal(sessions.length, 1);
});

test('when a connection is lost all who wait for room go on at once, by the next one', async (t) => {
  const { address, sessions, cut, streams } = await holding(t);
  const pool = poolAt(t, address, { connections: 1, requests: 3, pending: 9 });
  const ask = (): boolean => {
    const channel = pool.take(TERMS.connect, false);
    channel?.ask(new Notebook(), TERMS, question());
    return channel !== undefined;
  };
  for (let i = 0; i < 3; i++) assert.ok(ask());
  const wait = () => void pool.enqueue(new Notebook(() => ask() || wait()));
  for (let i = 0; i < 3; i++) {
    assert.equal(ask(), false);
    wait();
  }
  await eventually('three to be asked', () => streams.length === 3);
  cut();
  await eventually('the others to be asked', () => streams.length === 6);
  assert.equal(sessions.length, 2);
});

test('a connection on which an answer is too late is given no other request', async (t) => {
  let requests = 0;
  const { site, sessions } = await open(
    t,
    (stream) => {
      if (++requests > 1) stream.respond({ ':status': 200 }, { endStream: true });
    },
    { timeouts: { head: 100 } },
  );
  const client = await site.connect();
  client.say(get());
  await eventually('it to be asked', () => requests === 1);
  site.clock.wind(10_000);
  assert.match((await client.message()).line, / 504 /);
  assert.match((await site.get()).line, / 200 /);
  assert.equal(sessions.length, 2);
});

test('a connection that is closed does not stay because the endpoint is frozen', async (t) => {
  let said = () => {};
  const heard = patiently<void>('it to be spoken to', (resolve) => {
    said = resolve;
  });
  const sockets: Socket[] = [];
  // It shakes hands, and then neither answers nor leaves.
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.push(socket);
    socket.on('error', () => {});
    socket.write(Buffer.from('000000040000000000', 'hex'));
    socket.once('data', said);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  atEnd(t, () => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  const { port } = server.address() as { port: number };
  const deadlines = new Deadlines(0, 0);
  const pool = poolAt(t, `127.0.0.1:${port}`, { connections: 1, requests: 9, pending: 9 }, deadlines);
  const channel = pool.take(TERMS.connect, false)!;
  channel.ask(new Notebook(), TERMS, question());
  await heard;
  channel.destroy();
  pool.retire();
  await eventually('it to be gone', () => {
    deadlines.sweep(Number.MAX_VALUE);
    return pool.quiet;
  });
});

test('an answer of HTTP/2 has the usual reason phrase, as some clients of HTTP/1.1 cannot do without', async (t) => {
  let status = 200;
  const { site } = await open(t, (stream) => stream.respond({ ':status': status }, { endStream: true }));
  for (const [code, line] of [
    [200, 'HTTP/1.1 200 OK'],
    [404, 'HTTP/1.1 404 Not Found'],
    [299, 'HTTP/1.1 299 '],
  ] as const) {
    status = code;
    assert.equal((await site.get()).line, line);
  }
});
