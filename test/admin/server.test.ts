import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { silent } from '../../src/base/log.ts';
import { once, patiently } from '../support/patience.ts';
import { openHouse, token } from './house.ts';

const WEIGHTS = '/v1/services/checkout/weights';

/** Sends bytes as they are and reads until the other side hangs up. */
async function exchange(address: string, bytes: string | Uint8Array): Promise<string> {
  const socket = connect(Number(address.split(':')[1]), '127.0.0.1');
  // Who is refused before all was sent may be reset.
  socket.on('error', () => {});
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk;
  });
  socket.write(bytes);
  await once(socket, 'close');
  return text;
}

function assertProblem(answer: string, status: number | undefined, what: string): void {
  const [head = '', body = ''] = answer.split('\r\n\r\n', 2);
  const [, got] = /^HTTP\/1\.1 (4\d\d) /.exec(head) ?? [];
  assert.ok(got, `${what}: ${head || 'no answer'}`);
  if (status !== undefined) assert.equal(Number(got), status, what);
  assert.match(head, /content-type: application\/problem\+json/i, what);
  assert.equal(JSON.parse(body).status, Number(got), what);
}

test('what is not there is 404, also without a token', async (t) => {
  const { ask } = await openHouse(t, { tokens: [token('eve', 'viewer')] });
  for (const path of ['/', '/v2', '/v1/services/a/b/c']) {
    const { status, headers, json } = await ask('GET', path);
    assert.equal(status, 404, path);
    assert.equal(headers.get('content-type'), 'application/problem+json; charset=utf-8');
    assert.deepEqual(Object.keys(json), ['type', 'title', 'status', 'detail', 'instance']);
    assert.equal(json.instance, path);
  }
});

test('another method than those there are is 405, and says which there are', async (t) => {
  const { ask } = await openHouse(t);
  for (const [method, path, allow] of [
    ['POST', '/v1/services', 'GET, HEAD'],
    ['GET', WEIGHTS, 'PUT'],
    ['PATCH', WEIGHTS, 'PUT'],
    ['GET', '/v1/services/checkout/rollback', 'POST'],
    ['OPTIONS', '/v1/services/checkout/versions/v1', 'DELETE, PUT'],
    ['DELETE', '/metrics', 'GET, HEAD'],
    ['HEAD', '/v1/events', 'GET'],
  ] as const) {
    const { status, headers } = await ask(method, path);
    assert.equal(status, 405, `${method} ${path}`);
    assert.equal(headers.get('allow'), allow);
  }
});

test('a body that is too large is 413, one that is not JSON 415, and one that is broken 400', async (t) => {
  const { ask, control } = await openHouse(t);
  const large = { weights: { stable: 100 }, reason: 'x'.repeat(65_536) };
  assert.equal((await ask('PUT', WEIGHTS, { body: large })).status, 413);
  const body = '{"weights":{"stable":0,"canary":100}}';
  for (const type of ['text/plain', 'application/xml', 'application/jsonp', 'garbage'])
    assert.equal((await ask('PUT', WEIGHTS, { body, headers: { 'content-type': type } })).status, 415, type);
  for (const broken of [
    '{',
    '{"weights":',
    '\u0000',
    '{"__proto__":{"a":1}}',
    '{"constructor":{"prototype":{"a":1}}}',
  ])
    assert.equal((await ask('PUT', WEIGHTS, { body: broken })).status, 400, broken);
  assert.equal(control.state().revision, 1);
});

test('who asks too often is told when to try again', async (t) => {
  const { ask } = await openHouse(t, { requestsPerMinute: 3 });
  for (const path of ['/v1/services', '/nowhere', '/metrics']) await ask('GET', path);
  for (const path of ['/v1/services', '/nowhere', '/metrics']) {
    const { status, headers, json } = await ask('GET', path);
    assert.equal(status, 429, path);
    assert.ok(Number(headers.get('retry-after')) <= 60);
    assert.match(json.detail, /More than 3 requests a minute/);
  }
});

test('what is not foreseen is 500, told to the log and not to the client', async (t) => {
  const logged: unknown[] = [];
  const log = { ...silent, error: (fields: object) => void logged.push(fields) };
  const { ask, control } = await openHouse(t, { log });
  const failure = new TypeError('the inside of the house');
  control.audit = async () => {
    throw failure;
  };
  const { status, text, json } = await ask('GET', '/v1/audit');
  assert.equal(status, 500);
  assert.equal(json.title, 'Internal Server Error');
  assert.doesNotMatch(text, /inside/);
  assert.deepEqual(logged, [{ method: 'GET', url: '/v1/audit', address: '127.0.0.1', err: failure }]);
});

test('bytes that are not HTTP get a problem and no second chance', async (t) => {
  const { address } = await openHouse(t);
  const close = 'connection: close\r\n\r\n';
  for (const [bytes, status] of [
    ['garbage\r\n\r\n', 400],
    ['GET / HTTP/1.1\r\nhost: a\r\nx y: z\r\n\r\n', 400],
    [`GET /live HTTP/1.1\r\n${close}`, 400],
    [`GET /v1/%zz HTTP/1.1\r\nhost: localhost\r\n${close}`, 400],
    [`GET /live HTTP/1.1\r\nhost: localhost\r\nexpect: wonders\r\n${close}`, 417],
    [`GET /live HTTP/1.1\r\nhost: localhost\r\nx: ${'x'.repeat(20_000)}\r\n${close}`, 431],
    [
      `POST ${WEIGHTS} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n${close}`,
      400,
    ],
  ] as const)
    assertProblem(await exchange(address, bytes), status, bytes.slice(0, 60));
});

test('HTTP/1.0 without a Host, as load balancers probe, is served', async (t) => {
  const { address } = await openHouse(t);
  assert.match(await exchange(address, 'GET /live HTTP/1.0\r\n\r\n'), /^HTTP\/1\.1 200 /);
});

test('a head that does not end is not waited for', async (t) => {
  const { address } = await openHouse(t);
  assertProblem(await exchange(address, 'GET /live HTTP/1.1\r\nhost: localhost\r\n'), 408, 'half a head');
});

test('whatever is sent, the answer is a problem with a 4xx, and the API lives on', async (t) => {
  const { address, ask, control } = await openHouse(t);
  const noise = fc.string({ unit: 'binary', maxLength: 60 });
  const header = fc.oneof(
    fc.constantFrom(
      ['content-type', 'application/json; charset=bogus'],
      ['content-encoding', 'gzip'],
      ['if-match', '"x"'],
      ['idempotency-key', '"'],
      ['authorization', 'Bearer'],
      ['x-reason', 'r'.repeat(1001)],
      ['content-length', '-1'],
      ['transfer-encoding', 'gzip'],
      ['sec-fetch-site', 'cross-site'],
      ['host', 'elsewhere'],
      ['upgrade', 'websocket'],
    ),
    fc.tuple(
      fc.stringMatching(/^[A-Za-z-]{1,12}$/),
      noise.map((text) => text.replace(/[^\x21-\x7e]/g, '~')),
    ),
  );
  const path = fc.oneof(
    fc.constantFrom(
      WEIGHTS,
      `${WEIGHTS}?timeout=1h`,
      '/v1/services/checkout/versions/v1',
      '/v1/services/constructor/rollback',
    ),
    noise.map((text) => `/${Buffer.from(text).toString('base64url')}`),
    noise.map((text) => `/${text.replace(/[^\x21-\x7e]/g, '%')}`),
  );
  const body = fc.oneof(
    noise,
    fc.json(),
    fc.json().map((value) => `{"weights":${value}}`),
    fc
      .json()
      .filter((value) => value !== '[]') // A version may be without endpoints.
      .map((value) => `{"endpoints":${value}}`),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom('PUT', 'POST', 'PATCH', 'PROPFIND', 'TRACE', 'A B'),
      path,
      fc.array(header, { maxLength: 4 }),
      body,
      async (method, target, headers, text) => {
        const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`).join('');
        const bytes = Buffer.from(text);
        const head = `${method} ${target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: ${bytes.length}\r\n${lines}\r\n`;
        assertProblem(await exchange(address, Buffer.concat([Buffer.from(head), bytes])), undefined, head);
      },
    ),
    { numRuns: 300 },
  );
  assert.equal((await ask('GET', '/v1/services')).status, 200);
  assert.equal(control.state().revision, 1);
});

test('closing lets requests under way finish, and waits for nobody who has not asked yet', async (t) => {
  const { address, admin, ask, workers } = await openHouse(t);
  const silentClient = connect(Number(address.split(':')[1]), '127.0.0.1');
  await once(silentClient, 'connect');
  const receipt = workers.receipt.bind(workers);
  let confirm = () => {};
  const asked = patiently<void>('the receipt to be asked for', (resolve) => {
    workers.receipt = async (...all) => {
      resolve();
      await new Promise<void>((done) => {
        confirm = done;
      });
      return receipt(...all);
    };
  });
  const change = ask('PUT', WEIGHTS, { body: { weights: { stable: 50, canary: 50 } } });
  await asked;
  const closed = admin.close();
  confirm();
  assert.equal((await change).json.receipt.live, true);
  await closed;
});
