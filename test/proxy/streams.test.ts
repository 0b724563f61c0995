import assert from 'node:assert/strict';
import { createServer, type RequestListener } from 'node:http';
import http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { WebSocket, WebSocketServer } from 'ws';
import { atEnd } from '../support/end.ts';
import { Origin } from '../support/origin.ts';
import { eventually, once } from '../support/patience.ts';
import { type Draft, get, Site } from '../support/site.ts';

/** A version that speaks WebSocket: it says back what it hears, and writes down how sockets were closed. */
async function echo(t: TestContext, options: { perMessageDeflate?: boolean } = {}, plain?: RequestListener) {
  const http = createServer(plain ?? ((_, response) => void response.end('plain')));
  const server = new WebSocketServer({ server: http, maxPayload: 64 << 20, ...options });
  const closed: number[] = [];
  server.on('connection', (socket) => {
    socket.on('message', (data, binary) => socket.send(data, { binary }));
    socket.on('close', (code) => closed.push(code));
    socket.on('error', () => {});
  });
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  atEnd(t, () => {
    for (const socket of server.clients) socket.terminate();
    http.close();
    http.closeAllConnections();
  });
  return { address: `127.0.0.1:${(http.address() as AddressInfo).port}`, server, closed };
}

async function open(t: TestContext, draft: Partial<Draft> = {}, options = {}, plain?: RequestListener) {
  const canary = await echo(t, options, plain);
  const stable = await echo(t, options, plain);
  const versions = { canary: [canary.address], stable: [stable.address] };
  const site = await Site.open(t, { app: { versions, ...draft } });
  return {
    site,
    canary,
    stable,
    /** All weight to stable, by this cause. */
    leave: (cause: 'weights' | 'rollback') =>
      site.adopt({ app: { versions, weights: { stable: 100 }, cause, ...draft } }),
    return: () => site.adopt({ app: { versions, ...draft } }),
    socket: (how = {}) => socketTo(t, site, how),
  };
}

async function socketTo(t: TestContext, site: Site, how: object): Promise<WebSocket> {
  const socket = new WebSocket(`ws://${site.address}/`, { maxPayload: 64 << 20, ...how });
  atEnd(t, () => socket.terminate());
  await once(socket, 'open');
  return socket;
}

/** The next message, as it came. */
async function heard(socket: WebSocket): Promise<Buffer> {
  const [data] = (await once(socket, 'message')) as [Buffer];
  return data;
}

test('a WebSocket passes text, binary and 16 MB, in fragments too', async (t) => {
  const { socket } = await open(t);
  const client = await socket({ perMessageDeflate: false });
  client.send('hello');
  assert.equal((await heard(client)).toString(), 'hello');
  const large = Buffer.alloc(16 << 20, 'spillway');
  client.send(large);
  assert.ok((await heard(client)).equals(large));
  client.send('in ', { fin: false });
  client.send('three ', { fin: false });
  client.send('fragments', { fin: true });
  assert.equal((await heard(client)).toString(), 'in three fragments');
});

test('pings and pongs pass both ways', async (t) => {
  const { socket, canary } = await open(t);
  const client = await socket();
  client.ping('there?');
  assert.equal(String((await once(client, 'pong'))[0]), 'there?');
  const [server] = canary.server.clients;
  server!.ping('and you?');
  assert.equal(String((await once(server!, 'pong'))[0]), 'and you?');
});

test('close codes pass both ways, and nobody is at fault', async (t) => {
  const { site, socket, canary } = await open(t);
  const first = await socket();
  first.close(4001, 'enough');
  await once(first, 'close');
  await eventually('the endpoint to hear of it', () => canary.closed.length === 1);
  assert.deepEqual(canary.closed, [4001]);
  const second = await socket();
  for (const each of canary.server.clients) each.close(4002);
  assert.equal((await once(second, 'close'))[0], 4002);
  await site.record();
  await site.record();
  assert.deepEqual(site.counted('canary'), { codes: { 101: 2 }, faults: {}, errors: 0, inFlight: 0 });
});

test('compression is agreed on between the ends, and passed through', async (t) => {
  const { socket } = await open(t, {}, { perMessageDeflate: true });
  const client = await socket({ perMessageDeflate: { threshold: 0 } });
  assert.match(client.extensions, /permessage-deflate/);
  const text = 'so it goes '.repeat(10_000);
  client.send(text);
  assert.equal((await heard(client)).toString(), text);
});

test('streams are counted while they are open, and how long they lasted', async (t) => {
  const { site, socket } = await open(t);
  const clients = [await socket(), await socket()];
  assert.deepEqual(site.streams('canary'), { open: 2, ended: 0 });
  clients[0]!.close();
  await once(clients[0]!, 'close');
  await site.record();
  assert.deepEqual(site.streams('canary'), { open: 1, ended: 1 });
});

test('a shift of weight leaves a WebSocket where it is', async (t) => {
  const { site, socket, leave } = await open(t, { streams: { drainFor: 60_000 } });
  const client = await socket();
  leave('weights');
  site.clock.wind(59_000);
  client.send('still there?');
  assert.equal((await heard(client)).toString(), 'still there?');
  const next = await socket();
  assert.ok(next);
  assert.equal(site.streams('stable').open, 1);
});

test('it is closed once it has been left for too long', async (t) => {
  const { site, socket, leave } = await open(t, { streams: { drainFor: 60_000, evictOver: 1000 } });
  const client = await socket();
  leave('weights');
  const closed = once(client, 'close');
  site.run(t, 1000);
  assert.equal((await closed)[0], 1012);
});

test('a rollback closes it with 1012, and tells the endpoint too', async (t) => {
  const { site, canary, socket, leave } = await open(t, { streams: { evictOver: 0 } });
  const client = await socket();
  leave('rollback');
  assert.equal((await once(client, 'close'))[0], 1012);
  await eventually('the endpoint to hear of it', () => canary.closed.length === 1);
  assert.deepEqual(canary.closed, [1001]);
  const { status, fault } = await site.record();
  assert.deepEqual({ status, fault }, { status: 101, fault: 'evicted' });
  assert.equal(site.counted('canary').errors, 0);
});

test('many are closed one after the other', async (t) => {
  const { site, socket, leave } = await open(t, { streams: { evictOver: 10_000 } });
  const closed: number[] = [];
  for (let i = 0; i < 20; i++) (await socket()).on('close', (code) => closed.push(code));
  leave('rollback');
  site.clock.wind(5000);
  await eventually('half of them to be closed', () => closed.length === 10);
  site.clock.wind(5000);
  await eventually('all of them to be closed', () => closed.length === 20);
  assert.deepEqual(new Set(closed), new Set([1012]));
});

test('before a shutdown is over they are closed one after the other, and downloads have all of the time', async (t) => {
  let more = () => true;
  const { site, canary, socket } = await open(t, {}, {}, (_, response) => {
    response.write('begun');
    more = () => response.write('more');
  });
  const closed: number[] = [];
  for (let i = 0; i < 10; i++) (await socket()).on('close', (code) => closed.push(code));
  const download = await site.connect();
  download.say(get());
  await download.take('begun');
  const drained = site.plane.drain(30_000);
  site.clock.wind(22_500);
  await eventually('half of them to be closed', () => closed.length === 5);
  site.clock.wind(2_500);
  await eventually('all of them to be closed', () => closed.length === 10);
  assert.deepEqual(new Set(closed), new Set([1012]));
  await eventually('the endpoint to hear of it', () => canary.closed.length === 10);
  assert.deepEqual(new Set(canary.closed), new Set([1001]));
  more();
  await download.take('more');
  site.clock.wind(5_000);
  await drained;
  await download.gone();
  assert.deepEqual(site.counted('canary').faults, { draining: 11 });
  assert.equal(site.counted('canary').errors, 0);
});

test('a version that gets its weight back keeps its streams', async (t) => {
  const { site, socket, leave, return: comeBack } = await open(t, { streams: { evictOver: 10_000 } });
  const client = await socket();
  leave('rollback');
  comeBack();
  site.clock.wind(20_000);
  client.send('still there?');
  assert.equal((await heard(client)).toString(), 'still there?');
});

test('a close frame waits for the end of the frame that is under way', async (t) => {
  const origin = await Origin.open(t);
  const versions = { canary: [origin.address], stable: [] as string[] };
  const streams = { evictOver: 0 };
  const site = await Site.open(t, { app: { versions, streams } });
  const client = await site.connect();
  client.say(get('connection: upgrade\r\nupgrade: websocket\r\n'));
  const peer = await origin.next();
  await peer.message();
  peer.say('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n\x82\x05he');
  await client.take('\r\n\r\n\x82\x05he');
  site.adopt({ app: { versions, streams, weights: { stable: 100 }, cause: 'rollback' } });
  // The other direction is between two frames.
  assert.equal(await peer.bytes(8), '\x88\x82\0\0\0\0\x03\xe9');
  assert.equal(client.heard, '');
  peer.say('llo\x82\x03new');
  assert.equal(await client.bytes(7), 'llo\x88\x02\x03\xf4');
  peer.end();
  assert.equal(await client.gone(), 'end');
  assert.equal(client.heard, '', 'nothing follows a close frame');
});

test('an endpoint that does not mind a close frame is left after five seconds', async (t) => {
  const origin = await Origin.open(t);
  const versions = { canary: [origin.address], stable: [] as string[] };
  const streams = { evictOver: 0 };
  const site = await Site.open(t, { app: { versions, streams } });
  const client = await site.connect();
  client.say(get('connection: upgrade\r\nupgrade: websocket\r\n'));
  const peer = await origin.next();
  await peer.message();
  peer.say('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n\x82\x05he');
  await client.take('\x82\x05he');
  site.adopt({ app: { versions, streams, weights: { stable: 100 }, cause: 'rollback' } });
  await peer.bytes(8);
  site.clock.wind(5000);
  assert.equal(await client.gone(), 'end');
  await peer.gone();
});

test('another kind of tunnel is ended', async (t) => {
  const origin = await Origin.open(t);
  const versions = { canary: [origin.address], stable: [] as string[] };
  const streams = { evictOver: 0 };
  const site = await Site.open(t, { app: { versions, streams } });
  const client = await site.connect();
  client.say(get('connection: upgrade\r\nupgrade: other\r\n'));
  const peer = await origin.next();
  await peer.message();
  peer.say('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: other\r\n\r\nhello');
  await client.take('hello');
  site.adopt({ app: { versions, streams, weights: { stable: 100 }, cause: 'rollback' } });
  assert.equal(await client.gone(), 'end');
  await peer.gone();
});

test('events reach the client as they are sent, and a rollback breaks their stream off', async (t) => {
  let say: (text: string) => void = () => {};
  const { site, leave } = await open(t, { streams: { evictOver: 0 } }, {}, (_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    say = (text) => void response.write(text);
    say('data: 1\n\n');
  });
  const client = await site.connect();
  client.say(get());
  await client.take('data: 1\n\n');
  assert.equal(site.streams('canary').open, 1);
  say('data: 2\n\n');
  await client.take('data: 2\n\n');
  leave('rollback');
  assert.equal(await client.gone(), 'reset');
  assert.equal((await site.record()).fault, 'evicted');
  assert.deepEqual(site.streams('canary'), { open: 0, ended: 1 });
});

test('an event stream over HTTP/2 is reset, and its connection goes on', async (t) => {
  const { site, leave } = await open(t, { streams: { evictOver: 0 } }, {}, (_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write('data: 1\n\n');
  });
  const session = http2.connect(`http://${site.address}`);
  atEnd(t, () => session.destroy());
  const stream = session.request({ ':path': '/' });
  const failed = once(stream, 'error');
  assert.equal(String((await once(stream, 'data'))[0]), 'data: 1\n\n');
  leave('rollback');
  await failed;
  const next = session.request({ ':path': '/' });
  const [fields] = (await once(next, 'response')) as [http2.IncomingHttpHeaders];
  assert.equal(fields['x-spillway-version'], 'stable');
});

test('a download is a stream once it has lasted ten seconds', async (t) => {
  const { site, leave } = await open(t, { streams: { evictOver: 0 } }, {}, (_, response) => {
    response.writeHead(200, { 'content-length': 1_000_000 });
    response.write('begin');
  });
  const client = await site.connect();
  client.say(get());
  await client.take('begin');
  site.clock.wind(9_000);
  const young = await site.connect();
  young.say(get());
  await young.take('begin');
  leave('rollback');
  site.clock.wind(2_000);
  assert.equal(await client.gone(), 'reset');
  assert.equal(young.left, undefined);
});

test('who asked for the version by name keeps the stream', async (t) => {
  const { site, socket, leave } = await open(t, {
    streams: { evictOver: 0 },
    override: { addresses: ['127.0.0.1'] },
  });
  const client = await socket({ headers: { 'x-spillway-version': 'canary' } });
  leave('rollback');
  site.clock.wind(20_000);
  client.send('still there?');
  assert.equal((await heard(client)).toString(), 'still there?');
});
