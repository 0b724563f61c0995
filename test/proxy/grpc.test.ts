import assert from 'node:assert/strict';
import http2 from 'node:http2';
import { type AddressInfo, createServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import { Authority } from '../support/certificates.ts';
import { atEnd } from '../support/end.ts';
import { endpoint } from '../support/h2c.ts';
import { eventually, once, standstill } from '../support/patience.ts';
import { get, post, Site } from '../support/site.ts';
import {
  ACK,
  DATA,
  END_HEADERS,
  frame,
  HEADERS,
  NO_ERROR,
  RST_STREAM,
  SETTINGS,
  uint32,
} from '../wire/h2/frames.ts';

async function siteOf(t: TestContext, endpoints: readonly string[]): Promise<Site> {
  return Site.open(t, { app: { protocol: 'h2c', versions: { v1: endpoints } } });
}

async function call(t: TestContext, site: Site, fields: http2.OutgoingHttpHeaders = {}) {
  const session = http2.connect(`http://${site.address}`);
  session.on('error', () => {});
  atEnd(t, () => session.destroy());
  const stream = session.request(
    {
      ':method': 'POST',
      ':path': '/shop.Cart/Add',
      'content-type': 'application/grpc',
      te: 'trailers',
      ...fields,
    },
    { endStream: false },
  );
  stream.on('error', () => {});
  const told: { fields?: http2.IncomingHttpHeaders; trailers?: http2.IncomingHttpHeaders; body: string } = {
    body: '',
  };
  stream.on('response', (each) => {
    told.fields = each;
  });
  stream.on('trailers', (each) => {
    told.trailers = each;
  });
  stream.on('data', (data) => {
    told.body += data;
  });
  return { stream, told, over: once(stream, 'close') };
}

test('a call goes through with its trailers, and both sides may speak at once', async (t) => {
  const { address } = await endpoint(t, (stream, fields) => {
    assert.equal(fields['te'], 'trailers');
    assert.equal(fields[':path'], '/shop.Cart/Add');
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0', 'grpc-message': 'fine' }));
    stream.on('data', (data) => stream.write(`re:${data}`));
    stream.on('end', () => stream.end());
  });
  const site = await siteOf(t, [address]);
  const { stream, told, over } = await call(t, site);
  for (const word of ['one', 'two', 'three']) {
    stream.write(word);
    await eventually(`the echo of ${word}`, () => told.body.endsWith(`re:${word}`));
  }
  stream.end();
  await over;
  assert.deepEqual(
    [told.fields?.[':status'], told.body, told.trailers?.['grpc-status'], told.trailers?.['grpc-message']],
    [200, 're:onere:twore:three', '0', 'fine'],
  );
  const { status, fault } = await site.record();
  assert.deepEqual([status, fault], [200, null]);
  assert.equal(site.counted('v1').errors, 0);
});

for (const [code, failed] of [
  ['0', 0],
  ['5', 0],
  ['7', 0],
  ['2', 1],
  ['13', 1],
  ['14', 1],
] as const) {
  test(`a call that ends with status ${code} ${failed ? 'counts' : 'does not count'} against the version, in trailers or alone`, async (t) => {
    const { address } = await endpoint(t, (stream, fields) => {
      if (fields['x-alone'] !== undefined)
        return stream.respond(
          { ':status': 200, 'content-type': 'application/grpc', 'grpc-status': code },
          { endStream: true },
        );
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': code }));
      stream.end('x');
    });
    const site = await siteOf(t, [address]);
    const streamed = await call(t, site);
    streamed.stream.end('q');
    await streamed.over;
    assert.equal(streamed.told.trailers?.['grpc-status'], code);
    const alone = await call(t, site, { 'x-alone': '1' });
    alone.stream.end('q');
    await alone.over;
    assert.equal(alone.told.fields?.['grpc-status'], code);
    await eventually('two records', () => (site.counted('v1').codes[200] ?? 0) === 2);
    assert.equal(site.counted('v1').errors, 2 * failed);
  });
}

test('what we answer to a call ourselves is gRPC', async (t) => {
  const site = await siteOf(t, ['127.0.0.1:1']);
  const { stream, told, over } = await call(t, site);
  stream.end('q');
  await over;
  assert.deepEqual(
    [told.fields?.[':status'], told.fields?.['content-type'], told.fields?.['grpc-status']],
    [200, 'application/grpc', '14'],
  );
  assert.match(String(told.fields?.['grpc-message']), /refused/);
});

test('over TLS an endpoint of HTTP/2 is verified first', async (t) => {
  const ca = new Authority(t);
  let requests = 0;
  const server = http2.createSecureServer(ca.issue('DNS:shop.internal'));
  server.on('stream', (stream, fields) => {
    requests++;
    stream.respond({ ':status': 200 });
    stream.end(String(fields[':scheme']));
  });
  server.on('session', (session) => atEnd(t, () => session.destroy()));
  server.on('tlsClientError', () => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  atEnd(t, () => server.close());
  const { port } = server.address() as AddressInfo;
  const draft = { protocol: 'h2', versions: { v1: [`127.0.0.1:${port}`] } } as const;
  const site = await Site.open(t, {
    app: { ...draft, tls: { ca: ca.file, serverName: 'shop.internal' } },
  });
  for (let i = 0; i < 3; i++) assert.equal((await site.get()).body, 'https');
  site.adopt({ app: { ...draft, tls: { ca: ca.file, serverName: 'other.internal' } } });
  assert.match((await site.get()).line, /^HTTP\/1\.1 50[23] /);
  assert.equal(site.counted('v1').faults['insecure'], 1);
  assert.equal(requests, 3);
});

test('requests of HTTP/1.1 share one connection to an endpoint of HTTP/2, as many as it allows', async (t) => {
  let [now, most] = [0, 0];
  const waiting: (() => void)[] = [];
  const { address, sessions } = await endpoint(
    t,
    (stream) => {
      most = Math.max(most, ++now);
      let body = '';
      stream.on('data', (data) => {
        body += data;
      });
      stream.on('end', () =>
        waiting.push(() => {
          now--;
          stream.respond({ ':status': 200, 'x-from': 'h2' });
          stream.end(`got ${body}`);
        }),
      );
    },
    { maxConcurrentStreams: 10 },
  );
  const site = await siteOf(t, [address]);
  const first = await site.connect();
  first.say(post('first'));
  await eventually('the first', () => waiting.length === 1);
  waiting.shift()!();
  assert.equal((await first.message()).body, 'got first');
  const clients = await Promise.all(Array.from({ length: 10 }, () => site.connect()));
  for (const client of clients) client.say(post('body'));
  await eventually('all of them', () => waiting.length === 10);
  assert.equal(sessions.length, 1);
  first.say(post('one more'));
  await eventually('one more, on a connection of its own', () => waiting.length === 11);
  assert.equal(sessions.length, 2);
  for (const answer of waiting.splice(0)) answer();
  for (const client of clients) assert.equal((await client.message()).body, 'got body');
  assert.equal((await first.message()).body, 'got one more');
});

test('an endpoint that says goodbye finishes what it has, and the next request goes elsewhere or anew', async (t) => {
  const waiting: http2.ServerHttp2Stream[] = [];
  const { address, sessions } = await endpoint(t, (stream) => waiting.push(stream));
  const site = await siteOf(t, [address]);
  const before = await site.connect();
  before.say(post('a'));
  await eventually('a request', () => waiting.length === 1);
  sessions[0]!.goaway(http2.constants.NGHTTP2_NO_ERROR);
  await new Promise((resolve) => setTimeout(resolve, 50));
  const after = await site.connect();
  after.say(post('b'));
  await eventually('another, on a new connection', () => waiting.length === 2 && sessions.length === 2);
  for (const stream of waiting) {
    stream.respond({ ':status': 200, 'content-length': 2 });
    stream.end('ok');
  }
  assert.equal((await before.message()).body, 'ok');
  assert.equal((await after.message()).body, 'ok');
});

test('requests that lost their connection together meet again on few others', async (t) => {
  let answering = false;
  const seen: http2.ServerHttp2Stream[] = [];
  const { address, sessions } = await endpoint(t, (stream) => {
    seen.push(stream);
    if (answering) stream.respond({ ':status': 204 }, { endStream: true });
  });
  const site = await siteOf(t, [address]);
  const first = await site.connect();
  first.say(get());
  await eventually('a request', () => seen.length === 1);
  const clients = await Promise.all(Array.from({ length: 20 }, () => site.connect()));
  for (const client of clients) client.say(get());
  await eventually('all of them', () => seen.length === 21);
  answering = true;
  sessions[0]!.destroy();
  for (const client of clients) assert.match((await client.message()).line, /^HTTP\/1\.1 204 /);
  // Not one for each; who fails late may find the new one in use.
  assert.ok(sessions.length < 5, `${sessions.length} connections`);
});

test('a request that was refused unread is sent again, whatever it is', async (t) => {
  let tries = 0;
  const { address } = await endpoint(t, (stream) => {
    if (++tries === 2) return stream.close(http2.constants.NGHTTP2_REFUSED_STREAM);
    stream.respond({ ':status': 200, 'content-length': 2 });
    stream.end('ok');
  });
  const site = await siteOf(t, [address]);
  const client = await site.connect();
  for (let i = 0; i < 2; i++) {
    client.say(post('x'));
    assert.equal((await client.message()).body, 'ok');
  }
  assert.equal(tries, 3);
});

test('an answer that breaks off is never taken for a whole one', async (t) => {
  for (const end of ['reset', 'connection'] as const) {
    const { address, sessions } = await endpoint(t, (stream) => {
      stream.respond({ ':status': 200 });
      stream.write('half');
      setTimeout(() => {
        if (end === 'reset') stream.destroy(new Error('reset'));
        else sessions[0]!.destroy();
      }, 50);
    });
    const site = await siteOf(t, [address]);
    const client = await site.connect();
    client.say(post('x'));
    await assert.rejects(client.message(), end);
    assert.equal((await site.record()).fault, 'truncated');
  }
});

test('an answer that is reset as if all were well is not taken for a whole one either', async (t) => {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    atEnd(t, () => socket.destroy());
    socket.write(frame(SETTINGS, 0, 0));
    socket.on('data', (data) => {
      // The preface, and then frames; the one that opens stream 1 is the request.
      if (!data.includes(Buffer.from([HEADERS, END_HEADERS, 0, 0, 0, 1]))) return;
      const status200 = Buffer.from([0x88]);
      socket.write(
        Buffer.concat([
          frame(SETTINGS, ACK, 0),
          frame(HEADERS, END_HEADERS, 1, status200),
          frame(DATA, 0, 1, 'half'),
          frame(RST_STREAM, 0, 1, uint32(NO_ERROR)),
        ]),
      );
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  atEnd(t, () => server.close());
  const site = await siteOf(t, [`127.0.0.1:${(server.address() as AddressInfo).port}`]);
  const client = await site.connect();
  client.say(post('x'));
  await assert.rejects(client.message());
  assert.equal((await site.record()).fault, 'truncated');
});

test('a body is not read faster than an endpoint of HTTP/2 takes it', async (t) => {
  let taken: http2.ServerHttp2Stream | undefined;
  const { address } = await endpoint(t, (stream) => {
    taken = stream;
    stream.pause();
  });
  const site = await siteOf(t, [address]);
  const client = await site.connect();
  atEnd(t, () => client.socket.destroy());
  client.say(`POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 64000000\r\n\r\n`);
  client.socket.write(Buffer.alloc(64_000_000));
  await eventually('the request', () => taken !== undefined);
  const left = await standstill(() => client.socket.bytesWritten - client.socket.writableLength);
  assert.ok(left < 40e6, `${left} bytes were taken that nobody reads`);
  let got = 0;
  taken!.on('data', (data: Buffer) => {
    got += data.length;
    if (got === 64_000_000) {
      taken!.respond({ ':status': 200, 'content-length': 2 });
      taken!.end('ok');
    }
  });
  taken!.resume();
  assert.equal((await client.message()).body, 'ok');
});

test('a client that leaves is not worked for, and an endpoint that is silent is not waited for', async (t) => {
  const streams: http2.ServerHttp2Stream[] = [];
  const { address } = await endpoint(t, (stream) => streams.push(stream));
  const site = await siteOf(t, [address]);
  const leaver = await site.connect();
  leaver.say('POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n');
  await eventually('its request', () => streams.length === 1);
  const closed = once(streams[0]!, 'close');
  leaver.reset();
  await closed;
  assert.equal(streams[0]!.rstCode, http2.constants.NGHTTP2_CANCEL);
  assert.equal((await site.record()).fault, 'client-gone');
  const patient = await site.connect();
  patient.say(post('x'));
  await eventually('the other request', () => streams.length === 2);
  site.run(t, 20_000);
  assert.equal((await patient.message()).line, 'HTTP/1.1 504 Gateway Timeout');
});
