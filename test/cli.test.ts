import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import type { ServiceList, ServiceView } from '../src/model/api.ts';
import type { Change } from '../src/model/record.ts';
import { version } from '../src/process/version.ts';
import { CLI, spillway } from './process/command.ts';
import { atEnd } from './support/end.ts';
import { once } from './support/patience.ts';

const VERBS = ['run', 'check', 'schema', 'quickstart', 'status', 'weights', 'rollback', 'rollout'];

interface Heard {
  readonly line: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: unknown;
}

/** An admin API that gives one answer to everything, and remembers what it was asked. */
async function adminThatSays(t: TestContext, status: number, answer: object) {
  const heard: Heard[] = [];
  const server = createServer(async (request, response) => {
    const body = await text(request);
    heard.push({
      line: `${request.method} ${request.url}`,
      headers: request.headers,
      body: body === '' ? undefined : JSON.parse(body),
    });
    const type = status < 300 ? 'application/json' : 'application/problem+json';
    response.writeHead(status, { 'content-type': type }).end(JSON.stringify(answer));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  atEnd(t, () => {
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, heard };
}

async function file(t: TestContext, content: string): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'spillway-cli-'));
  atEnd(t, () => rm(directory, { recursive: true }));
  const path = join(directory, 'spillway.yaml');
  await writeFile(path, content);
  return path;
}

const CHANGE: Change = {
  service: 'shop',
  revision: 12,
  changed: true,
  split: {
    weights: { stable: 95, canary: 5 },
    salt: 'x',
    hashVersion: 1,
    cause: 'weights',
    since: '2026-01-01T00:00:00.000Z',
  },
  durable: true,
  receipt: {
    revision: 12,
    live: true,
    workers: [
      { worker: 1, revision: 12 },
      { worker: 2, revision: 12 },
    ],
    missing: [],
  },
};

const SHOP: ServiceView = {
  name: 'shop',
  match: [{ path: '/' }],
  split: CHANGE.split,
  wholes: ['stable'],
  versions: {
    stable: {
      endpoints: ['127.0.0.1:9001'],
      weight: 95,
      inFlight: 3,
      totals: { requests: 1900, errors: 2, p50: 1.234, p95: 20, p99: 41.7 },
      standing: [
        { endpoint: '127.0.0.1:9001', state: 'unknown', used: true, says: '', since: CHANGE.split.since },
      ],
    },
    canary: {
      endpoints: ['127.0.0.1:9002'],
      weight: 5,
      inFlight: 0,
      totals: { requests: 0, errors: 0 },
      standing: [
        {
          endpoint: 'canary.internal:9002',
          address: '127.0.0.1:9002',
          state: 'down',
          used: false,
          says: 'it answers 500, which is not 200-399',
          since: CHANGE.split.since,
        },
      ],
    },
  },
};

test('--help names every verb and what the exit codes mean', async () => {
  const { code, out } = await spillway(['--help']);
  assert.equal(code, 0);
  for (const verb of VERBS) assert.match(out, new RegExp(`^  ${verb} `, 'm'));
  for (const exit of [0, 1, 2, 3, 4]) assert.match(out, new RegExp(`^  ${exit}  `, 'm'));
});

test('every verb explains itself', async () => {
  const helps = await Promise.all(VERBS.map((verb) => spillway([verb, '--help'])));
  for (const [index, { code, out }] of helps.entries()) {
    assert.equal(code, 0);
    assert.match(out, new RegExp(`^Usage: spillway ${VERBS[index]}`));
  }
});

test('--version tells the version of the package', async () => {
  assert.deepEqual(await spillway(['--version']), { code: 0, out: `${version}\n`, err: '' });
});

test('a command line that is not understood ends with 2, says why, and where to read on', async () => {
  const wrong: [string[], RegExp][] = [
    [[], /^$/],
    [['rol'], /no verb "rol".*rollback/],
    [['run'], /--config FILE/],
    [['run', '--confg', 'x'], /'--confg'.*\n.*spillway run --help/],
    [['weights', 'shop'], /Usage: spillway weights SERVICE VERSION=PERCENT/],
    [['weights', 'shop', 'stable'], /"stable" is not a weight.*canary=5/],
    [['weights', 'shop', 'a=50', 'a=50'], /"a" is given twice/],
    [['rollback', 'shop', '--if-match', 'x'], /"x" is not a revision/],
    [['status', '--timeout', '5 minutes'], /not a time to wait.*500ms/],
    [['status', '--admin', '127.0.0.1:8081'], /write http:\/\/127\.0\.0\.1:8081/],
  ];
  const outcomes = await Promise.all(wrong.map(([args]) => spillway(args)));
  for (const [index, { code, err }] of outcomes.entries()) {
    const [args, says] = wrong[index]!;
    assert.equal(code, 2, args.join(' '));
    assert.match(err, says);
  }
});

test('check says ok of a good file, and every fault of a bad one', async (t) => {
  const good = await file(
    t,
    `listen: [{ address: "127.0.0.1:0" }]
services:
  shop:
    match: [{ path: / }]
    versions: { stable: { endpoints: ["127.0.0.1:9001"] } }
    weights: { stable: 100 }
`,
  );
  assert.deepEqual(await spillway(['check', '--config', good]), { code: 0, out: 'ok\n', err: '' });

  const bad = await file(
    t,
    `listen: [{ address: "127.0.0.1" }]
services:
  shop:
    match: [{ path: / }]
    versions: { stable: { endpoints: ["127.0.0.1:9001"] } }
    weights: { stable: 99 }
`,
  );
  const { code, err } = await spillway(['check', '--config', bad]);
  assert.equal(code, 1);
  assert.match(err, /:1:\d+: .*a port is missing/);
  assert.match(err, /:6:\d+: .*add up to 99, not to 100/);
});

test('schema prints the JSON schema of config files', async () => {
  const { code, out } = await spillway(['schema']);
  assert.equal(code, 0);
  assert.ok('services' in JSON.parse(out).properties);
});

test('an admin API that cannot be reached ends with 3, and says which and how to name another', async () => {
  const { code, err } = await spillway(['status', '--admin', 'http://127.0.0.1:1']);
  assert.equal(code, 3);
  assert.match(err, /http:\/\/127\.0\.0\.1:1 does not answer.*ECONNREFUSED.*SPILLWAY_ADMIN/);
});

test('a refusal ends with 1 and the words of the server', async (t) => {
  const { url } = await adminThatSays(t, 422, {
    type: 'urn:spillway:problem:invalid',
    title: 'Unprocessable Entity',
    status: 422,
    detail: 'the weights add up to 99, not to 100',
    instance: '/v1/services/shop/weights',
  });
  const { code, err } = await spillway(['weights', 'shop', 'stable=99', '--admin', url]);
  assert.equal(code, 1);
  assert.match(err, /add up to 99, not to 100/);
});

test('weights sends what was asked, and who asks under which condition', async (t) => {
  const { url, heard } = await adminThatSays(t, 200, CHANGE);
  const { code, out } = await spillway(
    [
      'weights',
      'shop',
      'stable=95',
      'canary=5%',
      '--reason',
      'first step',
      '--if-match',
      '11',
      '--timeout',
      '3s',
    ],
    { SPILLWAY_ADMIN: url, SPILLWAY_TOKEN: 'secret' },
  );
  assert.equal(code, 0);
  const [asked] = heard;
  assert.equal(asked?.line, 'PUT /v1/services/shop/weights?wait=all&timeout=3000ms');
  assert.deepEqual(asked?.body, { weights: { stable: 95, canary: 5 }, reason: 'first step' });
  assert.equal(asked?.headers.authorization, 'Bearer secret');
  assert.equal(asked?.headers['if-match'], '"11"');
  assert.equal(out, 'shop, revision 12:\n  stable  95 %\n  canary   5 %\nLive on all 2 workers.\n');
});

test('rollback names a version only when told to', async (t) => {
  const { url, heard } = await adminThatSays(t, 200, CHANGE);
  await spillway(['rollback', 'shop', '--admin', url]);
  await spillway(['rollback', 'shop', '--to', 'v1', '--admin', url]);
  assert.deepEqual(
    heard.map(({ line, body }) => [line, body]),
    [
      ['POST /v1/services/shop/rollback?wait=all&timeout=2000ms', {}],
      ['POST /v1/services/shop/rollback?wait=all&timeout=2000ms', { to: 'v1' }],
    ],
  );
});

test('a change that a worker has not confirmed ends with 4 and names the worker', async (t) => {
  const receipt = { revision: 12, live: false, workers: [{ worker: 1, revision: 12 }], missing: [2] };
  const { url } = await adminThatSays(t, 200, { ...CHANGE, receipt });
  const { code, out } = await spillway(['rollback', 'shop', '--admin', url]);
  assert.equal(code, 4);
  assert.match(out, /Live on 1 of 2 workers; not confirmed by 2\./);
});

test('status shows a table of the versions, and --json what the server said', async (t) => {
  const list: ServiceList = {
    revision: 12,
    workers: [
      { worker: 1, pid: 4001, revision: 12 },
      { worker: 2, pid: 4002, revision: 11 },
    ],
    services: [SHOP],
  };
  const { url } = await adminThatSays(t, 200, list);
  const plain = await spillway(['status', '--admin', url]);
  assert.equal(plain.code, 0);
  assert.equal(
    plain.out,
    `Revision 12

SERVICE  VERSION  WEIGHT  REQUESTS  ERRORS      P50    P99  IN FLIGHT  ENDPOINTS
shop     stable     95 %      1900       2  1.23 ms  42 ms          3  127.0.0.1:9001
         canary      5 %         0       0        -      -          0  127.0.0.1:9002 (down: it answers 500, which is not 200-399)

WORKER   PID  REVISION
     1  4001  12
     2  4002  11 (behind)
`,
  );
  const json = await spillway(['status', '--json', '--admin', url]);
  assert.deepEqual(JSON.parse(json.out), list);
});

test('status of one service asks for that one alone', async (t) => {
  const { url, heard } = await adminThatSays(t, 200, SHOP);
  const { out } = await spillway(['status', 'shop', '--admin', url]);
  assert.equal(heard[0]?.line, 'GET /v1/services/shop');
  assert.match(out, /^SERVICE .*\nshop {5}stable /);
});

test('whoever reads no more, such as head, changes nothing of what a verb does, and gets no stack trace', async () => {
  const child = spawn(process.execPath, [CLI, 'schema'], { stdio: ['ignore', 'pipe', 'pipe'] });
  child.stdout.destroy();
  const [err, [code]] = await Promise.all([text(child.stderr), once(child, 'close')]);
  assert.deepEqual({ err, code }, { err: '', code: 0 });
});
