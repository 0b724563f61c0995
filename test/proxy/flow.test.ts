import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { asked } from '../support/asked.ts';
import { Origin, ok } from '../support/origin.ts';
import { eventually, standstill } from '../support/patience.ts';
import { get, Site } from '../support/site.ts';

const PIECE = Buffer.alloc(65_536, 'x');
const PIECES = 3200;
/** 200 MB. */
const SIZE = PIECE.length * PIECES;
/** More than all the kernel's buffers on two connections, and a fraction of what is sent. */
const BOUND = 48 * 2 ** 20;

/** Writes so many pieces, as fast as the socket takes them and no faster. */
function pour(socket: Socket, left: number): void {
  while (left-- > 0) {
    if (!socket.write(PIECE)) {
      socket.once('drain', () => pour(socket, left));
      return;
    }
  }
}

/** Counts what comes, and lets the other side wait: a read, then a few turns of rest. */
function sip(socket: Socket): { count: number } {
  const got = { count: 0 };
  socket.removeAllListeners('data');
  socket.on('data', (data: Buffer) => {
    got.count += data.length;
    socket.pause();
    let turns = 4;
    const rest = () => (--turns > 0 ? setImmediate(rest) : socket.resume());
    setImmediate(rest);
  });
  return got;
}

/** The most that was under way at any time, given what one side has sent and the other has got. */
function watch(sent: () => number, got: () => number): { most: number; stop: () => void } {
  const seen = { most: 0, stop: () => clearImmediate(turn) };
  let turn = setImmediate(look);
  function look(): void {
    seen.most = Math.max(seen.most, sent() - got());
    turn = setImmediate(look);
  }
  return seen;
}

/** What a socket has really sent: not what still waits in this process. */
function sentBy(socket: Socket): number {
  return socket.bytesWritten - socket.writableLength;
}

test('a client that reads slowly slows its endpoint down, and nothing piles up between them', async (t) => {
  const { site, client, peer } = await asked(t);
  const got = sip(client.socket);
  const seen = watch(
    () => sentBy(peer.socket),
    () => got.count,
  );
  peer.say(`HTTP/1.1 200 OK\r\ncontent-length: ${SIZE}\r\n\r\n`);
  pour(peer.socket, PIECES);
  assert.equal((await site.record()).bytesOut, SIZE);
  await eventually('the rest of the answer', () => got.count > SIZE);
  seen.stop();
  assert.ok(seen.most < BOUND, `${seen.most} bytes were under way`);
});

test('an endpoint that reads slowly slows its client down, and nothing piles up between them', async (t) => {
  const origin = await Origin.open(t);
  const site = await Site.open(t, { app: { versions: { v: [origin.address] } } });
  const client = await site.connect();
  client.say(`POST / HTTP/1.1\r\nhost: a\r\ncontent-length: ${SIZE}\r\n\r\n`);
  const peer = await origin.next();
  await peer.take('\r\n\r\n');
  const got = sip(peer.socket);
  const seen = watch(
    () => sentBy(client.socket),
    () => got.count,
  );
  pour(client.socket, PIECES);
  await eventually('the rest of the request', () => got.count === SIZE);
  peer.say(ok(''));
  assert.equal((await site.record()).bytesIn, SIZE);
  seen.stop();
  assert.ok(seen.most < BOUND, `${seen.most} bytes were under way`);
});

test('a client that reads nothing holds its endpoint up, and is cut off when its time is over', async (t) => {
  const origin = await Origin.open(t);
  const site = await Site.open(
    t,
    { app: { versions: { v: [origin.address] } } },
    { settings: { timeouts: { write: 5000 } } },
  );
  const client = await site.connect();
  client.say(get());
  const peer = await origin.next();
  await peer.message();
  client.socket.pause();
  peer.say(`HTTP/1.1 200 OK\r\ncontent-length: ${SIZE}\r\n\r\n`);
  pour(peer.socket, PIECES);
  const stuck = await standstill(() => sentBy(peer.socket));
  assert.ok(stuck < BOUND, `the endpoint could send ${stuck} bytes`);
  // Whatever the kernel still took gives it more time, once.
  site.run(t, 5200);
  const { status, fault } = await site.record();
  assert.deepEqual({ status, fault }, { status: 499, fault: 'client-slow' });
  await peer.gone();
  assert.deepEqual(site.counted('v').faults, { 'client-slow': 1 });
});

test('a client that asks and asks and never reads is not asked for', async (t) => {
  // Small enough to come whole, with nothing left of it that could be held up.
  const body = 'x'.repeat(30_000);
  const origin = await Origin.open(t, (peer) => peer.say(ok(body)));
  const site = await Site.open(t, { app: { versions: { v: [origin.address] } } });
  const client = await site.connect();
  client.socket.pause();
  const count = 5000;
  client.say(get().repeat(count));
  const answered = await standstill(() => origin.requests);
  assert.ok(answered * body.length < BOUND, `${answered} of ${count} answers are waiting to be read`);
  // And when it reads after all it gets every one.
  const got = sip(client.socket);
  client.socket.resume();
  await eventually('all answers', () => origin.requests === count && got.count > count * body.length);
});

test('both ends of a tunnel are slowed down by the other', async (t) => {
  const { client, peer } = await asked(t, 'connection: upgrade\r\nupgrade: raw\r\n');
  peer.say('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: raw\r\n\r\n');
  await client.message();
  for (const [from, to] of [
    [client.socket, peer.socket],
    [peer.socket, client.socket],
  ] as const) {
    to.pause();
    const before = sentBy(from);
    pour(from, PIECES / 2);
    const stuck = (await standstill(() => sentBy(from))) - before;
    assert.ok(stuck < BOUND, `${stuck} bytes were taken`);
    const got = sip(to);
    to.resume();
    await eventually('all of it', () => got.count === SIZE / 2);
  }
});
