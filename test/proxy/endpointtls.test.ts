import assert from 'node:assert/strict';
import { copyFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import type { TlsOptions } from 'node:tls';
import type { EndpointTls } from '../../src/model/tls.ts';
import { Authority } from '../support/certificates.ts';
import { atEnd } from '../support/end.ts';
import { always, Origin } from '../support/origin.ts';
import { once } from '../support/patience.ts';
import { Site } from '../support/site.ts';

/** An endpoint by TLS that says who it is taken for, who asks, and whether the session is an old one. */
async function endpoint(
  t: TestContext,
  options: TlsOptions,
): Promise<{ port: number; requests: () => number }> {
  let requests = 0;
  const server = createServer(options, (request, response) => {
    requests++;
    const socket = request.socket as import('node:tls').TLSSocket & { servername: string | false };
    const asks = socket.getPeerCertificate().subject?.CN ?? 'nobody';
    response.setHeader('connection', 'close');
    response.end(`${socket.servername || 'none'} ${asks} ${socket.isSessionReused() ? 'again' : 'new'}`);
  });
  server.on('tlsClientError', () => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  atEnd(t, () => {
    server.close();
    server.closeAllConnections();
  });
  return { port: (server.address() as AddressInfo).port, requests: () => requests };
}

function siteWith(t: TestContext, port: number, tls: EndpointTls): Promise<Site> {
  return Site.open(t, { app: { versions: { stable: [`127.0.0.1:${port}`] }, tls } });
}

test('an endpoint is verified by authority and name, and asked for by it', async (t) => {
  const ca = new Authority(t);
  const { port } = await endpoint(t, ca.issue('DNS:shop.internal'));
  const site = await siteWith(t, port, { ca: ca.file, serverName: 'shop.internal' });
  assert.equal((await site.get()).body, 'shop.internal nobody new');
  assert.equal((await site.get()).body, 'shop.internal nobody again');
});

test('without a name of its own an endpoint is verified by its address', async (t) => {
  const ca = new Authority(t);
  const { port } = await endpoint(t, ca.issue('IP:127.0.0.1'));
  const site = await siteWith(t, port, { ca: ca.file });
  assert.equal((await site.get()).body, 'none nobody new');
});

for (const [what, terms] of [
  ['of an unknown authority', { serverName: 'shop.internal' }],
  ['for another name', { serverName: 'other.internal', known: true }],
  ['for no address', { known: true }],
] as const)
  test(`an endpoint with a certificate ${what} is sent nothing`, async (t) => {
    const ca = new Authority(t);
    const { port, requests } = await endpoint(t, ca.issue('DNS:shop.internal'));
    const { known, ...rest } = { known: false, ...terms };
    const site = await siteWith(t, port, { ...rest, ...(known && { ca: ca.file }) });
    const { line } = await site.get();
    assert.match(line, /^HTTP\/1\.1 503 /);
    assert.equal(requests(), 0);
    assert.deepEqual(site.counted('stable').faults, { insecure: 1, 'no-endpoint': 1 });
  });

test('an endpoint that is not verified may be anybody, if that is what was asked for', async (t) => {
  const ca = new Authority(t);
  const { port } = await endpoint(t, ca.issue('DNS:whoever'));
  const site = await siteWith(t, port, { verify: false });
  assert.match((await site.get()).line, / 200 /);
});

test('an endpoint that speaks plainly is no endpoint by TLS, and what it says first is not heard', async (t) => {
  const origin = await Origin.open(t);
  const site = await Site.open(t, {
    app: { versions: { stable: [origin.address] }, tls: { verify: false } },
  });
  const asked = site.get();
  const peer = await origin.next();
  peer.say('HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nforged');
  assert.match((await asked).line, / 503 /);
  assert.deepEqual(site.counted('stable').faults, { insecure: 1, 'no-endpoint': 1 });
});

test('an endpoint that asks for a certificate is shown one, and a new one once the files change', async (t) => {
  const ca = new Authority(t);
  const server = ca.issue('DNS:shop.internal');
  const { port } = await endpoint(t, { ...server, ca: ca.cert, requestCert: true, rejectUnauthorized: true });
  const own = ca.issue('DNS:proxy-1');
  const terms = { ca: ca.file, serverName: 'shop.internal', cert: own.certFile, key: own.keyFile };
  const site = await siteWith(t, port, terms);
  assert.equal((await site.get()).body, 'shop.internal proxy-1 new');

  // The files are looked at whenever a table is swapped, and every few seconds.
  const renew = () => site.adopt({ app: { versions: { stable: [`127.0.0.1:${port}`] }, tls: terms } });
  writeFileSync(own.certFile, 'half a certific');
  renew();
  assert.match((await site.get()).body, /^shop\.internal proxy-1 /);
  const next = ca.issue('DNS:proxy-2');
  copyFileSync(next.certFile, own.certFile);
  copyFileSync(next.keyFile, own.keyFile);
  renew();
  assert.equal((await site.get()).body, 'shop.internal proxy-2 new');

  const bare = await siteWith(t, port, { ca: ca.file, serverName: 'shop.internal' });
  assert.match((await bare.get()).line, / 50[23] /);
});

test('a version speaks as it says itself, and else as its service says', async (t) => {
  const ca = new Authority(t);
  const { port } = await endpoint(t, ca.issue('DNS:shop.internal'));
  const plain = await Origin.open(t, always('plain'));
  const draft = {
    versions: { stable: [`127.0.0.1:${port}`], canary: { endpoints: [plain.address], tls: false as const } },
    tls: { ca: ca.file, serverName: 'shop.internal' },
  };
  const site = await Site.open(t, { app: { ...draft, weights: { stable: 0, canary: 100 } } });
  assert.equal((await site.get()).body, 'plain');
  site.adopt({ app: draft });
  assert.match((await site.get()).body, /^shop\.internal /);
});
