import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import { atEnd } from '../../support/end.ts';
import { always, Origin, ok } from '../../support/origin.ts';
import { eventually } from '../../support/patience.ts';
import { reachable } from '../../support/peer.ts';
import { Site, type SiteOptions } from '../../support/site.ts';
import {
  block,
  CANCEL,
  CONTINUATION,
  DATA,
  END_HEADERS,
  END_STREAM,
  ENHANCE_YOUR_CALM,
  Framed,
  frame,
  GOAWAY,
  HEADERS,
  NO_ERROR,
  PADDED,
  PING,
  PREFACE,
  PRIORITY,
  REFUSED_STREAM,
  RST_STREAM,
  request,
  SETTINGS,
  uint32,
  WINDOW_UPDATE,
} from './frames.ts';

const GET = block(request());
const POST = block(request([[':method', 'POST']]));
const UNSOUND = block(request([['connection', 'close']]));

/** The id of the client's nth stream, from 0. */
function id(nth: number): number {
  return 2 * nth + 1;
}

/** So many times what `make` makes. */
function times(count: number, make: (nth: number) => readonly Buffer[]): Buffer {
  return Buffer.concat(Array.from({ length: count }, (_, nth) => make(nth)).flat());
}

async function open(
  t: TestContext,
  origin: Origin,
  settings: SiteOptions['settings'] = {},
): Promise<{ site: Site; attacker: Framed }> {
  const site = await Site.open(t, { app: { versions: { v1: [origin.address] } } }, { settings });
  const attacker = await Framed.open(site.address);
  atEnd(t, () => attacker.socket.destroy());
  return { site, attacker };
}

/** Others are served as if nothing were the matter, over either protocol. */
async function othersAreServed(t: TestContext, site: Site): Promise<void> {
  assert.equal((await site.get()).line, 'HTTP/1.1 200 OK');
  const other = await Framed.open(site.address);
  atEnd(t, () => other.socket.destroy());
  other.say(frame(HEADERS, END_HEADERS | END_STREAM, 1, GET));
  assert.deepEqual(await other.outcome(1), { status: '200' });
}

/** Streams whose heads are of no use to anybody. */
const STILLBORN: readonly (readonly [string, (nth: number) => readonly Buffer[]])[] = [
  [
    'are reset in the bytes that open them',
    (nth) => [
      frame(HEADERS, END_HEADERS | END_STREAM, id(nth), GET),
      frame(RST_STREAM, 0, id(nth), uint32(CANCEL)),
    ],
  ],
  ['have heads that are not sound', (nth) => [frame(HEADERS, END_HEADERS | END_STREAM, id(nth), UNSOUND)]],
];

for (const [name, make] of STILLBORN)
  test(`streams that ${name} reach nobody, and end the connection`, async (t) => {
    const origin = await Origin.open(t, always('ok'));
    const { site, attacker } = await open(t, origin);
    attacker.say(times(10_000, make));
    // A newer Node counts such resets by itself, and says so in other words.
    await attacker.refused();
    await attacker.gone();
    assert.equal(origin.requests, 0);
    await othersAreServed(t, site);
  });

test('streams that are reset once they are under way are cancelled at the origin, and end the connection', async (t) => {
  const origin = await Origin.open(t, () => {});
  const { site, attacker } = await open(t, origin);
  for (let nth = 0; !attacker.left && nth < 1000; nth++) {
    attacker.say(frame(HEADERS, END_HEADERS | END_STREAM, id(nth), GET));
    await eventually('the origin to be asked, or the end', () => origin.requests > nth || attacker.left);
    attacker.say(frame(RST_STREAM, 0, id(nth), uint32(CANCEL)));
  }
  assert.equal(await attacker.goaway(), ENHANCE_YOUR_CALM);
  assert.ok(origin.requests < 300, `the origin was asked ${origin.requests} times`);
  await eventually('the origin to be left alone', () =>
    origin.peers.every((peer) => peer.left !== undefined),
  );
  assert.equal(site.counted('v1').inFlight, 0);
  assert.equal(site.counted('v1').errors, 0);
});

for (const [name, fault] of [
  ['a window that grows by nothing', (stream: number) => frame(WINDOW_UPDATE, 0, stream, uint32(0))],
  ['a window that overflows', (stream: number) => frame(WINDOW_UPDATE, 0, stream, uint32(0x7fff_ffff))],
  ['more of a body that has ended', (stream: number) => frame(DATA, 0, stream, 'x')],
  ['a second head', (stream: number) => frame(HEADERS, END_HEADERS, stream, GET)],
] as const) {
  test(`making us reset streams counts as resetting them: ${name}`, async (t) => {
    const origin = await Origin.open(t, () => {});
    const { site, attacker } = await open(t, origin);
    attacker.say(
      times(2000, (nth) => [frame(HEADERS, END_HEADERS | END_STREAM, id(nth), GET), fault(id(nth))]),
    );
    await attacker.refused();
    assert.ok(origin.requests < 300, `the origin was asked ${origin.requests} times`);
    site.run(t, 5000);
    await eventually('nothing to be in flight', () => site.counted('v1').inFlight === 0);
    site.adopt({ app: { versions: { v1: [(await Origin.open(t, always('ok'))).address] } } });
    await othersAreServed(t, site);
  });
}

for (const [name, more] of [
  ['pieces of it', block([['x-more', 'y'.repeat(16_000)]])],
  ['empty pieces', ''],
] as const)
  test(`a head without an end is not collected: ${name}`, async (t) => {
    const origin = await Origin.open(t, always('ok'));
    const { site, attacker } = await open(t, origin);
    const before = process.memoryUsage.rss();
    attacker.say(frame(HEADERS, 0, 1, GET));
    const piece = frame(CONTINUATION, 0, 1, more);
    for (let i = 0; i < 2000 && !attacker.left; i++) {
      attacker.say(piece);
      if (i % 50 === 0) await new Promise(setImmediate);
    }
    await attacker.gone();
    assert.ok(process.memoryUsage.rss() - before < 100e6, 'memory grew with what was sent');
    assert.equal(origin.requests, 0);
    await othersAreServed(t, site);
  });

for (const [name, frames] of [
  ['pings', () => frame(PING, 0, 0, 'pingpong')],
  ['settings', () => frame(SETTINGS, 0, 0, '')],
] as const) {
  test(`a flood of ${name} ends the connection`, async (t) => {
    const { site, attacker } = await open(t, await Origin.open(t, always('ok')));
    attacker.say(times(5000, () => [frames()]));
    assert.equal(await attacker.goaway(), ENHANCE_YOUR_CALM);
    await attacker.gone();
    await othersAreServed(t, site);
  });
}

for (const [name, make] of [
  ['priorities', (nth: number) => frame(PRIORITY, 0, id(nth % 1000), Buffer.from([0, 0, 0, 0, 16]))],
  ['windows', () => frame(WINDOW_UPDATE, 0, 0, uint32(1))],
  ['padding', () => frame(DATA, PADDED, id(1000), `\xff${'\0'.repeat(255)}`)],
  ['alternatives', () => frame(0xa, 0, 0, '\0\x04shop:x')],
  ['frames of a kind that nobody knows', () => frame(0xbe, 0, 0, 'x'.repeat(100))],
] as const) {
  test(`a flood of ${name} ends the connection when it is looked at`, async (t) => {
    const { site, attacker } = await open(t, await Origin.open(t, always('ok')));
    site.run(t, 500);
    attacker.say(frame(HEADERS, END_HEADERS, id(1000), POST));
    for (let i = 0; !attacker.left; i++) {
      attacker.say(times(2000, (nth) => [make(nth)]));
      await new Promise((resolve) => setTimeout(resolve, 20));
      assert.ok(i < 500, 'it went on');
    }
    await othersAreServed(t, site);
  });
}

test('a flood of empty pieces of a body ends the connection', async (t) => {
  const { site, attacker } = await open(t, await Origin.open(t, always('ok')));
  attacker.say(frame(HEADERS, END_HEADERS, 1, POST));
  attacker.say(times(20_000, () => [frame(DATA, 0, 1)]));
  await attacker.gone();
  await othersAreServed(t, site);
});

test('a small head that unfolds to a large one is refused', async (t) => {
  const origin = await Origin.open(t, always('ok'));
  const { site, attacker } = await open(t, origin);
  const before = process.memoryUsage.rss();
  // One field of 4000 bytes goes into the table (0x40), and each further byte names it again (0xbe: entry 62).
  const bomb = Buffer.concat([
    GET,
    Buffer.from([0x40]),
    block([['x-bomb', 'b'.repeat(3900)]]).subarray(1),
    Buffer.alloc(12_000, 0xbe),
  ]);
  attacker.say(times(50, (nth) => [frame(HEADERS, END_HEADERS | END_STREAM, id(nth), bomb)]));
  const outcome = await attacker.outcome(1);
  assert.notEqual(outcome.status, '200');
  assert.equal(origin.requests, 0);
  assert.ok(process.memoryUsage.rss() - before < 100e6, 'memory grew with what it unfolds to');
  await othersAreServed(t, site);
});

test('streams that take nothing of their answers hold little, and are reset in the end', async (t) => {
  const body = 'b'.repeat(4_000_000);
  const origin = await Origin.open(t, always(body));
  const site = await Site.open(t, { app: { versions: { v1: [origin.address] } } });
  const zero = Buffer.concat([Buffer.from([0, 4]), uint32(0)]);
  const attacker = await Framed.open(site.address, zero);
  atEnd(t, () => attacker.socket.destroy());
  attacker.say(times(100, (nth) => [frame(HEADERS, END_HEADERS | END_STREAM, id(nth), GET)]));
  const last = await attacker.outcome(id(99));
  assert.deepEqual(last, { status: '200' });
  let read = 0;
  await eventually('the origins to be paused', () => {
    const now = origin.peers.reduce(
      (sum, { socket }) => sum + socket.bytesWritten - socket.writableLength,
      0,
    );
    const still = now === read;
    read = now;
    return still;
  });
  site.run(t, 30_000);
  const reset = await attacker.find(
    'a reset',
    ({ type, stream }) => type === RST_STREAM && stream === id(99),
  );
  assert.equal(reset?.payload.readUInt32BE(), CANCEL);
  await eventually('nothing to be in flight', () => site.counted('v1').inFlight === 0);
  assert.equal(site.counted('v1').errors, 0);
});

test('a connection that takes nothing of what it is sent is ended, however much there is to say', async (t) => {
  const origin = await Origin.open(t, always('b'.repeat(4_000_000)));
  const { site, attacker } = await open(t, origin);
  attacker.socket.pause();
  attacker.say(
    frame(SETTINGS, 0, 0, Buffer.concat([Buffer.from([0, 4]), uint32(0x7fff_ffff)])),
    frame(WINDOW_UPDATE, 0, 0, uint32(0x7000_0000)),
    times(20, (nth) => [frame(HEADERS, END_HEADERS | END_STREAM, id(nth), GET)]),
  );
  await eventually('the end', () => {
    site.clock.wind(1000);
    attacker.say(frame(WINDOW_UPDATE, 0, 0, uint32(1)));
    return attacker.left;
  });
  assert.equal(site.counted('v1').inFlight, 0);
  await othersAreServed(t, site);
});

test('a client that was told to go, and keeps its side open, is left', async (t) => {
  const { site } = await open(t, await Origin.open(t, always('ok')));
  const client = await site.connect();
  client.say(PREFACE + frame(SETTINGS, 0, 0).toString('latin1'));
  await eventually('nobody to hear it', () => {
    site.clock.wind(1000);
    if (client.left === 'end' && !client.socket.destroyed) client.say('x');
    return client.socket.destroyed;
  });
});

test('more streams than were offered are refused, and the others are served', async (t) => {
  const peers: (() => void)[] = [];
  const origin = await Origin.open(t, (peer) => peers.push(() => peer.say(ok('late'))));
  const { site } = await open(t, origin, { limits: { streams: 3 } });
  const eager = await Framed.open(site.address, '', false);
  atEnd(t, () => eager.socket.destroy());
  eager.say(times(5, (nth) => [frame(HEADERS, END_HEADERS | END_STREAM, id(nth), GET)]));
  for (const nth of [3, 4]) assert.deepEqual(await eager.outcome(id(nth)), { reset: REFUSED_STREAM });
  await eventually('three requests', () => peers.length === 3);
  for (const answer of peers) answer();
  for (const nth of [0, 1, 2]) assert.deepEqual(await eager.outcome(id(nth)), { status: '200' });
});

for (const [name, bytes] of [
  ['no frames after the preface', 'GET / HTTP/1.1\r\nhost: a\r\n\r\n'],
  ['a frame larger than allowed', frame(DATA, 0, 1, 'x'.repeat(70_000)).toString('latin1')],
  ['a body on no stream', frame(DATA, 0, 0, 'x').toString('latin1')],
  ['a head on a stream that is ours', frame(HEADERS, END_HEADERS, 2, GET).toString('latin1')],
  ['a continuation of nothing', frame(CONTINUATION, END_HEADERS, 1, GET).toString('latin1')],
  [
    'a head that cannot be unfolded',
    frame(HEADERS, END_HEADERS, 1, '\xff\xff\xff\xff\xff\xff').toString('latin1'),
  ],
  ['settings of half a setting', frame(SETTINGS, 0, 0, 'abc').toString('latin1')],
  ['a reset of a stream that never was', frame(RST_STREAM, 0, 99, uint32(8)).toString('latin1')],
  ['a push', frame(5, END_HEADERS, 1, '\0\0\0\x02').toString('latin1')],
] as const) {
  test(`what is no HTTP/2 ends the connection: ${name}`, async (t) => {
    const { site, attacker } = await open(t, await Origin.open(t, always('ok')));
    attacker.say(Buffer.from(bytes, 'latin1'));
    await attacker.refused();
    await othersAreServed(t, site);
  });
}

test('a preface that comes in pieces is waited for, for as long as a head is', async (t) => {
  const origin = await Origin.open(t, always('ok'));
  const site = await Site.open(t, { app: { versions: { v1: [origin.address] } } });
  const slow = await site.connect();
  slow.say(PREFACE.slice(0, 16));
  await new Promise(setImmediate);
  slow.say(PREFACE.slice(16) + frame(SETTINGS, 0, 0).toString('latin1'));
  await slow.take('\0\0\0\x04\x01\0\0\0\0');
  const never = await site.connect();
  never.say(PREFACE.slice(0, 16));
  site.run(t, 5000);
  assert.match(await never.take('\r\n\r\n'), /^HTTP\/1\.1 408 /);
});

test('a preface after a request is no request', async (t) => {
  const origin = await Origin.open(t, always('ok'));
  const site = await Site.open(t, { app: { versions: { v1: [origin.address] } } });
  const client = await site.connect();
  client.say(`GET / HTTP/1.1\r\nhost: a\r\n\r\n${PREFACE}`);
  assert.equal((await client.message()).line, 'HTTP/1.1 200 OK');
  assert.equal((await client.message()).line, 'HTTP/1.1 505 HTTP Version Not Supported');
});

test('a body that does not go on is answered for, and a client that leaves is not waited for', async (t) => {
  const origin = await Origin.open(t, () => {});
  const { site, attacker } = await open(t, origin);
  attacker.say(frame(HEADERS, END_HEADERS, 1, POST), frame(DATA, 0, 1, 'x'));
  const leaver = await Framed.open(site.address);
  leaver.say(frame(HEADERS, END_HEADERS | END_STREAM, 1, GET));
  await eventually('both to be asked', () => origin.peers.length === 2);
  leaver.socket.end();
  await eventually('one to be left alone', () => origin.peers.some((peer) => peer.left !== undefined));
  site.run(t, 10_000);
  assert.deepEqual(await attacker.outcome(1), { status: 'another' });
  await eventually('nothing to be in flight', () => site.counted('v1').inFlight === 0);
  assert.equal(site.counted('v1').errors, 0);
});

for (const [name, leave] of [
  ['closes its side', (client: Framed) => client.socket.end()],
  ['resets its connection', (client: Framed) => client.socket.resetAndDestroy()],
  ['resets the stream', (client: Framed) => client.say(frame(RST_STREAM, 0, 1, uint32(CANCEL)))],
  [
    'resets the stream as if all were well',
    (client: Framed) => client.say(frame(RST_STREAM, 0, 1, uint32(0))),
  ],
  [
    'says goodbye',
    (client: Framed) => client.say(frame(GOAWAY, 0, 0, Buffer.alloc(8)), frame(DATA, 0, 0, 'x')),
  ],
  ['is cut off', (client: Framed) => client.say(times(300, () => [frame(PING, 0, 0, 'pingpong')]))],
] as const) {
  test(`half a body is never given to an origin as a whole one: the client ${name}`, async (t) => {
    const origin = await Origin.open(t);
    const { site, attacker } = await open(t, origin);
    attacker.say(frame(HEADERS, END_HEADERS, 1, POST), frame(DATA, 0, 1, 'half'));
    const peer = await origin.next();
    await peer.take('half\r\n');
    leave(attacker);
    site.run(t, 5000);
    await peer.gone();
    assert.equal(peer.heard, '');
  });
}

test('a client that talks on after its goodbye is not listened to, and ends nothing but its connection', async (t) => {
  const origin = await Origin.open(t, always('ok'));
  const site = await Site.open(t, { app: { versions: { v1: [origin.address] } } });
  const socket = connect({ ...reachable(site.address), allowHalfOpen: true });
  atEnd(t, () => socket.destroy());
  const attacker = new Framed(socket);
  attacker.say(Buffer.from(PREFACE, 'latin1'), frame(SETTINGS, 0, 0));
  await attacker.find('settings', ({ type }) => type === SETTINGS);
  const more = times(256, () => [frame(DATA, 0, 1, 'x'.repeat(16_384))]);
  attacker.say(frame(GOAWAY, 0, 0, Buffer.concat([uint32(0), uint32(NO_ERROR)])));
  // So much that memory is collected while it is read.
  for (let i = 0; i < 16; i++) {
    attacker.say(more);
    await new Promise(setImmediate);
  }
  await eventually('all to be taken', () => socket.writableLength === 0);
  await othersAreServed(t, site);
});
