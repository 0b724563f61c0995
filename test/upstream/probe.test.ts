import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { parseAddress } from '../../src/model/address.ts';
import { HEALTH, type HealthPolicy } from '../../src/model/health.ts';
import type { Service } from '../../src/model/state.ts';
import { type Finding, probe } from '../../src/upstream/probe.ts';
import { Authority } from '../support/certificates.ts';
import { always, Origin, ok } from '../support/origin.ts';
import { reachable } from '../support/peer.ts';
import { docOf } from './world.ts';

function probed(endpoint: string, policy: Partial<HealthPolicy> = {}): Promise<Finding> {
  const service = docOf({ versions: { v: [endpoint] } });
  const address = reachable(endpoint);
  return probe({ endpoint, address, policy: { ...HEALTH, ...policy }, version: 'v', service });
}

/** An origin that answers with this status, and what it was asked. */
async function answering(t: TestContext, status: number) {
  const asked: string[] = [];
  const origin = await Origin.open(t, (peer, { line, field }) => {
    asked.push(`${line} of ${field('host')}`);
    peer.say(`HTTP/1.1 ${status} Whatever\r\ncontent-length: 0\r\n\r\n`);
  });
  return { address: origin.address, asked };
}

test('an endpoint is sound if its answer has a wanted status', async (t) => {
  for (const [status, wanted, says] of [
    [200, '200-399', 'it answers 200'],
    [302, '200-399', 'it answers 302'],
    [503, '200-399', 'it answers 503, which is not 200-399'],
    [204, '204', 'it answers 204'],
    [200, '204', 'it answers 200, which is not 204'],
  ] as const) {
    const { address, asked } = await answering(t, status);
    assert.deepEqual(await probed(address, { path: '/up?x=1', status: wanted }), {
      sound: !says.includes('not'),
      says,
    });
    assert.deepEqual(asked, [`GET /up?x=1 HTTP/1.1 of ${address}`]);
  }
});

test('every probe has a connection of its own, which is closed when it has its answer', async (t) => {
  const origin = await Origin.open(t, always('ok'));
  for (let i = 0; i < 3; i++) await probed(origin.address, { path: '/' });
  assert.equal(origin.peers.length, 3);
  await Promise.all(origin.peers.map((peer) => peer.gone()));
});

test('it may be asked for another host, at another port', async (t) => {
  const { address, asked } = await answering(t, 200);
  const { port } = parseAddress(address) as { port: number };
  assert.ok((await probed('127.0.0.1:1', { path: '/', port, host: 'shop.example' })).sound);
  assert.deepEqual(asked, ['GET / HTTP/1.1 of shop.example']);
});

test('one that hangs, breaks off, talks nonsense or is not there is not', async (t) => {
  const hanging = await Origin.open(t, () => {});
  assert.deepEqual(await probed(hanging.address, { path: '/', timeout: 50 }), {
    sound: false,
    says: 'it did not answer within 50 ms',
  });
  await hanging.peers[0]!.gone();
  const leaving = await Origin.open(t, (peer) => peer.socket.destroy());
  assert.equal(
    (await probed(leaving.address, { path: '/' })).says,
    'the endpoint closed the connection without an answer',
  );
  const babbling = await Origin.open(t, (peer) => peer.say('SSH-2.0-OpenSSH_9.2\r\n\r\n'));
  assert.match((await probed(babbling.address, { path: '/' })).says, /not well-formed/);
  babbling.close();
  assert.equal(
    (await probed(babbling.address, { path: '/' })).says,
    'the endpoint could not be connected to',
  );
  assert.match((await probed(babbling.address)).says, /ECONNREFUSED/);
});

test('without a path nothing is asked, and a connection is enough', async (t) => {
  const origin = await Origin.open(t, (peer) => peer.say(ok('asked')));
  assert.deepEqual(await probed(origin.address), { sound: true, says: 'it accepts connections' });
  await origin.peers[0]!.gone();
  assert.equal(origin.requests, 0);
});

test('an endpoint that speaks TLS is asked by TLS, and must be the right one', async (t) => {
  const ca = new Authority(t);
  const { cert, key } = ca.issue('DNS:shop.internal');
  const secure = createServer({ cert, key, ALPNProtocols: ['h2', 'http/1.1'] }, (_, response) =>
    response.end('ok'),
  );
  secure.listen(0, '127.0.0.1');
  await once(secure, 'listening');
  t.after(() => {
    secure.close();
    secure.closeAllConnections();
  });
  const endpoint = `127.0.0.1:${(secure.address() as AddressInfo).port}`;
  const found = (service: Partial<Service>, policy: Partial<HealthPolicy>) =>
    probe({
      endpoint,
      address: reachable(endpoint),
      policy: { ...HEALTH, ...policy },
      version: 'v',
      service: { ...docOf({ versions: { v: [endpoint] } }), ...service },
    });
  const tls = { ca: ca.file, serverName: 'shop.internal' };
  assert.deepEqual(await found({ tls }, { path: '/' }), { sound: true, says: 'it answers 200' });
  assert.deepEqual(await found({ tls }, {}), { sound: true, says: 'it accepts connections' });
  assert.ok((await found({ tls, protocol: 'h2' }, { path: '/' })).sound);
  for (const policy of [{}, { path: '/' }]) {
    assert.equal((await found({ tls: { ...tls, serverName: 'other.internal' } }, policy)).sound, false);
    assert.equal((await found({ tls: { serverName: 'shop.internal' } }, policy)).sound, false);
  }
  assert.equal((await found({}, { path: '/' })).sound, false);
});
