import assert from 'node:assert/strict';
import http2 from 'node:http2';
import type { Socket } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import { later, paceOf } from '../../src/proxy/pace.ts';
import { atEnd } from '../support/end.ts';
import { Origin, ok } from '../support/origin.ts';
import { atLast, eventually, once } from '../support/patience.ts';
import { type Draft, get, Site, type SiteOptions } from '../support/site.ts';

const SLOW: Settings = { timeouts: { body: 10_000, write: 10_000 } };
type Settings = NonNullable<SiteOptions['settings']>;

/** Seconds, far beyond what may be fallen behind, and steps of the tests below. */
const LONG = 16;

async function open(t: TestContext, settings: Settings = SLOW, draft: Partial<Draft> = {}) {
  const origin = await Origin.open(t);
  const site = await Site.open(t, { app: { versions: { v: [origin.address] }, ...draft } }, { settings });
  return { origin, site };
}

/** Lets a second pass, and the sweep over deadlines have its turn. */
async function second(site: Site): Promise<void> {
  site.clock.wind(1000);
  await new Promise((resolve) => setTimeout(resolve, 60));
}

/** Sends so many bytes a second until there is an answer, or for a long time. Returns for how many seconds. */
async function trickle(site: Site, say: (piece: string) => void, each: string, over: () => boolean) {
  for (let seconds = 0; seconds < LONG; seconds++) {
    if (over()) return seconds;
    say(each);
    await second(site);
  }
  return LONG;
}

/** A body of HTTP/1.1 of which so many bytes come each second; resolves with what the client is told in the end. */
async function upload(origin: Origin, site: Site, piece: string) {
  const client = await site.connect();
  client.say(`POST / HTTP/1.1\r\nhost: a\r\ncontent-length: ${LONG * piece.length}\r\n\r\n`);
  const peer = await origin.next();
  const seconds = await trickle(
    site,
    (bytes) => client.say(bytes),
    piece,
    () => client.heard !== '',
  );
  if (seconds === LONG) peer.say(ok('all of it'));
  return { seconds, line: (await client.message()).line };
}

describe('bodies', { concurrency: true }, () => {
  test('bytes win back what they are worth, and never more than there was', () => {
    const { request } = paceOf({ request: 250, response: 0 });
    assert.equal(later(5000, 250, request, 30_000), 6000);
    assert.equal(later(5000, 1_000_000, request, 30_000), 30_000);
    assert.equal(later(5000, 0, request, 30_000), 5000);
    assert.equal(later(Number.POSITIVE_INFINITY, 1, request, 30_000), 30_000);
  });

  test('without a rate any byte wins all of the time, and none wins nothing', () => {
    const { request } = paceOf({ request: 0, response: 0 });
    assert.equal(later(5000, 1, request, 30_000), 30_000);
    assert.equal(later(5000, 0, request, 30_000), 5000);
  });

  test('a body that comes at less than its rate ends in 408, though it never stops', async (t) => {
    const { origin, site } = await open(t);
    const { seconds, line } = await upload(origin, site, 'x'.repeat(30));
    assert.match(line, / 408 /);
    assert.ok(seconds > 3, `it was given ${seconds} s`);
    assert.deepEqual(site.counted('v').faults, { 'request-timeout': 1 });
    assert.equal(site.counted('v').errors, 0);
  });

  test('a body that comes fast enough is let in, however long it takes', async (t) => {
    const { origin, site } = await open(t);
    assert.match((await upload(origin, site, 'x'.repeat(480))).line, / 200 /);
  });

  test('tiny chunks are no faster than their bytes', async (t) => {
    const { origin, site } = await open(t);
    const client = await site.connect();
    client.say('POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n');
    await origin.next();
    await trickle(
      site,
      (bytes) => client.say(bytes),
      '1\r\nx\r\n',
      () => client.heard !== '',
    );
    assert.match((await client.message()).line, / 408 /);
  });

  test('a service may ask for less of its clients, and 0 asks for nothing', async (t) => {
    const { origin, site } = await open(t, SLOW, { rates: { request: 0 } });
    assert.match((await upload(origin, site, 'x')).line, / 200 /);
  });

  test('a client that was told to go on and says nothing is slow, and its endpoint is not', async (t) => {
    const { origin, site } = await open(t, SLOW, { timeouts: { head: 4000 } });
    const client = await site.connect();
    client.say('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\nexpect: 100-continue\r\n\r\n');
    (await origin.next()).say('HTTP/1.1 100 Continue\r\n\r\n');
    await client.take('\r\n\r\n');
    await trickle(
      site,
      () => {},
      '',
      () => client.heard !== '',
    );
    assert.match((await client.message()).line, / 408 /);
    assert.deepEqual(site.counted('v').faults, { 'request-timeout': 1 });
  });

  /** A stream of HTTP/2 whose body comes at a byte a second. */
  async function stream(t: TestContext, site: Site, fields: http2.OutgoingHttpHeaders) {
    const session = http2.connect(`http://${site.address}`);
    session.on('error', () => {});
    atEnd(t, () => session.destroy());
    const carrier = session.request({ ':method': 'POST', ...fields });
    carrier.on('error', () => {});
    let status = 0;
    carrier.on('response', (head) => {
      status = Number(head[':status']);
    });
    await once(session, 'connect');
    carrier.write('x');
    return {
      carrier,
      trickled: () =>
        trickle(
          site,
          (bytes) => void carrier.write(bytes),
          'x',
          () => status !== 0,
        ),
      status: () => atLast(() => assert.ok(status) ?? status),
    };
  }

  test('a body of HTTP/2 that comes at less than its rate ends in 408', async (t) => {
    const { site } = await open(t);
    const { trickled, status } = await stream(t, site, {});
    await trickled();
    assert.equal(await status(), 408);
  });

  test('what a gRPC call says may come as seldom as it likes', async (t) => {
    const { origin, site } = await open(t);
    const { carrier, trickled } = await stream(t, site, { 'content-type': 'application/grpc' });
    const peer = await origin.next();
    assert.equal(await trickled(), LONG);
    assert.equal(carrier.destroyed, false);
    assert.deepEqual(site.counted('v').faults, {});
    peer.say(ok(''));
  });
});

const PIECE = Buffer.alloc(65_536, 'x');

/** Sends without end, as fast as the socket takes it. */
function pour(socket: Socket): void {
  const more = () => {
    while (socket.write(PIECE));
  };
  socket.on('drain', more);
  more();
}

/** A client that reads without rest, but never as much as waits for it. Resolves with its connection, and what came. */
async function read(origin: Origin, site: Site) {
  const client = await site.connect();
  client.say(get());
  const peer = await origin.next();
  await peer.message();
  const got = { bytes: 0 };
  client.socket.removeAllListeners('data');
  client.socket.on('data', (data: Buffer) => {
    got.bytes += data.length;
    client.socket.pause();
    setImmediate(() => client.socket.resume());
  });
  peer.say('HTTP/1.1 200 OK\r\n\r\n');
  pour(peer.socket);
  return { client, peer, got };
}

test('a client that takes less than its rate of what waits for it is cut off, though it never stops', async (t) => {
  // Nobody reads as fast as that.
  const { origin, site } = await open(t, { ...SLOW, rates: { response: 1e12 } });
  const { client } = await read(origin, site);
  for (let seconds = 0; client.left === undefined && seconds < 10 * LONG; seconds++) await second(site);
  assert.equal((await site.record()).fault, 'client-slow');
  await client.gone();
});

test('a client that takes more than its rate is served, however long it takes', async (t) => {
  const { origin, site } = await open(t);
  const { client, peer, got } = await read(origin, site);
  for (let seconds = 0; seconds < LONG; seconds++) {
    // More than kernels can hide from one of these seconds to the tenth.
    const before = got.bytes;
    await eventually('more of the answer', () => got.bytes > before + 2 ** 21);
    await second(site);
  }
  assert.equal(client.left, undefined);
  peer.socket.destroy();
});

test('a stream of HTTP/2 has the time that its share of the connection takes, and none if that stands still', async (t) => {
  const { origin, site } = await open(t);
  const session = http2.connect(`http://${site.address}`);
  session.on('error', () => {});
  atEnd(t, () => session.destroy());
  const lively = session.request();
  const waiting = session.request();
  for (const carrier of [lively, waiting]) carrier.on('error', () => {});
  let bytes = 0;
  lively.on('data', (data: Buffer) => {
    bytes += data.length;
  });
  for (const peer of [await origin.next(), await origin.next()]) {
    await peer.message();
    peer.say('HTTP/1.1 200 OK\r\n\r\n');
    pour(peer.socket);
  }
  // What went out before it had to wait is worth as long as it may wait, once.
  for (let seconds = 0; seconds < 2 * LONG; seconds++) {
    const before = bytes;
    await eventually('more of the answer', () => bytes > before + 2 ** 18);
    await second(site);
  }
  const slow = () => site.counted('v').faults['client-slow'] ?? 0;
  assert.equal(slow(), 0);
  lively.pause();
  for (let seconds = 0; slow() < 2 && seconds < 10 * LONG; seconds++) await second(site);
  assert.equal(slow(), 2);
});
