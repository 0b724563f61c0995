import assert from 'node:assert/strict';
import http2 from 'node:http2';
import { type TestContext, test } from 'node:test';
import { Authority } from '../support/certificates.ts';
import { atEnd } from '../support/end.ts';
import { always, Origin, ok } from '../support/origin.ts';
import { eventually, once, patiently, standstill } from '../support/patience.ts';
import type { Peer } from '../support/peer.ts';
import { connectSecurely, termsOf } from '../support/secure.ts';
import { get, Site, type SiteOptions } from '../support/site.ts';

interface Answer {
  readonly status: number;
  readonly fields: http2.IncomingHttpHeaders;
  readonly body: string;
  readonly trailers: http2.IncomingHttpHeaders | undefined;
  readonly interim: readonly number[];
  readonly reset: number;
}

async function speak(t: TestContext, site: Site): Promise<http2.ClientHttp2Session> {
  const session = http2.connect(`http://${site.address}`);
  session.on('error', () => {});
  atEnd(t, () => session.destroy());
  await once(session, 'connect');
  return session;
}

/** One request, and all that came of it. */
function ask(
  session: http2.ClientHttp2Session,
  fields: http2.OutgoingHttpHeaders = {},
  body?: string,
  trailers?: http2.OutgoingHttpHeaders,
): Promise<Answer> {
  const stream = session.request(fields, {
    endStream: body === undefined,
    waitForTrailers: trailers !== undefined,
  });
  if (trailers !== undefined) stream.on('wantTrailers', () => stream.sendTrailers(trailers));
  if (body !== undefined) stream.end(body, 'latin1');
  return answerOf(stream);
}

function answerOf(stream: http2.ClientHttp2Stream): Promise<Answer> {
  return patiently('an answer', (resolve) => {
    let fields: http2.IncomingHttpHeaders = {};
    let closing: http2.IncomingHttpHeaders | undefined;
    const pieces: Buffer[] = [];
    const interim: number[] = [];
    stream.on('headers', (each) => interim.push(Number(each[':status'])));
    stream.on('response', (each) => {
      fields = each;
    });
    stream.on('trailers', (each) => {
      closing = each;
    });
    stream.on('data', (data: Buffer) => pieces.push(data));
    stream.on('error', () => {});
    stream.on('close', () =>
      resolve({
        status: Number(fields[':status'] ?? 0),
        fields,
        body: Buffer.concat(pieces).toString('latin1'),
        trailers: closing,
        interim,
        reset: stream.rstCode,
      }),
    );
  });
}

async function siteOf(
  t: TestContext,
  script?: (peer: Peer, request: Awaited<ReturnType<Peer['message']>>) => void,
  options?: SiteOptions,
): Promise<{ site: Site; origin: Origin; session: http2.ClientHttp2Session }> {
  const origin = await Origin.open(t, script);
  const site = await Site.open(t, { app: { versions: { v1: [origin.address] } } }, options);
  return { site, origin, session: await speak(t, site) };
}

test('requests of one connection are split, counted and logged like any other', async (t) => {
  const [one, two] = [await Origin.open(t, always('one')), await Origin.open(t, always('two'))];
  const site = await Site.open(t, {
    app: {
      versions: { v1: [one.address], v2: [two.address] },
      weights: { v1: 50, v2: 50 },
      key: { header: 'x-user' },
    },
  });
  const session = await speak(t, site);
  const users = Array.from({ length: 40 }, (_, user) => `user-${user}`);
  const overHttp2 = await Promise.all(users.map((user) => ask(session, { 'x-user': user })));
  for (const [index, user] of users.entries()) {
    const { body, fields } = await site.get(`x-user: ${user}\r\n`);
    assert.equal(overHttp2[index]!.body, body, user);
    assert.equal(
      overHttp2[index]!.fields['x-spillway-version'],
      fields.find(([name]) => name === 'x-spillway-version')![1],
    );
  }
  const [v1, v2] = [site.counted('v1'), site.counted('v2')];
  assert.equal((v1.codes[200] ?? 0) + (v2.codes[200] ?? 0), 80);
  assert.equal(v1.inFlight + v2.inFlight, 0);
  assert.equal((await site.record()).status, 200);
});

test('bodies and trailers arrive whole both ways, however large, and several at once', async (t) => {
  const { session } = await siteOf(t, (peer, { body, trailers }) => {
    const half = Math.floor(body.length / 2);
    const chunk = (text: string) => (text === '' ? '' : `${text.length.toString(16)}\r\n${text}\r\n`);
    peer.say(
      `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n${chunk(body.slice(0, half))}${chunk(body.slice(half))}0\r\n${trailers}\r\n`,
    );
  });
  const sizes = [0, 1, 1000, 70_000, 3_000_000];
  const bodies = sizes.map((size) => Buffer.alloc(size, `${size}-abc`).toString('latin1'));
  const answers = await Promise.all(
    bodies.map((body) => ask(session, { ':method': 'POST' }, body, { 'x-size': String(body.length) })),
  );
  for (const [index, { status, body, trailers }] of answers.entries()) {
    assert.equal(status, 200);
    assert.ok(body === bodies[index], `body of ${sizes[index]} bytes`);
    assert.equal(trailers?.['x-size'], String(sizes[index]));
  }
});

test('answers without a body have none, and interim ones come before', async (t) => {
  const { session } = await siteOf(t, (peer, { line }) => {
    if (line.startsWith('HEAD')) peer.say('HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n');
    else if (line.includes('/204')) peer.say('HTTP/1.1 204 No Content\r\n\r\n');
    else if (line.includes('/205')) peer.say('HTTP/1.1 205 Reset Content\r\ncontent-length: 5\r\n\r\nhello');
    else if (line.includes('/304')) peer.say('HTTP/1.1 304 Not Modified\r\netag: "a"\r\n\r\n');
    else peer.say(`HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\n${ok('hi')}`);
  });
  const head = await ask(session, { ':method': 'HEAD' });
  assert.deepEqual([head.status, head.fields['content-length'], head.body], [200, '7', '']);
  assert.equal((await ask(session, { ':path': '/204' })).status, 204);
  const cleared = await ask(session, { ':path': '/205' });
  assert.deepEqual([cleared.status, cleared.body, cleared.reset], [205, '', 0]);
  assert.equal((await ask(session, { ':path': '/304' })).fields.etag, '"a"');
  const hinted = await ask(session);
  assert.deepEqual([hinted.interim, hinted.status, hinted.body], [[103], 200, 'hi']);
});

test('nothing that is said of a connection comes through, and cookies stay apart', async (t) => {
  const { session } = await siteOf(t, (peer) =>
    peer.say(
      ok(
        'hi',
        'connection: x-hop\r\nx-hop: 1\r\nkeep-alive: timeout=5\r\nproxy-connection: close\r\nset-cookie: a=1\r\nset-cookie: b=2\r\netag: "x"\r\netag: "y"\r\nvary: a\r\nvary: b\r\n',
      ),
    ),
  );
  const { fields, status } = await ask(session);
  assert.equal(status, 200);
  for (const name of ['connection', 'x-hop', 'keep-alive', 'proxy-connection', 'transfer-encoding'])
    assert.equal(fields[name], undefined, name);
  assert.deepEqual(fields['set-cookie']!.slice(0, 2), ['a=1', 'b=2']);
  assert.equal(fields.vary, 'a, b');
});

test('an endpoint that breaks off is never taken for one that has ended', async (t) => {
  const heads = ['content-length: 100\r\n\r\nhalf', 'transfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n'];
  for (const head of heads) {
    const { site, session, origin } = await siteOf(t);
    const broken = ask(session);
    const peer = await origin.next();
    peer.say(`HTTP/1.1 200 OK\r\n${head}`);
    setTimeout(() => peer.reset(), 50);
    const { body, reset } = await broken;
    assert.deepEqual([body, reset], ['half', http2.constants.NGHTTP2_INTERNAL_ERROR]);
    assert.equal(site.counted('v1').faults['truncated'], 1);
  }
});

test('what we answer ourselves says why', async (t) => {
  const site = await Site.open(t, { app: { versions: { v1: [] } } });
  const session = await speak(t, site);
  const { status, fields, body } = await ask(session);
  assert.deepEqual(
    [status, fields['content-type'], JSON.parse(body).fault],
    [503, 'application/problem+json', 'no-endpoint'],
  );
  const options = await ask(session, { ':method': 'OPTIONS', ':path': '*' });
  assert.equal(options.status, 204);
});

test('an answer may come before the request has ended, and ends the request in a while', async (t) => {
  const { site, session, origin } = await siteOf(t);
  const stream = session.request({ ':method': 'POST' });
  const answer = answerOf(stream);
  stream.write('begun');
  const peer = await origin.next();
  await peer.take('begun');
  peer.say('HTTP/1.1 413 Content Too Large\r\ncontent-length: 3\r\n\r\nbig');
  await once(stream, 'end');
  assert.equal(stream.closed, false);
  site.run(t, 500);
  const { status, body, reset } = await answer;
  assert.deepEqual([status, body, reset], [413, 'big', http2.constants.NGHTTP2_NO_ERROR]);
  assert.equal((await site.record()).status, 413);
});

test('what is sent after an early answer is thrown away, and no flood', async (t) => {
  const site = await Site.open(t, {});
  const session = await speak(t, site);
  const stream = session.request({ ':method': 'POST' });
  const answer = answerOf(stream);
  await once(stream, 'end');
  stream.end(Buffer.alloc(1_000_000));
  const { status, reset } = await answer;
  assert.deepEqual([status, reset], [404, http2.constants.NGHTTP2_NO_ERROR]);
  // When it is looked at what came, it is asked whether it is there.
  const looked = once(session, 'ping');
  site.clock.wind(1000);
  await looked;
  assert.equal((await ask(session)).status, 404);
});

test('a client that resets its stream has left, and nobody works for it any more', async (t) => {
  const { site, session, origin } = await siteOf(t);
  const stream = session.request({});
  stream.on('error', () => {});
  const peer = await origin.next();
  await peer.take('\r\n\r\n');
  stream.close(http2.constants.NGHTTP2_CANCEL);
  await peer.gone();
  const { status, fault } = await site.record();
  assert.deepEqual([status, fault], [499, 'client-gone']);
  assert.equal(site.counted('v1').errors, 0);
});

test('a body is not read faster than the endpoint takes it, nor an answer than the client does', async (t) => {
  const { session, origin } = await siteOf(t);
  const upload = session.request({ ':method': 'POST' });
  upload.on('error', () => {});
  const peer = await origin.next();
  peer.socket.pause();
  let sent = 0;
  const more = () => {
    do sent += 65_536;
    while (upload.write(Buffer.alloc(65_536)) && sent < 64e6);
  };
  upload.on('drain', () => sent < 64e6 && more());
  more();
  assert.ok((await standstill(() => sent)) < 32e6, 'much was taken that nobody reads');
  peer.socket.resume();
  await eventually('the upload to go on', () => sent >= 64e6);
});

test('on shutdown clients are told to go, and what is under way is finished', async (t) => {
  const { site, session, origin } = await siteOf(t);
  const answer = ask(session);
  const peer = await origin.next();
  await peer.take('\r\n\r\n');
  const told = once(session, 'goaway');
  const drained = site.plane.drain(10_000);
  await told;
  peer.say(ok('late'));
  assert.equal((await answer).body, 'late');
  session.close();
  await drained;
});

test('an idle connection is closed in its time, and one that has served enough as well', async (t) => {
  const { site, session } = await siteOf(t, always('hi'), {
    settings: { limits: { requestsPerConnection: 3 } },
  });
  const idle = await speak(t, site);
  const closed = once(session, 'close');
  for (let i = 0; i < 3; i++) assert.equal((await ask(session)).body, 'hi');
  site.run(t, 1000);
  await closed;
  await once(idle, 'close');
});

test('over TLS it is agreed on by name, and who does not know it is served as before', async (t) => {
  const ca = new Authority(t);
  const origin = await Origin.open(t, (peer, request) => peer.say(ok(request.field('x-forwarded-proto')!)));
  const tls = termsOf([ca.issue('DNS:a.example')]);
  const versions = { v1: [origin.address] };
  const site = await Site.open(t, { app: { versions } }, { speech: { tls } });
  const options = { ca: ca.cert, servername: 'a.example' };
  const session = http2.connect(`https://${site.address}`, options);
  session.on('error', () => {});
  atEnd(t, () => session.destroy());
  const answers = await Promise.all(
    Array.from({ length: 20 }, () => ask(session, { ':method': 'POST' }, 'body')),
  );
  for (const { status, body } of answers) assert.deepEqual([status, body], [200, 'https']);
  assert.equal(session.alpnProtocol, 'h2');
  const old = await connectSecurely(site.address, { ...options, ALPNProtocols: ['http/1.1'] });
  old.say(get());
  assert.equal((await old.message()).body, 'https');
  old.socket.destroy();
  site.plane.speak({
    [site.address]: { tls, proxyFrom: undefined, httpsRedirect: undefined, http2: false },
  });
  const neither = await connectSecurely(site.address, { ...options, ALPNProtocols: ['h2', 'http/1.1'] });
  assert.equal(neither.tls.alpnProtocol, 'http/1.1');
  neither.socket.destroy();
});

test('where HTTP/2 is not wanted it is not spoken', async (t) => {
  const { site } = await siteOf(t, always('hi'));
  site.plane.speak({
    [site.address]: { tls: undefined, proxyFrom: undefined, httpsRedirect: undefined, http2: false },
  });
  const client = await site.connect();
  client.say('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
  assert.equal((await client.message()).line, 'HTTP/1.1 505 HTTP Version Not Supported');
  const other = await site.connect();
  other.say(get());
  assert.equal((await other.message()).body, 'hi');
});

test('a listener that sends everybody to https does so by prior knowledge as well, with a body or without', async (t) => {
  const { session, origin } = await siteOf(t, always('served'), { speech: { httpsRedirect: 8443 } });
  const { status, fields } = await ask(session, { ':path': '/a?b=c', ':authority': 'a.example' });
  assert.equal(status, 308);
  assert.equal(fields['location'], 'https://a.example:8443/a?b=c');
  assert.equal((await ask(session, { ':method': 'POST' }, 'body')).status, 308);
  assert.equal(origin.requests, 0);
});

test('HSTS stands in answers to HTTP/2 too', async (t) => {
  const ca = new Authority(t);
  const origin = await Origin.open(t, always('served'));
  const tls = termsOf([ca.issue('DNS:a.example')], { hsts: 'strict-transport-security: max-age=9\r\n' });
  const site = await Site.open(t, { app: { versions: { v1: [origin.address] } } }, { speech: { tls } });
  const session = http2.connect(`https://${site.address}`, { ca: ca.cert, servername: 'a.example' });
  atEnd(t, () => session.destroy());
  assert.equal((await ask(session, {})).fields['strict-transport-security'], 'max-age=9');
});
