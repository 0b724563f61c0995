import assert from 'node:assert/strict';
import { createServer as createPlainServer } from 'node:http';
import { createServer as createHttp2Server, createSecureServer } from 'node:http2';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parseAddress } from '../../src/model/address.ts';
import { HEALTH, type HealthPolicy } from '../../src/model/health.ts';
import type { Service } from '../../src/model/state.ts';

import type { Finding } from '../../src/upstream/inquiry.ts';
import { type Probed, probe } from '../../src/upstream/probe.ts';

import { Authority } from '../support/certificates.ts';
import { atEnd } from '../support/end.ts';
import { execute } from '../support/execute.ts';
import { endpoint as h2c } from '../support/h2c.ts';
import { introduced } from '../support/introduced.ts';
import { always, Origin, ok } from '../support/origin.ts';
import { eventually, once } from '../support/patience.ts';
import { reachable } from '../support/peer.ts';
import type { Draft } from '../support/site.ts';
import { docOf } from './world.ts';

async function probed(
  endpoint: string,
  policy: Partial<HealthPolicy> = {},
  draft: Partial<Draft> = {},
): Promise<Finding> {
  const service = docOf({ versions: { v: [endpoint] }, ...draft });
  const address = reachable(endpoint);
  return foundBy({
    endpoint,
    address,
    policy: { ...HEALTH, timeout: 30_000, ...policy },
    version: 'v',
    service,
  });
}

/** What a probe that could be made has found. */
async function foundBy(at: Probed): Promise<Finding> {
  const found = await probe(at);
  assert.ok(found !== undefined);
  return found;
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
    [204, 204, 'it answers 204'],
    [200, 204, 'it answers 200, which is not 204'],
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
  atEnd(t, () => {
    secure.close();
    secure.closeAllConnections();
  });
  const endpoint = `127.0.0.1:${(secure.address() as AddressInfo).port}`;
  const found = (service: Partial<Service>, policy: Partial<HealthPolicy>) =>
    foundBy({
      endpoint,
      address: reachable(endpoint),
      policy: { ...HEALTH, timeout: 30_000, ...policy },
      version: 'v',
      service: { ...docOf({ versions: { v: [endpoint] } }), ...service },
    });
  const tls = { ca: ca.file, serverName: 'shop.internal' };
  assert.deepEqual(await found({ tls }, { path: '/' }), { sound: true, says: 'it answers 200' });
  assert.deepEqual(await found({ tls }, {}), { sound: true, says: 'it accepts connections' });
  for (const policy of [{}, { path: '/' }]) {
    assert.equal((await found({ tls: { ...tls, serverName: 'other.internal' } }, policy)).sound, false);
    assert.equal((await found({ tls: { serverName: 'shop.internal' } }, policy)).sound, false);
  }
  assert.equal((await found({}, { path: '/' })).sound, false);
});

test('an endpoint that speaks HTTP/2 is asked in that, on a connection of its own', async (t) => {
  const asked: unknown[] = [];
  const { address, sessions } = await h2c(t, (stream, fields) => {
    asked.push([fields[':method'], fields[':path'], fields[':authority']]);
    const status = fields[':path'] === '/up' ? 200 : 503;
    stream.respond({ ':status': status });
    stream.end('x');
  });
  const found = (policy: Partial<HealthPolicy>) => probed(address, policy, { protocol: 'h2c' });
  assert.deepEqual(await found({ path: '/up' }), { sound: true, says: 'it answers 200' });
  assert.deepEqual(await found({ path: '/down', host: 'shop.example' }), {
    sound: false,
    says: 'it answers 503, which is not 200-399',
  });
  assert.deepEqual(asked, [
    ['GET', '/up', address],
    ['GET', '/down', 'shop.example'],
  ]);
  assert.equal(sessions.length, 2);
  await eventually('both connections to be gone', () => sessions.every(({ destroyed }) => destroyed));
  assert.deepEqual(await found({}), { sound: true, says: 'it accepts connections' });
  const plain = await Origin.open(t, always('ok'));
  assert.equal((await probed(plain.address, { path: '/up' }, { protocol: 'h2c' })).sound, false);
});

test('beside what requests speak there may be a health port of another scheme, with TLS or without', async (t) => {
  const { address, asked } = await answering(t, 200);
  const { port } = parseAddress(address) as { port: number };
  const plain = { path: '/up', port, scheme: 'http' } as const;
  for (const draft of [{ tls: {} }, { tls: {}, protocol: 'h2' }, { protocol: 'h2c' }] as const)
    assert.deepEqual(await probed('127.0.0.1:1', plain, draft), { sound: true, says: 'it answers 200' });
  assert.deepEqual(asked, Array(3).fill('GET /up HTTP/1.1 of 127.0.0.1:1'));
  assert.deepEqual(await probed('127.0.0.1:1', { port, scheme: 'http' }, { tls: {} }), {
    sound: true,
    says: 'it accepts connections',
  });

  const ca = new Authority(t);
  const secure = createServer(ca.issue('DNS:shop.internal'), (_, response) => response.end('ok'));
  secure.listen(0, '127.0.0.1');
  await once(secure, 'listening');
  atEnd(t, () => {
    secure.close();
    secure.closeAllConnections();
  });
  const sealed = { path: '/up', port: (secure.address() as AddressInfo).port, scheme: 'https' } as const;
  const tls = { ca: ca.file, serverName: 'shop.internal' };
  assert.ok((await probed('127.0.0.1:1', sealed, { tls, protocol: 'h2' })).sound);
  // Of a version without TLS it must be somebody whom everybody believes.
  assert.equal((await probed('127.0.0.1:1', sealed)).sound, false);
});

test('an endpoint that accepts connections and answers nothing is not sound, whatever it speaks', async (t) => {
  const frozen = await Origin.open(t, () => {});
  for (const protocol of ['http1', 'h2c'] as const) {
    const { sound, says } = await probed(frozen.address, { path: '/', timeout: 300 }, { protocol });
    assert.equal(sound, false);
    assert.match(says, /^it did not .* within 300 ms$/);
  }
  await Promise.all(frozen.peers.map((peer) => peer.gone()));
});

test('an endpoint that speaks HTTP/2 by TLS is asked by that, and must be the right one', async (t) => {
  const ca = new Authority(t);
  const secure = createSecureServer(ca.issue('DNS:shop.internal'));
  secure.on('stream', (stream) => stream.respond({ ':status': 204 }, { endStream: true }));
  secure.listen(0, '127.0.0.1');
  await once(secure, 'listening');
  atEnd(t, () => secure.close());
  const endpoint = `127.0.0.1:${(secure.address() as AddressInfo).port}`;
  const found = (serverName: string) =>
    probed(endpoint, { path: '/' }, { protocol: 'h2', tls: { ca: ca.file, serverName } });
  assert.deepEqual(await found('shop.internal'), { sound: true, says: 'it answers 204' });
  assert.equal((await found('other.internal')).sound, false);
});

test('an endpoint that expects a PROXY header is told that nobody is behind it, whatever is asked', async (t) => {
  const plain = await introduced(
    t,
    createPlainServer((_, response) => response.end()),
  );
  const http2 = await introduced(
    t,
    createHttp2Server((_, response) => response.end()),
  );
  for (const [proxyProtocol, own] of [
    ['v1', 'PROXY UNKNOWN\r\n'],
    ['v2', '\r\n\r\n\0\r\nQUIT\n\x20\0\0\0'],
  ] as const)
    for (const [door, protocol] of [
      [plain, 'http1'],
      [http2, 'h2c'],
    ] as const)
      for (const policy of [{ path: '/' }, {}]) {
        const before = door.headers.length;
        assert.ok((await probed(door.address, policy, { proxyProtocol, protocol })).sound);
        await eventually('the header', () => door.headers.length > before);
        assert.equal(door.headers.at(-1), own);
      }
});

test('without a descriptor of our own nothing is found out about endpoints, and requests are not their failures', async (t) => {
  const { address } = await answering(t, 200);
  const script = fileURLToPath(new URL('./lacking.js', import.meta.url));
  const told = await execute('prlimit', '--nofile=1024:1024', process.execPath, script, address);
  assert.deepEqual(JSON.parse(told), {
    before: { sound: true, says: 'it accepts connections' },
    lacking: ['unknown', 'unknown'],
    fault: 'exhausted',
    avoided: false,
    after: { sound: true, says: 'it answers 200' },
  });
});

/** An endpoint that answers health checks so, and what it was asked: path, type and body in hex. */
async function checked(t: TestContext, status: string, body: string) {
  const asked: unknown[] = [];
  const { address } = await h2c(t, (stream, fields) => {
    let read = '';
    stream.setEncoding('hex');
    stream.on('data', (text: string) => {
      read += text;
    });
    stream.on('end', () => {
      asked.push([fields[':method'], fields[':path'], fields['content-type'], read]);
      const head = { ':status': 200, 'content-type': 'application/grpc' };
      if (body === '') return stream.respond({ ...head, 'grpc-status': status }, { endStream: true });
      stream.respond(head, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': status }));
      stream.end(body, 'hex');
    });
  });
  return { address, asked };
}

test('an endpoint is asked for its health by gRPC, for a service or as a whole', async (t) => {
  const { address, asked } = await checked(t, '0', '00000000020801');
  for (const grpc of [true, 'shop'] as const)
    assert.deepEqual(await probed(address, { grpc }, { protocol: 'h2c' }), {
      sound: true,
      says: 'it says SERVING',
    });
  const [method, path, type] = ['POST', '/grpc.health.v1.Health/Check', 'application/grpc'];
  assert.deepEqual(asked, [
    [method, path, type, '0000000000'],
    [method, path, type, '00000000060a0473686f70'],
  ]);
});

for (const [status, body, says] of [
  ['0', '00000000020802', 'it says NOT_SERVING'],
  ['0', '00000000020803', 'it says SERVICE_UNKNOWN'],
  ['0', '0000000000', 'it says UNKNOWN'],
  ['0', '00000000020809', 'it says nothing that can be read'],
  ['0', '000000000208', 'it says nothing that can be read'],
  ['0', '01000000020801', 'it says nothing that can be read'],
  ['0', '6869', 'it says nothing that can be read'],
  ['0', '00'.repeat(2000), 'its answer is longer than 1024 bytes'],
  ['14', '00000000020801', 'its check ends with grpc-status 14'],
  ['12', '', 'its check ends with grpc-status 12: it has no such service or method'],
] as const)
  test(`of a check by gRPC that ends with ${status} and ${body.slice(0, 20) || 'no body'}, ${says}`, async (t) => {
    const { address } = await checked(t, status, body);
    assert.deepEqual(await probed(address, { grpc: true }, { protocol: 'h2c' }), { sound: false, says });
  });
