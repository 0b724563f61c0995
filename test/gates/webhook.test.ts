import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import { awaitGate } from '../../src/gates/gate.ts';
import { askWebhook, decommission } from '../../src/gates/webhook.ts';
import type { Gate } from '../../src/model/gate.ts';
import { once } from '../support/patience.ts';
import { broken, circumstancesOf, HandWorld, mute, Receiver, untroubled } from './parts.ts';

type Webhook = Extract<Gate, { kind: 'webhook' }>;

const SECRET = 'sixteen letters and more';

function gateTo(receiver: Receiver | string, rest: Partial<Webhook> = {}): Webhook {
  const url = typeof receiver === 'string' ? receiver : `http://${receiver.address}/hook?a=b`;
  return { name: 'tests', moment: 'before', kind: 'webhook', url, allowPrivate: true, ...rest };
}

function ask(gate: Webhook, world = new HandWorld(), signal = untroubled()) {
  return askWebhook(gate, circumstancesOf(), world, signal);
}

test('An answer of 2xx passes, and the receiver was told what it is about', async (t) => {
  const receiver = await Receiver.open(t, 204);
  const gate = gateTo(receiver, { headers: { 'X-Team': 'shop', 'Content-Type': 'text/plain' } });
  assert.deepEqual(await ask(gate), { answer: 'pass', says: `${receiver.address} answered 204` });
  const { method, url, headers, body } = await receiver.next();
  assert.equal(`${method} ${url}`, 'POST /hook?a=b');
  assert.equal(headers.connection, 'close');
  assert.equal(headers['x-team'], 'shop');
  assert.equal(headers['content-type'], 'application/json');
  assert.equal(headers['x-spillway-signature'], undefined);
  assert.deepEqual(JSON.parse(body), {
    id: 'r1.1.gate',
    service: 'shop',
    rollout: 'r1',
    baseline: 'v1',
    candidate: 'v2',
    build: 'sha-2',
    phase: { at: 'waiting', door: 'start', passed: [], since: 0 },
    weights: { v1: 95, v2: 5 },
    gate: 'tests',
    moment: 'before',
  });
});

test('The signature is the HMAC of the time and the body, made anew for each try', async (t) => {
  const receiver = await Receiver.open(t, broken);
  const world = new HandWorld({ HOOK_SECRET: SECRET });
  const asking = ask(gateTo(receiver, { secret: 'env:HOOK_SECRET' }), world);
  const first = await receiver.next();
  receiver.manner = 200;
  await world.pass(1000);
  assert.equal((await asking).answer, 'pass');
  const second = await receiver.next();
  const noon = Date.UTC(2026, 0, 1, 12) / 1000;
  for (const [{ headers, body }, t] of [
    [first, noon],
    [second, noon + 1],
  ] as const) {
    const hex = createHmac('sha256', SECRET).update(`${t}.${body}`).digest('hex');
    assert.equal(headers['x-spillway-signature'], `t=${t},v1=${hex}`);
  }
  assert.equal(first.body, second.body);
});

test('Any other answer fails, and says what the receiver said, but never a secret', async (t) => {
  const receiver = await Receiver.open(t, ({ headers, response }) =>
    response.writeHead(403).end(`not\tbefore\n Monday, ${headers.authorization} ${'x'.repeat(300)}`),
  );
  const world = new HandWorld({ TOKEN: 'Bearer abc' });
  const headers = { authorization: 'env:TOKEN', 'x-a': '', 'x-b': 'not' };
  const { answer, says } = await ask(gateTo(receiver, { headers }), world);
  assert.equal(answer, 'fail');
  assert.match(says, /answered 403: not before Monday, \*\*\* x+…$/);
  assert.ok(says.length < 260);
  assert.equal(receiver.received[0]?.headers.authorization, 'Bearer abc');
});

test('Redirects are not followed', async (t) => {
  const elsewhere = await Receiver.open(t);
  const receiver = await Receiver.open(t, ({ response }) =>
    response.writeHead(307, { location: `http://${elsewhere.address}/` }).end(),
  );
  assert.equal((await ask(gateTo(receiver))).answer, 'fail');
  assert.equal(elsewhere.received.length, 0);
});

test('An endless answer is read no further than it takes to quote it', async (t) => {
  const receiver = await Receiver.open(t, ({ response }) => {
    response.writeHead(200);
    const pour = () => {
      while (response.write('x'.repeat(65_536)));
    };
    response.on('drain', pour);
    pour();
  });
  assert.equal((await ask(gateTo(receiver))).answer, 'pass');
});

test('Without an answer it is asked again with growing pauses, and is unknown in the end', async (t) => {
  const receiver = await Receiver.open(t, broken);
  const world = new HandWorld();
  const asking = ask(gateTo(receiver), world);
  for (const ms of [1000, 2000, 4000]) await world.pass(ms);
  const { answer, says } = await asking;
  assert.equal(answer, 'unknown');
  assert.match(says, /could not be asked, try 4: other side closed/);
  assert.equal(receiver.received.length, 4);
});

test('A receiver that does not answer in time is asked no longer', async (t) => {
  const receiver = await Receiver.open(t, mute);
  const world = new HandWorld();
  const asking = ask(gateTo(receiver, { timeout: 3, retries: 0 }), world);
  const { response } = await receiver.next();
  const left = once(response, 'close');
  await world.pass(3000);
  assert.match((await asking).says, /no answer within 3000 ms/);
  await left;
});

test('A receiver that drips its answer is cut off in time too', async (t) => {
  const receiver = await Receiver.open(t, ({ response }) => response.writeHead(200).write('a'));
  const world = new HandWorld();
  const asking = ask(gateTo(receiver, { retries: 0 }), world);
  await receiver.next();
  await world.pass(10_000);
  assert.equal((await asking).answer, 'unknown');
});

test('Nobody listening is no answer', async (t) => {
  const receiver = await Receiver.open(t);
  const nobody = `http://127.0.0.1:1/`;
  const { answer, says } = await ask(gateTo(nobody, { retries: 0 }));
  assert.equal(answer, 'unknown');
  assert.match(says, /127\.0\.0\.1:1 could not be asked.*ECONNREFUSED/);
  assert.equal(receiver.received.length, 0);
});

test('Cancelling ends the asking at once, while it waits for an answer and while it pauses', async (t) => {
  const receiver = await Receiver.open(t, mute);
  const world = new HandWorld();
  for (const manner of [mute, broken]) {
    receiver.manner = manner;
    const cancelled = new AbortController();
    const asking = ask(gateTo(receiver), world, cancelled.signal);
    await receiver.next();
    await world.pausing(manner === mute ? 10_000 : 1000);
    cancelled.abort(new Error('no longer wanted'));
    await assert.rejects(asking, /no longer wanted/);
    assert.deepEqual(world.pauses, []);
  }
});

test('A private address is refused unless it is allowed, by number and by name', async (t) => {
  const receiver = await Receiver.open(t);
  const port = receiver.address.split(':')[1];
  const world = new HandWorld({}, { 'hooks.example': ['93.184.216.34', '127.0.0.1'] });
  for (const host of ['127.0.0.1', '2130706433', '0x7f.1', '[::ffff:127.0.0.1]', 'hooks.example']) {
    const { answer, says } = await ask(gateTo(`http://${host}:${port}/`, { allowPrivate: false }), world);
    assert.equal(answer, 'unknown');
    assert.match(says, /leads to a private address; say allowPrivate: true/);
  }
  assert.equal(receiver.received.length, 0);
});

test('A name is resolved once, and what was checked is what is connected to', async (t) => {
  const receiver = await Receiver.open(t);
  const port = receiver.address.split(':')[1];
  const world = new HandWorld({}, { 'hooks.example': ['127.0.0.1'] });
  assert.equal((await ask(gateTo(`http://hooks.example:${port}/`), world)).answer, 'pass');
  assert.deepEqual(world.asked, ['hooks.example']);
  assert.equal((await receiver.next()).headers.host, `hooks.example:${port}`);
});

test('What a person has to mend is told at once, with the cure', async () => {
  const world = new HandWorld({ SHORT: 'short' });
  for (const [gate, cure] of [
    [{ secret: 'env:ABSENT' }, /variable ABSENT is not set/],
    [{ secret: 'env:SHORT' }, /secret env:SHORT is too short; it takes 16/],
    [{ headers: { authorization: 'env:ABSENT' } }, /variable ABSENT is not set/],
    [{ url: 'http://' }, /url cannot be read; write it as/],
    [{ headers: { 'x-a': 'line\r\nx-b: 1' } }, /invalid/],
  ] as const) {
    const { answer, says } = await ask(gateTo('http://127.0.0.1:1/', { ...gate, retries: 0 }), world);
    assert.equal(answer, 'unknown');
    assert.match(says, cure);
  }
});

test('A name that is being looked up for too long is no answer', async () => {
  const world = new HandWorld();
  world.resolve = () => new Promise(() => {});
  const asking = ask(gateTo('http://hooks.example/', { retries: 0 }), world);
  await world.pass(10_000);
  assert.match((await asking).says, /no answer within 10000 ms/);
});

test('A name that cannot be resolved is no answer', async () => {
  const { answer, says } = await ask(gateTo('http://nowhere.example/', { retries: 0 }));
  assert.equal(answer, 'unknown');
  assert.match(says, /nowhere\.example cannot be resolved: getaddrinfo ENOTFOUND/);
});

test('A no means not yet until its deadline, and then it is a no', async (t) => {
  const receiver = await Receiver.open(t, 409);
  const world = new HandWorld();
  const heard: string[] = [];
  const gate = gateTo(receiver, { deadline: 14, every: 7 });
  const waiting = awaitGate(gate, circumstancesOf, world, untroubled(), ({ answer }) => heard.push(answer));
  await world.pass(7000);
  await receiver.next();
  await receiver.next();
  await world.pass(7000);
  assert.equal((await waiting).answer, 'fail');
  assert.deepEqual(heard, ['fail', 'fail']);
  assert.equal(receiver.received.length, 3);
});

test('A hook is told which version is no longer needed', async (t) => {
  const receiver = await Receiver.open(t);
  const hook = { url: `http://${receiver.address}/`, allowPrivate: true };
  const result = await decommission(hook, 'v1', circumstancesOf(), new HandWorld(), untroubled());
  assert.equal(result.answer, 'pass');
  const told = JSON.parse((await receiver.next()).body) as Record<string, unknown>;
  assert.equal(told['moment'], 'decommission');
  assert.equal(told['version'], 'v1');
});
