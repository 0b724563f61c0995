import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Pool } from '../../src/upstream/pool.ts';
import { Origin, ok } from '../support/origin.ts';
import { eventually } from '../support/patience.ts';
import type { Peer } from '../support/peer.ts';
import { ask, poolOf, send, TERMS } from './parts.ts';

interface Wire {
  readonly pool: Pool;
  readonly origin: Origin;
  readonly sweep: (now: number) => void;
}

async function open(t: TestContext): Promise<Wire> {
  const origin = await Origin.open(t);
  const { pool, deadlines } = poolOf(t, origin.address);
  return { pool, origin, sweep: (now) => deadlines.sweep(now) };
}

/** A request that the origin has read. */
async function asked({ pool, origin }: Wire, how: Parameters<typeof ask>[1] = {}) {
  const { notes, channel } = ask(pool, how);
  const peer = await origin.next();
  await peer.take('\r\n\r\n');
  return { notes, channel, peer };
}

/** What became of a connection on which this was answered. */
async function answered(wire: Wire, answer: string, how: Parameters<typeof ask>[1] = {}): Promise<string[]> {
  const { notes, peer } = await asked(wire, how);
  peer.say(answer);
  await notes.told('end');
  return [notes.body, wire.pool.quiet ? 'closed' : 'kept'];
}

test('an answer ends where its framing says, and only then may the connection be used again', async (t) => {
  const wire = await open(t);
  for (const [answer, body, after] of [
    [ok('hello'), 'hello', 'kept'],
    ['HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n', 'hello', 'kept'],
    ['HTTP/1.1 204 No Content\r\n\r\n', '', 'kept'],
    ['HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n', '', 'kept'],
    ['HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nok', 'ok', 'kept'],
    ['HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok', 'ok', 'closed'],
    [ok('hello', 'connection: close\r\n'), 'hello', 'closed'],
    [`${ok('hello')}more`, 'hello', 'closed'],
    ['HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\nhello', '', 'closed'],
    [`${ok('')}HTTP/1.1 200 OK\r\n`, '', 'closed'],
  ] as const) {
    assert.deepEqual(await answered(wire, answer), [body, after], JSON.stringify(answer));
    wire.pool.retire();
    wire.pool.revive();
  }
});

test('the answer to HEAD has no body, whatever it says', async (t) => {
  const wire = await open(t);
  for (const framing of ['content-length: 5', 'transfer-encoding: chunked', 'x: y']) {
    const answer = `HTTP/1.1 200 OK\r\n${framing}\r\n\r\n`;
    assert.deepEqual(await answered(wire, answer, { headOnly: true }), ['', 'kept'], framing);
    wire.pool.retire();
    wire.pool.revive();
  }
});

test('an answer without framing ends with its connection', async (t) => {
  const wire = await open(t);
  const { notes, peer } = await asked(wire);
  peer.say('HTTP/1.1 200 OK\r\n\r\nhel');
  await eventually('the first piece', () => notes.body === 'hel');
  assert.equal(notes.events.includes('end'), false);
  peer.say('lo');
  peer.end();
  await notes.told('end');
  assert.equal(notes.body, 'hello');
  assert.equal(wire.pool.quiet, true);
});

test('an answer that comes byte by byte reads the same', async (t) => {
  const wire = await open(t);
  const { notes, peer } = await asked(wire);
  const answer =
    'HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nx-sum: 1\r\n\r\n';
  for (const byte of answer) {
    peer.say(byte);
    await new Promise(setImmediate);
  }
  await notes.told('end');
  assert.deepEqual(notes.events, ['writable', 'interim 103', 'answer 200', 'end']);
  assert.equal(notes.body, 'hello');
  assert.equal(notes.trailers, 'x-sum: 1\r\n');
});

/** Says something, perhaps leaves, and gives the events that follow. */
async function after(
  wire: Wire,
  play: (peer: Peer) => void,
  kind: string,
  how: Parameters<typeof ask>[1] = {},
) {
  const { notes, peer } = await asked(wire, how);
  play(peer);
  await notes.told(kind);
  assert.equal(wire.pool.quiet, true, 'the connection is gone');
  return notes.events.filter((event) => event !== 'writable');
}

test('an endpoint that leaves without a byte has reset; with a byte it has answered badly', async (t) => {
  const wire = await open(t);
  assert.deepEqual(await after(wire, (peer) => peer.end(), 'reset'), ['reset']);
  assert.deepEqual(await after(wire, (peer) => peer.reset(), 'reset'), ['reset']);
  const partly = (peer: Peer) => {
    peer.say('HTTP/1.1 2');
    peer.end();
  };
  assert.deepEqual(await after(wire, partly, 'bad-response'), ['bad-response']);
  const interim = (peer: Peer) => {
    peer.say('HTTP/1.1 100 Continue\r\n\r\n');
    peer.end();
  };
  assert.deepEqual(await after(wire, interim, 'bad-response'), ['interim 100', 'bad-response']);
});

test('an answer broken off is truncated, however it is framed', async (t) => {
  const wire = await open(t);
  for (const start of [
    'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhel',
    'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n',
    'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n',
  ]) {
    const leave = (peer: Peer) => {
      peer.say(start);
      peer.end();
    };
    assert.deepEqual(await after(wire, leave, 'truncated'), ['answer 200', 'truncated'], start);
  }
});

test('bytes that are no answer are a bad response', async (t) => {
  const wire = await open(t);
  for (const bytes of [
    'SSH-2.0-OpenSSH\r\n',
    'HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n',
    'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n',
    `HTTP/1.1 200 OK\r\nx: ${'x'.repeat(1001)}\r\n\r\n`,
    'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n',
  ])
    assert.deepEqual(await after(wire, (peer) => peer.say(bytes), 'bad-response'), ['bad-response'], bytes);
});

test('interim answers without end are a bad response', async (t) => {
  const wire = await open(t);
  const events = await after(
    wire,
    (peer) => peer.say('HTTP/1.1 102 Processing\r\n\r\n'.repeat(33)),
    'bad-response',
  );
  assert.equal(events.length, 33);
});

test('only a protocol that was asked for may be switched to', async (t) => {
  const wire = await open(t);
  const switching = (protocol: string) =>
    `HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: ${protocol}\r\n\r\n`;
  const upgrade = 'websocket, other';
  assert.deepEqual(await after(wire, (peer) => peer.say(switching('h2c')), 'bad-response', { upgrade }), [
    'bad-response',
  ]);
  const { notes, channel, peer } = await asked(wire, { upgrade });
  peer.say(`${switching('WebSocket')}hello`);
  await notes.told('upgraded');
  assert.equal(notes.body, 'hello');
  send(channel, 'there');
  assert.equal(await peer.bytes(5), 'there');
  peer.end();
  await notes.told('end');
  await eventually('the connection to close', () => wire.pool.quiet);
});

test('an endpoint that does not begin to answer in time is given up', async (t) => {
  const wire = await open(t);
  const { notes } = await asked(wire);
  wire.sweep(TERMS.head - 1);
  assert.deepEqual(notes.events, ['writable']);
  wire.sweep(TERMS.head);
  assert.deepEqual(notes.events, ['writable', 'head-timeout']);
  assert.equal(wire.pool.quiet, true);
});

test('the time for an answer begins when the request has been sent to its end', async (t) => {
  const wire = await open(t);
  const { notes, channel } = await asked(wire, { end: undefined });
  wire.sweep(TERMS.head - 1);
  send(channel, 'rest', '');
  wire.sweep(2 * TERMS.head - 2);
  assert.deepEqual(notes.events, ['writable']);
  wire.sweep(2 * TERMS.head - 1);
  assert.equal(notes.events.at(-1), 'head-timeout');
});

test('an endpoint that falls silent inside its answer is given up, counted from its last byte', async (t) => {
  const wire = await open(t);
  const { notes, peer } = await asked(wire);
  peer.say('HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nh');
  await notes.told('answer 200');
  wire.sweep(TERMS.body - 1);
  peer.say('e');
  await eventually('another byte', () => notes.body === 'he');
  wire.sweep(2 * TERMS.body - 2);
  assert.equal(notes.events.at(-1), 'answer 200');
  wire.sweep(2 * TERMS.body - 1);
  assert.equal(notes.events.at(-1), 'body-timeout');
});

test('while nobody reads, silence is not the fault of the endpoint', async (t) => {
  const wire = await open(t);
  const { notes, channel, peer } = await asked(wire);
  peer.say('HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nh');
  await notes.told('answer 200');
  channel.pause();
  wire.sweep(100 * TERMS.body);
  assert.equal(notes.events.at(-1), 'answer 200');
  channel.resume();
  peer.say('ello');
  await notes.told('end');
});

test('an endpoint that refuses is refused, and its asker told once', async (t) => {
  const origin = await Origin.open(t);
  origin.close();
  const { pool } = poolOf(t, origin.address);
  const { notes } = ask(pool);
  await notes.told('refused');
  assert.deepEqual(notes.events, ['refused']);
  assert.equal(pool.quiet, true);
});

test('a connection that answers before it was asked everything is not used again', async (t) => {
  const wire = await open(t);
  assert.deepEqual(await answered(wire, ok('early'), { end: undefined }), ['early', 'closed']);
});

test('more than may wait is told, and so is that it has drained', async (t) => {
  const wire = await open(t);
  const { notes, channel, peer } = await asked(wire, { end: undefined });
  peer.socket.pause();
  const piece = 'x'.repeat(65_536);
  let room = true;
  let written = 0;
  while (room) {
    room = send(channel, piece);
    written += piece.length;
  }
  notes.events.length = 0;
  peer.socket.resume();
  await notes.told('writable');
  assert.equal((await peer.bytes(written)).length, written);
});

test('destroying a connection tells its asker nothing', async (t) => {
  const wire = await open(t);
  const { notes, channel, peer } = await asked(wire);
  channel.destroy();
  await peer.gone();
  assert.deepEqual(notes.events, ['writable']);
  assert.equal(wire.pool.quiet, true);
});
