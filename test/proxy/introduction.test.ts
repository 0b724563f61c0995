import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import type { Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { proxyHeader } from '../../src/http/proxyprotocol.ts';
import type { Speech } from '../../src/model/tls.ts';
import { Authority } from '../support/certificates.ts';
import { atEnd } from '../support/end.ts';
import { type Introduced, introduced } from '../support/introduced.ts';
import { need } from '../support/need.ts';
import { always, Origin, ok } from '../support/origin.ts';
import { eventually, once } from '../support/patience.ts';
import type { Peer } from '../support/peer.ts';
import { connectSecurely, termsOf } from '../support/secure.ts';
import { type Draft, get, Site } from '../support/site.ts';

const HERE = { address: '203.0.113.1', port: 443 };
const TRUSTING: Partial<Speech> = { proxyFrom: ['127.0.0.0/8'] };

/** The connection of a client that is told apart by its port. */
function endsOf(port: number) {
  return { source: { address: '198.51.100.7', port }, destination: HERE };
}

/** Answers with the header that the request's connection began with, a character a byte. */
type Listening = (answer: http.RequestListener) => Server;

const PLAIN: Listening = (answer) => http.createServer(answer);
const H2C: Listening = (answer) =>
  http2.createServer((request, response) => answer(request as never, response as never));

async function telling(t: TestContext, listening: Listening): Promise<Introduced> {
  const door = await introduced(
    t,
    listening(({ socket }, response) => {
      response.end(door.headerOf(socket.remotePort), 'latin1');
    }),
  );
  return door;
}

test('an endpoint is told of both ends of the connection before the first request, and once', async (t) => {
  for (const proxyProtocol of ['v1', 'v2'] as const) {
    const origin = await Origin.open(t);
    const site = await Site.open(t, { app: { versions: { stable: [origin.address] }, proxyProtocol } });
    const client = await site.connect();
    client.say(get());
    const peer = await origin.next();
    const from = client.socket.localPort!;
    const to = Number(site.address.split(':')[1]);
    const bytes = Buffer.from([127, 0, 0, 1, 127, 0, 0, 1, from >> 8, from & 0xff, to >> 8, to & 0xff]);
    const wanted = {
      v1: `PROXY TCP4 127.0.0.1 127.0.0.1 ${from} ${to}\r\n`,
      v2: `\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c${bytes.toString('latin1')}`,
    }[proxyProtocol];
    const head = await peer.take('x-forwarded-for: 127.0.0.1\r\n');
    assert.equal(head.slice(0, wanted.length), wanted);
    assert.match(head.slice(wanted.length), /^GET \/ HTTP/);
    peer.say(ok('one'));
    await client.message();
    peer.heard = '';
    client.say(get('', '/again'));
    assert.match(await peer.take('\r\n\r\n'), /^GET \/again /);
    assert.equal(origin.peers.length, 1);
  }
});

test('the ends are those that a header at our listener tells of', async (t) => {
  const door = await telling(t, PLAIN);
  const site = await Site.open(
    t,
    { app: { versions: { stable: [door.address] }, proxyProtocol: 'v1' } },
    { speech: TRUSTING },
  );
  const six = {
    source: { address: '2001:db8::7', port: 4711 },
    destination: { address: '2001:db8::1', port: 80 },
  };
  const client = await site.connect();
  client.say(proxyHeader('v2', six) + get('x-forwarded-for: 10.0.0.1\r\n'));
  assert.equal((await client.message()).body, 'PROXY TCP6 2001:db8::7 2001:db8::1 4711 80\r\n');
  const proxy = await site.connect();
  proxy.say(proxyHeader('v2', undefined) + get());
  const own = `PROXY TCP4 127.0.0.1 127.0.0.1 ${proxy.socket.localPort} ${site.address.split(':')[1]}\r\n`;
  assert.equal((await proxy.message()).body, own, 'a proxy that speaks for itself is the client');
});

test('of a client on a Unix socket there is nothing to tell', async (t) => {
  const { directory } = new Authority(t);
  const door = await telling(t, PLAIN);
  const app: Draft = { versions: { stable: [door.address] }, proxyProtocol: 'v1' };
  const site = await Site.open(t, { app }, { at: `unix:${directory}/proxy.sock` });
  assert.equal((await site.get()).body, 'PROXY UNKNOWN\r\n');
});

test('each version is spoken to as it says, also when one stands in for another', async (t) => {
  const door = await telling(t, PLAIN);
  const bare = await Origin.open(t, always('bare'));
  const broken = await introduced(
    t,
    http.createServer((_, response) => response.writeHead(503).end()),
  );
  const rescue = { on: [503 as const] };
  for (const [to, endpoint, own, wanted] of [
    ['other', bare.address, false, /^bare$/],
    ['other', door.address, 'v1', /^PROXY TCP4 /],
  ] as const) {
    const versions = {
      stable: { endpoints: [broken.address] },
      [to]: { endpoints: [endpoint], proxyProtocol: own },
    };
    const app: Draft = { versions, proxyProtocol: 'v2', rescue: { to, ...rescue } };
    const site = await Site.open(t, { app });
    const answer = await site.get();
    assert.match(answer.body, wanted);
    assert.equal(answer.field('x-spillway-rescued'), '1');
  }
  assert.ok(broken.headers.every((header) => header.startsWith('\r\n\r\n\0\r\nQUIT\n\x21\x11')));
});

test('a WebSocket is introduced as well', async (t) => {
  const server = http.createServer();
  server.on('upgrade', (_, socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nhi');
  });
  const door = await introduced(t, server);
  const site = await Site.open(t, { app: { versions: { stable: [door.address] }, proxyProtocol: 'v1' } });
  const client = await site.connect();
  client.say(get('connection: upgrade\r\nupgrade: websocket\r\n'));
  assert.match(await client.take('hi'), / 101 /);
  assert.match(door.headers[0]!, new RegExp(`^PROXY TCP4 .* ${client.socket.localPort} `));
});

test('the header goes before TLS, in plain, with the same care for whom it is', async (t) => {
  const ca = new Authority(t);
  const pair = ca.issue('DNS:shop.internal');
  for (const [protocol, listening] of [
    ['http1', (answer) => https.createServer(pair, answer)],
    [
      'h2',
      (answer) =>
        http2.createSecureServer(pair, (request, response) => answer(request as never, response as never)),
    ],
  ] as const satisfies readonly (readonly [string, Listening])[]) {
    const door = await telling(t, listening);
    const app = (serverName: string): Draft => ({
      versions: { stable: [door.address] },
      protocol,
      proxyProtocol: 'v1',
      tls: { ca: ca.file, serverName },
    });
    const site = await Site.open(t, { app: app('shop.internal') });
    for (let i = 0; i < 2; i++) {
      const client = await site.connect();
      for (let request = 0; request < 2; request++) {
        client.say(get());
        assert.match((await client.message()).body, new RegExp(` ${client.socket.localPort} \\d+\r\n$`));
      }
    }
    assert.equal(door.headers.length, 2);
    site.adopt({ app: app('other.internal') });
    assert.equal(JSON.parse((await site.get()).body).fault, 'no-endpoint');
    assert.equal(site.counted('stable').faults['insecure'], 1);
  }
});

test('where nobody listens, a header changes nothing', async (t) => {
  const ca = new Authority(t);
  const closed = await Origin.open(t);
  closed.close();
  for (const draft of [{}, { tls: { ca: ca.file } }, { protocol: 'h2c' }] as const) {
    const versions = { stable: [closed.address] };
    const site = await Site.open(t, { app: { versions, proxyProtocol: 'v1', ...draft } });
    assert.equal((await site.get()).field('x-spillway-version'), 'stable');
    assert.equal(site.counted('stable').faults['refused'], 1);
  }
});

test('the clients of HTTP/2, with TLS or without, are told of as their connections', async (t) => {
  const ca = new Authority(t);
  const door = await telling(t, H2C);
  const app: Draft = { versions: { stable: [door.address] }, protocol: 'h2c', proxyProtocol: 'v2' };
  const tls = termsOf([ca.issue('DNS:a.example')]);
  const site = await Site.open(t, { app }, { speech: { ...TRUSTING, tls, http2: true } });
  const plain = await site.connect();
  plain.socket.removeAllListeners('data');
  plain.say(proxyHeader('v1', endsOf(7)));
  const peer: Peer = await connectSecurely(site.address, {
    ca: ca.cert,
    servername: 'a.example',
    ALPNProtocols: ['h2'],
    socket: plain.socket,
  });
  peer.socket.removeAllListeners('data');
  const session = http2.connect('https://a.example', { createConnection: () => peer.socket });
  atEnd(t, () => session.destroy());
  const told = await Promise.all(
    [1, 2, 3].map(async () => {
      const stream = session.request({ ':path': '/' });
      let body = '';
      for await (const data of stream) body += (data as Buffer).toString('latin1');
      return body;
    }),
  );
  const header = proxyHeader('v2', endsOf(7));
  assert.deepEqual(told, [header, header, header]);
  assert.deepEqual(door.headers, [header], 'its streams share a connection');
});

for (const [what, listening, protocol] of [
  ['HTTP/1.1', PLAIN, 'http1'],
  ['HTTP/2', H2C, 'h2c'],
] as const)
  test(`over ${what} no two clients ever share a connection, however few there may be`, async (t) => {
    const door = await telling(t, listening);
    const client = fc.integer({ min: 1, max: 4 });
    const batches = fc.array(fc.array(client, { minLength: 1, maxLength: 6 }), {
      minLength: 1,
      maxLength: 5,
    });
    const proxyProtocol = fc.constantFrom('v1' as const, 'v2' as const);
    await fc.assert(
      fc.asyncProperty(
        batches,
        proxyProtocol,
        fc.integer({ min: 1, max: 3 }),
        async (rounds, proxyProtocol, connections) => {
          const site = await Site.open(
            t,
            { app: { versions: { v: [door.address] }, protocol, proxyProtocol, limits: { connections } } },
            { speech: TRUSTING },
          );
          for (const round of rounds) {
            const bodies = await Promise.all(
              round.map(async (port) => {
                const peer = await site.connect();
                peer.say(proxyHeader('v1', endsOf(port)) + get());
                const { body } = await peer.message();
                peer.socket.destroy();
                return body;
              }),
            );
            assert.deepEqual(
              bodies,
              round.map((port) => proxyHeader(proxyProtocol, endsOf(port))),
            );
          }
          await site.plane.drain(0);
        },
      ),
      { numRuns: 25 },
    );
  });

test('a connection is used again for its own client, and the oldest gives way to another one', async (t) => {
  for (const [listening, protocol] of [
    [PLAIN, 'http1'],
    [H2C, 'h2c'],
  ] as const) {
    const door = await telling(t, listening);
    const app: Draft = {
      versions: { v: [door.address] },
      protocol,
      proxyProtocol: 'v1',
      limits: { connections: 2, pending: 0 },
    };
    const site = await Site.open(t, { app }, { speech: TRUSTING });
    for (const port of [1, 2, 1, 2, 3, 2, 3, 1]) {
      const peer = await site.connect();
      peer.say(proxyHeader('v1', endsOf(port)) + get());
      assert.equal((await peer.message()).body, proxyHeader('v1', endsOf(port)));
    }
    const ports = door.headers.map((header) => Number(header.split(' ')[4]));
    assert.deepEqual(ports, [1, 2, 3, 1]);
  }
});

test('a connection goes with the client that it was introduced for, and no other does', async (t) => {
  for (const [listening, protocol] of [
    [PLAIN, 'http1'],
    [H2C, 'h2c'],
  ] as const) {
    const door = await telling(t, listening);
    const app: Draft = { versions: { v: [door.address] }, protocol, proxyProtocol: 'v1' };
    const site = await Site.open(t, { app }, { speech: TRUSTING });
    const [one, other] = [await site.connect(), await site.connect()];
    for (const [client, port] of [
      [one, 1],
      [other, 2],
    ] as const) {
      client.say(proxyHeader('v1', endsOf(port)) + get());
      await client.message();
    }
    assert.equal(door.open, 2);
    one.socket.destroy();
    await eventually('its connection to close', () => door.open === 1);
    other.say(get());
    assert.equal((await other.message()).body, proxyHeader('v1', endsOf(2)));
    assert.equal(door.headers.length, 2, 'the other goes on with the one it had');
  }
});

for (const proxyProtocol of ['v1', 'v2'] as const)
  test(`HAProxy believes what it is told by ${proxyProtocol}, over HTTP/1.1, HTTP/2 and TLS`, async (t) => {
    if (!need(t, 'haproxy')) return;
    const ca = new Authority(t);
    const { certFile, keyFile, cert, key } = ca.issue('DNS:shop.internal');
    assert.ok(certFile && keyFile);
    const directory = mkdtempSync(join(tmpdir(), 'spillway-haproxy-'));
    atEnd(t, () => rmSync(directory, { recursive: true, force: true }));
    const at = (name: string) => join(directory, `${name}.sock`);
    writeFileSync(join(directory, 'pair.pem'), cert + key);
    writeFileSync(
      join(directory, 'haproxy.cfg'),
      [
        'defaults',
        '  mode http',
        '  timeout client 60s',
        '  timeout connect 60s',
        '  timeout server 60s',
        'frontend told',
        `  bind unix@${at('http1')} accept-proxy`,
        `  bind unix@${at('h2c')} accept-proxy proto h2`,
        `  bind unix@${at('tls')} accept-proxy ssl crt ${directory}/pair.pem alpn h2,http/1.1`,
        '  http-request return status 200 content-type text/plain lf-string "%[src] %[src_port] %[dst] %[dst_port]"',
        '',
      ].join('\n'),
    );
    const haproxy = spawn('haproxy', ['-db', '-f', join(directory, 'haproxy.cfg')], { stdio: 'ignore' });
    atEnd(t, async () => {
      if (haproxy.kill('SIGKILL')) await once(haproxy, 'close');
    });
    await eventually('HAProxy to listen', () =>
      ['http1', 'h2c', 'tls'].every((name) => existsSync(at(name))),
    );
    const tls = { ca: ca.file, serverName: 'shop.internal' };
    for (const [name, draft] of [
      ['http1', {}],
      ['h2c', { protocol: 'h2c' }],
      ['tls', { tls }],
      ['tls', { tls, protocol: 'h2' }],
    ] as const) {
      const app: Draft = { versions: { v: [`unix:${at(name)}`] }, proxyProtocol, ...draft };
      const site = await Site.open(t, { app }, { speech: TRUSTING });
      for (const port of [4711, 4712]) {
        const client = await site.connect();
        client.say(proxyHeader('v2', endsOf(port)));
        for (let request = 0; request < 2; request++) {
          client.say(get());
          const { body } = await client.message();
          assert.equal(body, `198.51.100.7 ${port} 203.0.113.1 443`);
        }
      }
    }
  });
