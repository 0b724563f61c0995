import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { request, type ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { test } from 'node:test';
import { atEnd } from '../support/end.ts';
import { execute } from '../support/execute.ts';
import { once, until, within } from '../support/patience.ts';
import { origin, type Site, shop, startSite } from './site.ts';

interface Answer {
  readonly status: number;
  readonly retryAfter: string | undefined;
}

/** One GET on a connection of its own. */
function get(url: string): Promise<Answer> {
  const answered = new Promise<Answer>((resolve, reject) => {
    const asked = request(url, { agent: false }, (answer) => {
      answer.resume();
      answer.on('error', reject);
      answer.on('end', () =>
        resolve({ status: answer.statusCode ?? 0, retryAfter: answer.headers['retry-after'] }),
      );
    });
    asked.on('error', reject);
    asked.end();
  });
  return within('an answer', answered);
}

async function metrics(site: Site): Promise<string> {
  return (await fetch(`${site.admin}/metrics`)).text();
}

test('with no room for more connections every client is answered: by its version, or that it shall come again', async (t) => {
  const held: ServerResponse[] = [];
  const slow = await origin(t, (_request, response) => void held.push(response));
  const site = await startSite(t, shop(slow, slow, { overload: { descriptors: 128 } }));
  const statuses: number[] = [];
  const ask = async () => {
    const { status, retryAfter } = await get(site.proxy);
    if (status === 503) assert.equal(retryAfter, '1');
    statuses.push(status);
  };
  const answers: Promise<void>[] = [];
  // 128 less 96 for other things, half of it for clients: 16 a worker. Whichever is full leaves the rest to the other.
  await until(async () => {
    answers.push(ask());
    return held.length === 32;
  });
  await until(async () =>
    (await site.status()).workers.every(({ overloaded }) => overloaded === 'descriptors'),
  );
  await site.logged('too much to bear: no new connections');
  for (let i = 0; i < 20; i++) answers.push(ask());
  await until(async () => statuses.length === answers.length - 32);
  assert.deepEqual(new Set(statuses), new Set([503]));
  await until(async () => {
    const shed = /^spillway_connections_shed_total\{reason="descriptors"\} (\d+)$/m.exec(await metrics(site));
    return Number(shed?.[1]) === statuses.length;
  });
  assert.match(await metrics(site), /^spillway_overload_pressure\{worker="1",resource="descriptors"\} 1$/m);
  for (const response of held) response.end('served');
  await Promise.all(answers);
  assert.equal(statuses.filter((status) => status === 200).length, 32);

  await site.logged('new connections are taken again');
  const next = until(async () => (await get(site.proxy)).status === 200);
  const served = held.length;
  await until(async () => held.length > served);
  for (const response of held.slice(served)) response.end();
  await next;
});

test('a worker whose loop is late is seen to have too much to bear, and to be well again', async (t) => {
  const calm = await origin(t, (_request, response) => void response.end('served'));
  // From one signal to the next a worker is held up again and again.
  const burden = `if (process.env.SPILLWAY_WORKER) {
    let held;
    process.on('SIGUSR2', () => {
      if (held) clearInterval(held);
      else held = setInterval(() => { for (const end = Date.now() + 700; Date.now() < end; ); }, 1);
    });
  }`;
  const site = await startSite(t, shop(calm, calm, { overload: { loopDelay: 500 } }), {
    NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(burden)}`,
  });
  const first = async (wanted: 'loop' | undefined) => {
    const worker = (await site.status()).workers.find((each) => each.worker === 1);
    return worker?.overloaded === wanted ? worker : undefined;
  };
  const { pid } = await until(() => first(undefined));
  process.kill(pid, 'SIGUSR2');
  await until(() => first('loop'));
  process.kill(pid, 'SIGUSR2');
  await until(() => first(undefined));
});

test('a worker with more memory in use than it may have turns newcomers away, until it has less', async (t) => {
  const calm = await origin(t, (_request, response) => void response.end('served'));
  // From one signal to the next a worker holds some 500 MB, which it has written to.
  const burden = `if (process.env.SPILLWAY_WORKER) {
    let held;
    process.on('SIGUSR2', async () => {
      const v8 = await import('node:v8');
      const vm = await import('node:vm');
      v8.setFlagsFromString('--expose-gc');
      held = held ? undefined : Buffer.alloc(500e6, 1);
      vm.runInNewContext('gc')();
    });
  }`;
  const site = await startSite(t, shop(calm, calm, { workers: 1, overload: { memory: 400 } }), {
    NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(burden)}`,
  });
  const worker = async (wanted: 'memory' | undefined) => {
    const [only] = (await site.status()).workers;
    return only?.overloaded === wanted ? only : undefined;
  };
  const { pid } = await until(() => worker(undefined));
  process.kill(pid, 'SIGUSR2');
  await until(() => worker('memory'));
  assert.deepEqual(await get(site.proxy), { status: 503, retryAfter: '1' });
  await until(async () =>
    /^spillway_connections_shed_total\{reason="memory"\} 1$/m.test(await metrics(site)),
  );
  process.kill(pid, 'SIGUSR2');
  await until(() => worker(undefined));
  assert.equal((await get(site.proxy)).status, 200);
});

test('when the system has no descriptor left, who is served is served, and nobody blames the endpoint', async (t) => {
  const calm = await origin(t, (_request, response) => void response.end('served'));
  const site = await startSite(
    t,
    shop(calm, calm, {
      workers: 1,
      // It is not told how few there are.
      overload: { descriptors: 100_000 },
      timeouts: { head: 600_000, keepAlive: 600_000 },
    }),
  );
  const { hostname, port } = new URL(site.proxy);
  const client = () => connect({ host: hostname, port: Number(port) });
  const idle = client();
  await once(idle, 'connect');
  const pid = (await site.status()).workers[0]!.pid;
  const open = async () => (await readdir(`/proc/${pid}/fd`)).length;
  const most = (await open()) + 10;
  await execute('prlimit', `--pid=${pid}`, `--nofile=${most}:${most}`);
  const crowd = Array.from({ length: 60 }, () => client().on('error', () => {}));
  atEnd(t, () => {
    for (const socket of [idle, ...crowd]) socket.destroy();
  });
  await until(async () => (await open()) >= most);
  // The worker has looked at itself meanwhile, which takes descriptors too.
  await until(async () => {
    const told = /^spillway_overload_pressure\{worker="1",resource="descriptors"\} (\S+)$/m.exec(
      await metrics(site),
    );
    return Number(told?.[1]) > 12 / 100_000;
  });

  const heard = { text: '' };
  idle.on('data', (data) => {
    heard.text += data;
  });
  const ask = async (answer: RegExp) => {
    heard.text = '';
    idle.write('GET / HTTP/1.1\r\nhost: shop.example\r\n\r\n');
    await until(async () => answer.test(heard.text));
  };
  await ask(/^HTTP\/1\.1 503 .*"fault":"exhausted"/s);
  for (const socket of crowd) socket.destroy();
  await until(async () => (await open()) < most - 2);
  await ask(/^HTTP\/1\.1 200 .*served$/s);
  assert.equal((await site.get()).text, 'served');
});
