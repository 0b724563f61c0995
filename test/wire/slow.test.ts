import assert from 'node:assert/strict';
import { type IncomingMessage, request } from 'node:http';
import { type TestContext, test } from 'node:test';
import { atEnd } from '../support/end.ts';
import { patiently } from '../support/patience.ts';
import { Client, pause } from './client.ts';
import { BIG, FaultyOrigin } from './faulty.ts';
import { openSpillway, type Spillway, type Wishes } from './spillway.ts';

/** Short times, so that nobody waits long for them to pass. */
const SHORT: Wishes = { timeouts: { head: 400, body: 400, keepAlive: 400, write: 400 } };
const MIB = 2 ** 20;

interface World {
  readonly origin: FaultyOrigin;
  readonly spillway: Spillway;
  /** A raw client that sends these bytes. */
  client(bytes: string): Client;
  /** As many such clients. */
  crowd(count: number, bytes: string): Client[];
}

async function open(t: TestContext, wishes: Wishes = {}): Promise<World> {
  const origin = new FaultyOrigin();
  await origin.listen();
  const spillway = await openSpillway(`127.0.0.1:${origin.port}`, wishes);
  const clients: Client[] = [];
  atEnd(t, async () => {
    for (const client of clients) client.leave();
    await spillway.close();
    await origin.close();
  });
  const client = (bytes: string) => {
    const made = new Client(spillway.address);
    made.send(bytes);
    clients.push(made);
    return made;
  };
  return {
    origin,
    spillway,
    client,
    crowd: (count, bytes) => Array.from({ length: count }, () => client(bytes)),
  };
}

interface Answer {
  readonly status: number | undefined;
  /** The answer came to its end, as its framing has it. */
  readonly whole: boolean;
}

/** An ordinary request on a connection of its own. */
function ask({ spillway }: World, path: string, method = 'GET'): Promise<Answer> {
  return patiently('the end of a request', (resolve) => {
    let answer: IncomingMessage | undefined;
    const asked = request({ ...spillway.address, path, method, agent: false });
    asked.on('response', (response) => {
      answer = response.resume().on('error', () => {});
    });
    asked.on('error', () => {});
    asked.on('close', () => resolve({ status: answer?.statusCode, whole: answer?.complete === true }));
    asked.end(method === 'POST' ? 'body' : undefined);
  });
}

/** Others are served all the while. */
async function othersAreServed(world: World, times = 30): Promise<void> {
  for (let i = 0; i < times; i++) assert.deepEqual(await ask(world, '/'), { status: 200, whole: true });
}

/** Sends a byte to each, over and over, until they are all gone. */
async function drip(clients: readonly Client[]): Promise<void> {
  while (clients.some((client) => !client.done)) {
    for (const client of clients) client.send('a');
    await pause(40);
  }
}

function gone(clients: readonly Client[]): Promise<unknown> {
  return Promise.all(clients.map((client) => client.until(() => client.done, 60_000)));
}

function get(path: string): string {
  return `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`;
}

function post(length: number): string {
  return `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\r\n\r\n`;
}

test('a head that trickles in ends in 408, and others are served meanwhile', async (t) => {
  const world = await open(t, SHORT);
  const attackers = world.crowd(100, 'GET / HTTP/1.1\r\nX-A: ');
  await Promise.all([othersAreServed(world), drip(attackers)]);
  for (const { received } of attackers) assert.match(received, /^HTTP\/1\.1 408 /);
});

test('bodies that trickle in take nothing from others', async (t) => {
  const world = await open(t);
  const attackers = world.crowd(100, post(1000));
  const dripping = drip(attackers);
  await othersAreServed(world);
  assert.ok(attackers.every((attacker) => !attacker.done));
  for (const attacker of attackers) attacker.leave();
  await dripping;
});

test('a body that stops ends in 408, and its origin is told', async (t) => {
  const world = await open(t, SHORT);
  const attackers = world.crowd(20, `${post(1000)}some`);
  await Promise.all([
    othersAreServed(world),
    gone(attackers),
    world.origin.tally.reach('body broken off', 20),
  ]);
  for (const { received } of attackers) assert.match(received, /^HTTP\/1\.1 408 /);
});

test('connections that say nothing are closed, and others are served meanwhile', async (t) => {
  const world = await open(t, SHORT);
  const silent = world.crowd(200, '');
  await Promise.all([othersAreServed(world), gone(silent)]);
  for (const { received } of silent) assert.equal(received, '');
});

test('a connection kept alive is closed when it stays idle', async (t) => {
  const { client } = await open(t, SHORT);
  const idle = client(get('/'));
  await gone([idle]);
  assert.match(idle.received, /^HTTP\/1\.1 200 .*ok$/s);
});

test('clients that do not read cost bounded memory, and others are served', async (t) => {
  const world = await open(t);
  const before = process.memoryUsage().rss;
  const readers = world.crowd(40, get('/big'));
  for (const reader of readers) reader.socket.pause();
  await othersAreServed(world);
  assert.ok(process.memoryUsage().rss - before < 200 * MIB, 'of 1600 MiB asked for');
  assert.equal(world.origin.tally.of('finished'), 0);
});

test('a client that takes none of its answer is cut off, and the origin can stop', async (t) => {
  const world = await open(t, SHORT);
  const readers = world.crowd(10, get('/big'));
  for (const reader of readers) reader.socket.pause();
  await world.origin.tally.reach('left', 10);
  await othersAreServed(world, 5);
});

test('a client that reads slowly gets all of its answer', async (t) => {
  const world = await open(t);
  const reader = world.client(get('/big'));
  reader.socket.on('data', () => {
    reader.socket.pause();
    setImmediate(() => reader.socket.resume());
  });
  const body = BIG * 65_536;
  assert.ok(await reader.until(() => reader.received.length > body, 60_000));
  assert.equal(reader.received.length - reader.received.indexOf('\r\n\r\n') - 4, body);
});

test('an origin that never answers holds nobody else up, and is left when its clients leave', async (t) => {
  const world = await open(t);
  const waiting = world.crowd(60, get('/never'));
  await world.origin.tally.reach('asked', 60);
  await othersAreServed(world);
  for (const client of waiting) client.leave();
  await world.origin.tally.reach('left', 60);
});

test('an origin that takes too long to answer is left, with 504', async (t) => {
  const world = await open(t, { service: { timeouts: { head: 300 } } });
  const answers = await Promise.all(Array.from({ length: 10 }, () => ask(world, '/never')));
  for (const { status } of answers) assert.equal(status, 504);
  await world.origin.tally.reach('left', 10);
});

test('an origin that stops in the middle of an answer is left, and the client can tell', async (t) => {
  const world = await open(t, { service: { timeouts: { body: 300 } } });
  const { status, whole } = await ask(world, '/stall');
  assert.deepEqual([status, whole], [200, false]);
  await world.origin.tally.reach('left', 1);
});

test('a connection that the origin resets ends in 502, and a POST is sent once', async (t) => {
  const world = await open(t);
  // Connections that have served before are where a proxy is tempted to try again.
  await othersAreServed(world, 5);
  const gets = await Promise.all(Array.from({ length: 40 }, () => ask(world, '/reset')));
  for (const { status } of gets) assert.equal(status, 502);
  for (let i = 0; i < 10; i++) {
    await othersAreServed(world, 1);
    assert.equal((await ask(world, '/reset', 'POST')).status, 502);
  }
  assert.equal(world.origin.tally.of('reset POST'), 10);
});

test('an answer that is broken off never looks whole', async (t) => {
  const world = await open(t);
  const paths = Array.from({ length: 30 }, () => ['/half', '/half-chunked', '/half-close']).flat();
  for (const { status, whole } of await Promise.all(paths.map((path) => ask(world, path))))
    assert.ok(status === 502 || !whole, `${status} looked whole`);
});

test('clients that leave in the middle of an answer end the requests of theirs', async (t) => {
  const world = await open(t);
  const clients = world.crowd(40, get('/drip'));
  await Promise.all(
    clients.map((client) => client.until(() => client.received.includes('\r\n\r\n'), 60_000)),
  );
  for (const client of clients) client.leave();
  await world.origin.tally.reach('left', 40);
});

test('an origin that goes away is missed with 502, and found again when it is back', async (t) => {
  const world = await open(t);
  await othersAreServed(world, 2);
  const port = world.origin.port;
  await world.origin.close();
  for (const method of ['GET', 'POST', 'GET']) {
    const { status } = await ask(world, '/', method);
    assert.ok(status === 502 || status === 503, `${method} was answered with ${status}`);
  }
  await world.origin.listen(port);
  let answer = await ask(world, '/');
  for (let tries = 0; answer.status !== 200 && tries < 100; tries++) {
    await pause(50);
    answer = await ask(world, '/');
  }
  assert.equal(answer.status, 200);
});

test('no request holds more than a hundred times its own bytes', async (t) => {
  const world = await open(t);
  const head = `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nCookie: ${'c'.repeat(4000)}\r\n`;
  const tails = [
    '',
    '\r\n',
    '\r\nfffffffffffff\r\n',
    '\r\n5\r\nhello\r\n0\r\nX-Trailer: ',
    '\r\n0;extension=',
  ];
  const before = process.memoryUsage().rss;
  const attackers = tails.flatMap((tail) => world.crowd(60, head + tail));
  await othersAreServed(world);
  const sent = attackers.length * head.length;
  assert.ok(process.memoryUsage().rss - before < 100 * sent);
});
