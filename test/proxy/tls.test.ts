import assert from 'node:assert/strict';
import { connect as connectPlainly } from 'node:net';
import { type TestContext, test } from 'node:test';
import type tls from 'node:tls';
import type { KeyPair, Speech, TlsTerms } from '../../src/model/tls.ts';
import { Authority } from '../support/certificates.ts';
import { always, Origin, ok } from '../support/origin.ts';
import { eventually, once } from '../support/patience.ts';
import { connect, reachable } from '../support/peer.ts';
import { connectSecurely, helloOf, termsOf } from '../support/secure.ts';
import { get, Site, type SiteOptions } from '../support/site.ts';

async function secureSite(
  t: TestContext,
  certificates: readonly KeyPair[],
  more: Partial<TlsTerms> = {},
  options: SiteOptions = {},
) {
  const origin = await Origin.open(t, (peer, request) => {
    peer.say(ok(request.fields.map((field) => field.join(': ')).join('\n')));
  });
  const speech = { tls: termsOf(certificates, more) };
  const site = await Site.open(
    t,
    { app: { versions: { stable: [origin.address] } } },
    { ...options, speech },
  );
  return { site, origin, terms: speech.tls };
}

/** The subject's name of the certificate that is shown to who asks for `servername`. */
async function shownTo(site: Site, servername: string, ca: string): Promise<string> {
  const options: tls.ConnectionOptions = { ca, checkServerIdentity: () => undefined };
  const peer = await connectSecurely(site.address, servername === '' ? options : { ...options, servername });
  const subject = peer.tls.getPeerCertificate().subject.CN;
  peer.socket.destroy();
  return String(subject);
}

test('a request by TLS is answered, and its endpoint is told of https', async (t) => {
  const ca = new Authority(t);
  const { site } = await secureSite(t, [ca.issue('DNS:a.example')]);
  const peer = await connectSecurely(site.address, {
    ca: ca.cert,
    servername: 'a.example',
    ALPNProtocols: ['http/1.1'],
  });
  assert.equal(peer.tls.alpnProtocol, 'http/1.1');
  for (let request = 0; request < 3; request++) {
    peer.say(get());
    const { line, body } = await peer.message();
    assert.equal(line, 'HTTP/1.1 200 OK');
    assert.match(body, /^x-forwarded-proto: https$/m);
  }
  peer.socket.destroy();
});

test('the certificate is chosen by name: exact, then wildcard, then the first', async (t) => {
  const ca = new Authority(t);
  const { site } = await secureSite(t, [
    ca.issue('DNS:first.example'),
    ca.issue('DNS:wild.example', 'DNS:*.shop.example'),
    ca.issue('DNS:www.shop.example', 'DNS:other.example'),
  ]);
  for (const [asked, shown] of [
    ['first.example', 'first.example'],
    ['www.shop.example', 'www.shop.example'],
    ['WWW.Shop.Example', 'www.shop.example'],
    ['other.example', 'www.shop.example'],
    ['api.shop.example', 'wild.example'],
    ['a.b.shop.example', 'first.example'],
    ['shop.example', 'first.example'],
    ['unknown.example', 'first.example'],
    ['', 'first.example'],
  ] as const)
    assert.equal(await shownTo(site, asked, ca.cert), shown, asked);
});

/** Name and kind of key of the certificate shown to who asks for a name, or for none, and can do what `means` says. */
async function shownBy(site: Site, asked: string, ca: string, means: tls.ConnectionOptions): Promise<string> {
  const peer = await connectSecurely(site.address, {
    ca,
    ...(asked !== '' && { servername: asked }),
    ...means,
    checkServerIdentity: () => undefined,
  });
  const { subject } = peer.tls.getPeerCertificate();
  const kind = peer.tls.getPeerX509Certificate()!.publicKey.asymmetricKeyType;
  peer.socket.destroy();
  return `${kind} ${subject.CN}`;
}

test('everybody is shown a certificate of the name asked for, of a kind they can verify', async (t) => {
  const ca = new Authority(t);
  const certificates = [
    ca.issue('DNS:first.example'),
    ca.issueRsa('DNS:first.example'),
    ca.issueRsa('DNS:second.example'),
    ca.issue('DNS:second.example'),
    ca.issueRsa('DNS:old.example'),
    ca.issue('DNS:new.example'),
    ca.issue('DNS:both.example', 'DNS:more.example'),
    ca.issueRsa('DNS:both.example', 'DNS:fewer.example'),
  ];
  const ciphers = 'ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:TLS_AES_128_GCM_SHA256';
  const { site } = await secureSite(t, certificates, { ciphers });
  for (const [version, onlyRsa] of [
    ['TLSv1.2', { ciphers: 'ECDHE-RSA-AES128-GCM-SHA256' }],
    ['TLSv1.3', { sigalgs: 'rsa_pss_rsae_sha256:RSA+SHA256' }],
  ] as const) {
    const means = { minVersion: version, maxVersion: version };
    const old = { ...means, ...onlyRsa };
    for (const [asked, able, shown] of [
      ['first.example', means, 'ec first.example'],
      ['first.example', old, 'rsa first.example'],
      ['second.example', means, 'ec second.example'],
      ['second.example', old, 'rsa second.example'],
      ['old.example', means, 'rsa old.example'],
      ['old.example', old, 'rsa old.example'],
      ['new.example', means, 'ec new.example'],
      ['both.example', means, 'ec both.example'],
      ['both.example', old, 'rsa both.example'],
      ['fewer.example', means, 'rsa both.example'],
      ['unknown.example', old, 'rsa first.example'],
      ['', means, 'ec first.example'],
      ['', old, 'rsa first.example'],
    ] as const)
      assert.equal(await shownBy(site, asked, ca.cert, able), shown, `${version} ${asked}`);
    await assert.rejects(shownBy(site, 'new.example', ca.cert, old));
  }
});

test('a hello may come in pieces, and who leaves in the middle of it is gone', async (t) => {
  const ca = new Authority(t);
  const { site } = await secureSite(t, [ca.issue('DNS:a.example'), ca.issue('DNS:b.example')]);
  const hello = await helloOf({ servername: 'b.example' });
  const patient = await connect(site.address);
  for (const byte of hello.toString('latin1')) patient.say(byte);
  // A handshake record, which is a server's hello.
  await patient.take('\x16\x03\x03');
  const leaving = await connect(site.address);
  leaving.say(hello.toString('latin1', 0, 100));
  leaving.socket.end();
  await leaving.gone();
  await eventually('it to be counted', () => site.plane.collectHandshakes()['failed'] === 1);
  patient.socket.destroy();
});

test('new certificates are shown to who comes later, and nobody who is there notices', async (t) => {
  const ca = new Authority(t);
  const { site, terms } = await secureSite(t, [ca.issue('DNS:old.example')]);
  const before = await connectSecurely(site.address, { ca: ca.cert, servername: 'old.example' });
  before.say(get());
  await before.message();
  const speech: Speech = {
    tls: { ...terms, certificates: [ca.issue('DNS:new.example')] },
    proxyFrom: undefined,
    httpsRedirect: undefined,
    http2: true,
  };
  site.plane.speak({ [site.address]: speech });
  assert.equal(await shownTo(site, 'old.example', ca.cert), 'new.example');
  before.say(get());
  assert.equal((await before.message()).line, 'HTTP/1.1 200 OK');
  assert.throws(() =>
    site.plane.speak({
      [site.address]: { ...speech, tls: { ...terms, certificates: [{ cert: 'x', key: 'x' }] } },
    }),
  );
  assert.equal(await shownTo(site, 'old.example', ca.cert), 'new.example');
  before.socket.destroy();
});

for (const version of ['TLSv1.2', 'TLSv1.3'] as const)
  test(`a session of ${version} is resumed at another worker, but not at another listener`, async (t) => {
    const ca = new Authority(t);
    const pair = ca.issue('DNS:a.example');
    const { site, terms } = await secureSite(t, [pair]);
    const { site: sibling } = await secureSite(t, [pair], { ticketKey: terms.ticketKey });
    const { site: stranger } = await secureSite(t, [pair]);
    const options = {
      ca: ca.cert,
      servername: 'a.example',
      minVersion: version,
      maxVersion: version,
    } satisfies tls.ConnectionOptions;
    const first = await connectSecurely(site.address, options);
    first.say(get());
    await first.message();
    const reused = async (at: Site) => {
      const peer = await connectSecurely(at.address, { ...options, session: first.session() });
      peer.say(get());
      assert.equal((await peer.message()).line, 'HTTP/1.1 200 OK');
      const again = peer.tls.isSessionReused();
      peer.socket.destroy();
      return again;
    };
    assert.equal(await reused(sibling), true);
    assert.equal(await reused(stranger), false);
    assert.deepEqual(sibling.plane.collectHandshakes(), { resumed: 1 });
    assert.deepEqual(stranger.plane.collectHandshakes(), { full: 1 });
    first.socket.destroy();
  });

test('old versions of TLS, foreign protocols and nonsense are refused, and counted', async (t) => {
  const ca = new Authority(t);
  const { site } = await secureSite(t, [ca.issue('DNS:a.example')]);
  const options = { ca: ca.cert, servername: 'a.example' };
  await assert.rejects(
    connectSecurely(site.address, {
      ...options,
      minVersion: 'TLSv1.1',
      maxVersion: 'TLSv1.1',
      ciphers: 'ALL@SECLEVEL=0',
    }),
  );
  await assert.rejects(connectSecurely(site.address, { ...options, ALPNProtocols: ['smtp'] }));
  const plain = await connect(site.address);
  plain.say(get());
  await plain.gone();
  assert.deepEqual(site.plane.collectHandshakes(), { failed: 3 });
  assert.equal(await shownTo(site, 'a.example', ca.cert), 'a.example');
});

test('a handshake has its time, and then its place is free', async (t) => {
  const ca = new Authority(t);
  const { site } = await secureSite(
    t,
    [ca.issue('DNS:a.example')],
    {},
    {
      settings: { timeouts: { handshake: 5000 }, limits: { connections: 1 } },
    },
  );
  const silent = await connect(site.address);
  const refused = await connect(site.address);
  await refused.gone();
  assert.equal(refused.heard, '');
  assert.deepEqual(site.plane.collectShed(), { limits: 1 });
  assert.deepEqual(site.plane.collectUnrouted(), {}, 'nothing is answered before hands are shaken');
  site.clock.wind(5500);
  await silent.gone();
  assert.equal(await shownTo(site, 'a.example', ca.cert), 'a.example');
});

test('in a flood of handshakes the oldest give way, and who really shakes hands gets through', async (t) => {
  const ca = new Authority(t);
  const { site } = await secureSite(
    t,
    [ca.issue('DNS:a.example')],
    {},
    {
      settings: { limits: { handshakes: 10 } },
    },
  );
  const flood = await Promise.all(Array.from({ length: 50 }, () => connect(site.address)));
  assert.equal(await shownTo(site, 'a.example', ca.cert), 'a.example');
  await Promise.all(flood.slice(0, 40).map((peer) => peer.gone()));
  for (const peer of flood) peer.socket.destroy();
});

test('a client certificate is asked for, and what endpoints are told of it cannot be made up', async (t) => {
  const ca = new Authority(t);
  const stranger = new Authority(t, 'Another authority');
  const pair = ca.issue('DNS:a.example');
  const clients = { ca: ca.cert, required: true, forward: true };
  const { site } = await secureSite(t, [pair], { clients }, { settings: { trustedProxies: ['127.0.0.1'] } });
  const options = { ca: ca.cert, servername: 'a.example' };
  const alice = ca.issue('DNS:alice.example');
  const lies = 'client-cert: :bGllcw==:\r\nx-client-cert-subject: CN=root\r\nx-client-cert-sha256: 00\r\n';

  const peer = await connectSecurely(site.address, { ...options, cert: alice.cert, key: alice.key });
  peer.say(get(lies));
  const { body } = await peer.message();
  assert.match(body, /^x-client-cert-subject: CN=alice\.example,O=Spillway$/m);
  assert.doesNotMatch(body, /root|bGllcw/);
  assert.equal(body.match(/^client-cert: :[A-Za-z0-9+/=]+:$/gm)?.length, 1);
  peer.socket.destroy();

  for (const show of [{}, pairOf(stranger.issue('DNS:mallory.example'))]) {
    const refused = await connectSecurely(site.address, { ...options, ...show }).catch(() => undefined);
    refused?.say(get());
    if (refused !== undefined) assert.equal(await refused.message().catch(() => undefined), undefined);
  }
});

test('an optional client certificate that is not sound is as good as none', async (t) => {
  const ca = new Authority(t);
  const stranger = new Authority(t, 'Another authority');
  const clients = { ca: ca.cert, required: false, forward: true };
  const { site } = await secureSite(t, [ca.issue('DNS:a.example')], { clients });
  for (const show of [{}, pairOf(stranger.issue('DNS:mallory.example'))]) {
    const peer = await connectSecurely(site.address, { ca: ca.cert, servername: 'a.example', ...show });
    peer.say(get('client-cert: :bGllcw==:\r\n'));
    assert.doesNotMatch((await peer.message()).body, /client-cert/);
    peer.socket.destroy();
  }
});

test('what a stranger says of certificates is taken off where nobody asks for any', async (t) => {
  const ca = new Authority(t);
  const { site } = await secureSite(t, [ca.issue('DNS:a.example')]);
  const peer = await connectSecurely(site.address, { ca: ca.cert, servername: 'a.example' });
  peer.say(get('client-cert: :bGllcw==:\r\nX-Client-Cert-Subject: CN=root\r\n'));
  assert.doesNotMatch((await peer.message()).body, /client-cert/i);
  peer.socket.destroy();
});

test('HSTS stands in answers that have none of their own', async (t) => {
  const ca = new Authority(t);
  const origin = await Origin.open(t, (peer, request) => {
    peer.say(ok('', request.line.includes('/own') ? 'strict-transport-security: max-age=1\r\n' : ''));
  });
  const tls = termsOf([ca.issue('DNS:a.example')], { hsts: 'strict-transport-security: max-age=9\r\n' });
  const app = { versions: { stable: [origin.address] }, match: [{ host: 'a.example' }] };
  const site = await Site.open(t, { app }, { speech: { tls } });
  const peer = await connectSecurely(site.address, { ca: ca.cert, servername: 'a.example' });
  const heard = async (request: string) => {
    peer.say(request);
    return (await peer.message()).field('strict-transport-security');
  };
  assert.equal(await heard(get()), 'max-age=9');
  assert.equal(await heard(get('', '/own')), 'max-age=1');
  assert.equal(await heard('GET / HTTP/1.1\r\nhost: b.example\r\n\r\n'), 'max-age=9');
  peer.socket.destroy();
});

test('a plain listener sends everybody to https, but not who came by it', async (t) => {
  const origin = await Origin.open(t, always('served'));
  const site = await Site.open(
    t,
    { app: { versions: { stable: [origin.address] } } },
    { speech: { httpsRedirect: 8443 }, settings: { trustedProxies: ['127.0.0.1'] } },
  );
  const peer = await site.connect();
  for (const [target, to] of [
    ['/a?b=c', 'https://a.example:8443/a?b=c'],
    ['http://a.example/x', 'https://a.example:8443/x'],
    ['/%2e%2e//', 'https://a.example:8443/%2e%2e//'],
  ] as const) {
    peer.say(get('', target));
    const { line, field } = await peer.message();
    assert.equal(line, 'HTTP/1.1 308 Permanent Redirect');
    assert.equal(field('location'), to);
  }
  peer.say('GET / HTTP/1.1\r\nhost: [::1]:80\r\n\r\n');
  assert.equal((await peer.message()).field('location'), 'https://[::1]:8443/');
  peer.say(get('x-forwarded-proto: https\r\n'));
  assert.equal((await peer.message()).body, 'served');
});

test('an answer that breaks off is not sealed, so the client can tell', async (t) => {
  const ca = new Authority(t);
  const origin = await Origin.open(t);
  const tls = termsOf([ca.issue('DNS:a.example')]);
  const site = await Site.open(t, { app: { versions: { stable: [origin.address] } } }, { speech: { tls } });
  const peer = await connectSecurely(site.address, { ca: ca.cert, servername: 'a.example' });
  peer.say(get());
  const endpoint = await origin.next();
  await endpoint.message();
  endpoint.say('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf');
  await peer.take('half');
  endpoint.reset();
  await peer.gone();
  assert.equal((await site.record()).fault, 'truncated');
});

test('large bodies go through both ways, whole', async (t) => {
  const ca = new Authority(t);
  const origin = await Origin.open(t, (peer, request) => peer.say(ok(request.body)));
  const tls = termsOf([ca.issue('DNS:a.example')]);
  const site = await Site.open(t, { app: { versions: { stable: [origin.address] } } }, { speech: { tls } });
  const peer = await connectSecurely(site.address, { ca: ca.cert, servername: 'a.example' });
  const body = Array.from({ length: 200_000 }, (_, index) => `${index}\n`).join('');
  peer.say(`POST / HTTP/1.1\r\nhost: a.example\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
  assert.equal((await peer.message()).body === body, true);
  peer.socket.destroy();
});

test('draining ends handshakes and lets requests finish', async (t) => {
  const ca = new Authority(t);
  const origin = await Origin.open(t);
  const tls = termsOf([ca.issue('DNS:a.example')]);
  const site = await Site.open(t, { app: { versions: { stable: [origin.address] } } }, { speech: { tls } });
  const shaking = connectPlainly(reachable(site.address));
  await once(shaking, 'connect');
  const peer = await connectSecurely(site.address, { ca: ca.cert, servername: 'a.example' });
  peer.say(get());
  const endpoint = await origin.next();
  await endpoint.message();
  const drained = site.plane.drain(10_000);
  await once(shaking, 'close');
  endpoint.say(ok('late'));
  assert.equal((await peer.message()).body, 'late');
  assert.equal(await peer.gone(), 'end');
  await drained;
});

function pairOf({ cert, key }: KeyPair): KeyPair {
  return { cert, key };
}
