import assert from 'node:assert/strict';
import http2 from 'node:http2';
import { type TestContext, test } from 'node:test';
import { Authority } from '../support/certificates.ts';
import { atEnd } from '../support/end.ts';
import { always, Origin } from '../support/origin.ts';
import { atLast, once } from '../support/patience.ts';
import { connect } from '../support/peer.ts';
import { connectSecurely, termsOf } from '../support/secure.ts';
import { get, Site, type SiteOptions } from '../support/site.ts';

async function open(t: TestContext, options: SiteOptions = {}) {
  const origin = await Origin.open(t, always('ok'));
  const site = await Site.open(t, { app: { versions: { v: [origin.address] } } }, options);
  /** Waits until so many connections are open at the first listener, and none at another. */
  const open = (http1: number, h2: number, opening: number) =>
    atLast(() =>
      assert.deepEqual(site.plane.connections, { [site.address]: { 'http/1.1': http1, h2, opening } }),
    );
  return { site, open };
}

test('connections are counted from their beginning to their end, whatever they are asked', async (t) => {
  const { site, open: are } = await open(t);
  await are(0, 0, 0);
  const silent = await site.connect();
  const client = await site.connect();
  client.say(get());
  await client.message();
  await are(2, 0, 0);
  silent.end();
  await are(1, 0, 0);
  client.reset();
  await are(0, 0, 0);
});

test('one that turns out to speak HTTP/2 is counted as that', async (t) => {
  const { site, open: are } = await open(t);
  const session = http2.connect(`http://${site.address}`);
  atEnd(t, () => session.destroy());
  const stream = session.request({ ':authority': 'a' });
  await once(stream, 'response');
  stream.resume();
  await are(0, 1, 0);
  session.close();
  await are(0, 0, 0);
});

test('one that has yet to say who it is, or to shake hands, is opening', async (t) => {
  const ca = new Authority(t);
  const tls = termsOf([ca.issue('DNS:a.example')]);
  const { site, open: are } = await open(t, { speech: { tls, proxyFrom: ['127.0.0.0/8'] } });
  const client = await site.connect();
  await are(0, 0, 1);
  client.say('PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n');
  client.say('\x16');
  await are(0, 0, 1);
  client.reset();
  await are(0, 0, 0);
});

test('after a handshake it is what is spoken inside', async (t) => {
  const ca = new Authority(t);
  const tls = termsOf([ca.issue('DNS:a.example')]);
  const { site, open: are } = await open(t, { speech: { tls } });
  const client = await connectSecurely(site.address, { ca: ca.cert, servername: 'a.example' });
  await are(1, 0, 0);
  client.socket.destroy();
  await are(0, 0, 0);
});

test('who says no more before hands are shaken is let go, and who does after is answered', async (t) => {
  const ca = new Authority(t);
  const tls = termsOf([ca.issue('DNS:a.example')]);
  const { site, open: are } = await open(t, { speech: { tls } });
  const short = await site.connect();
  short.say('\x16');
  await are(0, 0, 1);
  short.end();
  await short.gone();
  await are(0, 0, 0);
  const client = await connectSecurely(site.address, { ca: ca.cert, servername: 'a.example' });
  client.say(get());
  client.end();
  assert.equal((await client.message()).body, 'ok');
});

test('a listener that is closed is told of while it has connections, one that is open always', async (t) => {
  const { site } = await open(t);
  const other = await site.plane.listen('127.0.0.1:0');
  const client = await connect(other);
  atEnd(t, () => client.socket.destroy());
  const none = { 'http/1.1': 0, h2: 0, opening: 0 };
  const both = { [site.address]: none, [other]: { ...none, 'http/1.1': 1 } };
  await atLast(() => assert.deepEqual(site.plane.connections, both));
  site.plane.unlisten(other);
  assert.deepEqual(site.plane.connections, both);
  client.socket.destroy();
  await atLast(() => assert.deepEqual(site.plane.connections, { [site.address]: none }));
});
