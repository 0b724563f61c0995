import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { test } from 'node:test';
import tls from 'node:tls';
import type { Config } from '../../src/model/settings.ts';
import { Authority } from '../support/certificates.ts';
import { atEnd } from '../support/end.ts';
import { atLast, eventually, once, patiently } from '../support/patience.ts';
import { connectSecurely } from '../support/secure.ts';
import {
  block,
  CANCEL,
  END_HEADERS,
  END_STREAM,
  frame,
  HEADERS,
  PREFACE,
  RST_STREAM,
  request,
  SETTINGS,
  uint32,
  WINDOW_UPDATE,
} from '../wire/h2/frames.ts';
import { Crowd, Toll } from './attacker.ts';
import { Load } from './load.ts';
import { origin, type Site, shop, startSite } from './site.ts';

/** Short times, for attackers that wait for one of them. */
const SHORT = { handshake: 500, head: 1000, body: 500, write: 500 };
/** Client connections that there may be, and how many of them others have. */
const CONNECTIONS = 350;
const OTHERS = 2;
/** TLS handshakes that may be under way. */
const HANDSHAKES = 100;
const MOST_BODY = 100_000;
/** What memory may grow by at most, MB: a heap breathes, but no attack has a claim on more. */
const MOST_MEMORY = 128;
/** The same where Node makes an object of every stream in a read before it says a word of any. */
const MOST_MEMORY_FOR_STREAMS = 256;

const PAGE = 'x'.repeat(32_768);
const REST = 'HTTP/1.1\r\nhost: shop\r\n\r\n';
const GET = 'GET / HTTP/1.1\r\nhost: shop\r\n';
const CHUNKED = 'POST / HTTP/1.1\r\nhost: shop\r\ntransfer-encoding: chunked\r\n\r\n';

function pour(response: ServerResponse): void {
  const more = () => {
    while (response.write(PAGE));
  };
  response.on('drain', more);
  more();
}

function configOf(endpoint: string, authority: Authority): Config {
  const { certFile, keyFile } = authority.issue('DNS:shop.test');
  const { services, ...rest } = shop(endpoint, endpoint);
  return {
    ...rest,
    listen: [
      { address: '127.0.0.1:0' },
      { address: '127.0.0.1:0', tls: { certificates: [{ cert: certFile, key: keyFile }] } },
    ],
    workers: 1,
    // Who is told something has time to hear it.
    timeouts: { linger: 30_000 },
    limits: { connections: CONNECTIONS, handshakes: HANDSHAKES },
    // A machine with too much to do turns nobody away here: what the attack leads to is to be seen.
    overload: { loopDelay: 60_000 },
    services: { shop: { ...services['shop']!, maxBodyBytes: MOST_BODY, timeouts: { keepAlive: 1000 } } },
  };
}

/** What a client says first to shake hands. */
async function clientHello(): Promise<Buffer> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = tls.connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1' });
  client.on('error', () => {});
  const [socket] = await once(server, 'connection');
  const [hello] = await once(socket, 'data');
  client.destroy();
  server.close();
  return hello;
}

async function faultsOf(site: Site, kind: string): Promise<number> {
  const metrics = await (await fetch(`${site.admin}/metrics`)).text();
  return [...metrics.matchAll(/^spillway_faults_total\{([^}]*)\} (\d+)$/gm)]
    .filter(([, labels]) => labels!.includes(`kind="${kind}"`))
    .reduce((sum, [, , count]) => sum + Number(count), 0);
}

/** A crowd, and what each of it is told. */
interface Told {
  readonly count: number;
  readonly opening: string | Buffer;
  readonly told: RegExp;
  /** What each goes on saying. */
  readonly drip?: string;
}

/** What is too much. */
const TOO_MUCH: Readonly<Record<string, Told>> = {
  'floods of fields': { count: 300, opening: GET + 'a: b\r\n'.repeat(5000), told: /^HTTP\/1.1 431 / },
  'huge heads': { count: 300, opening: `${GET}x: ${'x'.repeat(100_000)}`, told: /^HTTP\/1.1 431 / },
  'chunk extensions without end': {
    count: 200,
    opening: `${CHUNKED}1;${'e'.repeat(100_000)}`,
    told: /^HTTP\/1.1 400 /,
  },
  'trailers without end': {
    count: 200,
    opening: `${CHUNKED}0\r\n${'x: y\r\n'.repeat(20_000)}`,
    told: /^HTTP\/1.1 400 /,
  },
  'tiny chunks without end': {
    count: 40,
    opening: CHUNKED + '1\r\nx\r\n'.repeat(MOST_BODY + 1000),
    told: /^HTTP\/1.1 413 /,
  },
};

/** What is too slow. Whose first word came too late is told nothing. */
const TOO_SLOW: Readonly<Record<string, Told>> = {
  'heads that trickle in': { count: 300, opening: `${GET}x: `, told: /^(HTTP\/1.1 408 |$)/, drip: 'x' },
  'bodies that trickle in': {
    count: 300,
    opening: `POST / HTTP/1.1\r\nhost: shop\r\ncontent-length: ${MOST_BODY}\r\n\r\n`,
    told: /^(HTTP\/1.1 408 |$)/,
    drip: 'x',
  },
  'clients that are told to continue, and do not': {
    count: 200,
    opening: 'POST / HTTP/1.1\r\nhost: shop\r\ncontent-length: 9\r\nexpect: 100-continue\r\n\r\n',
    told: /^(HTTP\/1.1 100 .*HTTP\/1.1 408 |$)/s,
  },
};

test('under attack others are served, memory is bounded, and nothing is left behind', async (t) => {
  const authority = new Authority(t);
  /** Requests that the endpoint never answers. */
  let hanging = 0;
  const endpoint = await origin(t, (request, response) => {
    if (request.url === '/endless') return pour(response);
    if (request.url === '/never') {
      hanging++;
      return;
    }
    request.resume();
    request.on('end', () => response.end(request.url === '/page' ? PAGE : 'ok'));
  });
  const config = configOf(endpoint, authority);
  const site = await startSite(t, config);
  await eventually('both listeners', () => listeners(site).length === 2);
  const [plain, secure] = listeners(site) as [string, string];
  const { pid } = (await site.status()).workers[0]!;
  const load = new Load(site.proxy, { clients: OTHERS, pace: 5 });
  await load.start();
  atEnd(t, () => load.stop());
  await load.answered(200);

  /** `begin` resolves, when all of the attack is over, with what became of it. */
  async function attack(name: string, begin: () => Promise<string>, most = MOST_MEMORY): Promise<void> {
    await t.test(name, async (t) => {
      const toll = await Toll.of(pid);
      const before = load.total;
      const outcome = await begin();
      await load.answered(before + 20);
      const grown = await toll.paid();
      assert.deepEqual(load.failures, []);
      assert.ok(grown < most, `it grew by ${grown} MB`);
      t.diagnostic(`${outcome}; ${load.total - before} others served; memory at most ${grown} MB more`);
    });
  }

  /** The same of a crowd that connects, says what it has to, and is told something. */
  function tell(name: string, { count, opening, told, drip }: Told): Promise<void> {
    return attack(name, async () => {
      const crowd = new Crowd(plain, count, opening);
      await crowd.over(drip);
      assert.deepEqual(crowd.untold(told), []);
      assert.ok(crowd.told(/^HTTP/) > 0);
      return `${count} connections, each told ${told.source}`;
    });
  }

  for (const [name, told] of Object.entries(TOO_MUCH)) await tell(name, told);

  await attack('more connections than there may be', async () => {
    const crowd = new Crowd(plain, 600, `GET /never ${REST}`);
    const turnedAway = () => crowd.told(/^HTTP\/1.1 503 /);
    await eventually('all to wait, or to be told', () => hanging + turnedAway() === crowd.all.length);
    assert.ok(hanging < CONNECTIONS);
    crowd.leave();
    return `600 connections, ${turnedAway()} of them told 503`;
  });

  await attack('clients that close their side in the middle of a head', async () => {
    const crowd = new Crowd(plain, 300, GET);
    crowd.end();
    await crowd.over();
    assert.deepEqual(crowd.untold(/^HTTP\/1.1 400 /), []);
    return '300 connections, each told 400';
  });

  await attack('clients that close their side and have an answer to wait for', async () => {
    const crowd = new Crowd(plain, 200, `GET /never ${REST}`);
    crowd.end();
    await crowd.over();
    return '200 connections, each closed';
  });

  await attack('handshakes over and over on one connection', async () => {
    await Promise.all(Array.from({ length: 20 }, () => renegotiate(secure, authority)));
    return '20 connections, each refused';
  });

  const floodOfStreams = async () => {
    await new Crowd(plain, 20, rapidResets(1000)).over();
    return '20 connections of 1000 streams, each ended';
  };
  await attack(
    'streams of HTTP/2 that are reset as soon as they are opened',
    floodOfStreams,
    MOST_MEMORY_FOR_STREAMS,
  );

  await site.reload({ ...config, timeouts: SHORT }, 'the config is reloaded');
  for (const [name, told] of Object.entries(TOO_SLOW)) await tell(name, told);

  await attack('readers of an endless answer that hardly read', async () => {
    const before = await faultsOf(site, 'client-slow');
    const crowd = new Crowd(plain, 100, `GET /endless ${REST}`, false);
    await crowd.over('x');
    let slow = 0;
    await atLast(async () => {
      slow = (await faultsOf(site, 'client-slow')) - before;
      assert.ok(slow > 0);
    });
    return `100 connections, each cut off, ${slow} of them counted as client-slow so far`;
  });

  await attack('clients that ask and ask and do not read', async () => {
    const crowd = new Crowd(plain, 30, `GET /page ${REST}`.repeat(1000), false);
    await crowd.over('x');
    return '30 connections, each cut off';
  });

  await attack('streams of endless answers on connections that hardly read', async () => {
    const crowd = new Crowd(plain, 5, openWindows(40), false);
    await crowd.over(frame(WINDOW_UPDATE, 0, 0, uint32(1)).toString('latin1'));
    return '5 connections of 40 streams, each cut off';
  });

  const hello = await clientHello();
  await attack('handshakes that are begun and not finished', async () => {
    const openings = [hello, hello.subarray(0, 50), ''];
    await Promise.all(openings.map((opening) => new Crowd(secure, 200, opening).over()));
    return '600 connections, each closed';
  });
});

/** A connection of HTTP/2 with so many streams, none of which is to be answered. */
function rapidResets(count: number): Buffer {
  const streams = Array.from({ length: count }, (_, nth) => [
    frame(HEADERS, END_HEADERS | END_STREAM, 2 * nth + 1, block(request())),
    frame(RST_STREAM, 0, 2 * nth + 1, uint32(CANCEL)),
  ]);
  return Buffer.concat([Buffer.from(PREFACE, 'latin1'), frame(SETTINGS, 0, 0), ...streams.flat()]);
}

/** A connection of HTTP/2 with so many streams of endless answers, all of which may be sent at once. */
function openWindows(count: number): Buffer {
  const settings = Buffer.concat([Buffer.from([0, 4]), uint32(0x7fff_ffff)]);
  const endless = block(request([[':path', '/endless']]));
  const streams = Array.from({ length: count }, (_, nth) =>
    frame(HEADERS, END_HEADERS | END_STREAM, 2 * nth + 1, endless),
  );
  const preface = Buffer.from(PREFACE, 'latin1');
  return Buffer.concat([
    preface,
    frame(SETTINGS, 0, 0, settings),
    frame(WINDOW_UPDATE, 0, 0, uint32(0x7000_0000)),
    ...streams,
  ]);
}

/** Asks for another handshake on a connection whose hands are shaken; resolves once that is refused. */
async function renegotiate(to: string, { cert }: Authority): Promise<void> {
  const { tls: socket } = await connectSecurely(to, {
    ca: cert,
    servername: 'shop.test',
    maxVersion: 'TLSv1.2',
  });
  const refused = await patiently<boolean>('renegotiation to be refused', (resolve) => {
    socket.renegotiate({}, (fault) => resolve(fault !== null));
    socket.on('error', () => resolve(true));
    socket.on('close', () => resolve(true));
  });
  assert.ok(refused, 'hands were shaken');
  socket.destroy();
}

function listeners(site: Site): string[] {
  return site.lines.filter(({ msg }) => msg === 'listening').map(({ address }) => String(address));
}
