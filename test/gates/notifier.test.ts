import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { type Log, silent } from '../../src/base/log.ts';
import type { Notice } from '../../src/gates/notice.ts';
import { Notifier } from '../../src/gates/notifier.ts';
import type { Subscriber } from '../../src/model/notification.ts';
import type { News } from '../../src/model/rollout.ts';
import { atEnd } from '../support/end.ts';
import { broken, HandWorld, type Manner, mute, Receiver } from './parts.ts';

function notice(id: string, news: News = 'step', rollout = 'r1'): Notice {
  return {
    id,
    news,
    says: `${id} happened`,
    at: '2026-01-01T12:00:00.000Z',
    service: 'shop',
    rollout,
    baseline: 'v1',
    candidate: 'v2',
    build: 'sha-2',
    weight: 5,
  };
}

function subscriberAt(receiver: Receiver, rest: Partial<Subscriber> = {}): Subscriber {
  return { name: 'team', url: `http://${receiver.address}/`, allowPrivate: true, ...rest };
}

interface Written {
  readonly level: 'warn' | 'error';
  readonly fields: Record<string, unknown>;
  readonly message: string;
}

/** A notifier, and what it has logged. */
function notifierIn(t: TestContext, world = new HandWorld()) {
  const written: Written[] = [];
  const note = (level: Written['level']) => (fields: object, message: string) => {
    written.push({ level, fields: { ...fields }, message });
  };
  const log: Log = { ...silent, warn: note('warn'), error: note('error') };
  const notifier = new Notifier(world, log);
  atEnd(t, () => notifier.close());
  return { world, notifier, written };
}

function idsOf({ received }: Receiver): string[] {
  return received.map(({ body }) => (JSON.parse(body) as Notice).id);
}

/** Answers as a list says, one request after another, then with 200. */
function inTurn(...manners: readonly Manner[]): Manner {
  const left = [...manners];
  return (received) => {
    const manner = left.shift() ?? 200;
    if (typeof manner === 'function') manner(received);
    else received.response.writeHead(manner).end();
  };
}

test('Whoever wants the news is told it, signed, and nobody else', async (t) => {
  const receiver = await Receiver.open(t);
  const other = await Receiver.open(t);
  const { notifier } = notifierIn(
    t,
    new HandWorld({ URL: `http://${receiver.address}/secret`, KEY: 'k'.repeat(16) }),
  );
  const subscribers = [
    subscriberAt(receiver, { url: 'env:URL', secret: 'env:KEY' }),
    subscriberAt(other, { name: 'other', news: ['rolledBack'] }),
  ];
  assert.equal(await notifier.tell(notice('a'), subscribers), 'delivered');
  const { url, body, headers } = await receiver.next();
  assert.equal(url, '/secret');
  assert.deepEqual(JSON.parse(body), { ...notice('a'), moment: 'event' });
  const [, at, hex] = /^t=(\d+),v1=(.*)$/.exec(String(headers['x-spillway-signature'])) ?? [];
  assert.equal(hex, createHmac('sha256', 'k'.repeat(16)).update(`${at}.${body}`).digest('hex'));
  assert.equal(other.received.length, 0);
  assert.deepEqual(notifier.counts, { delivered: 1, lost: 0, lostRollbacks: 0 });
});

test('A dead receiver is tried with growing pauses, then given up and logged', async (t) => {
  const { world, notifier, written } = notifierIn(t);
  const nobody = { name: 'team', url: 'http://127.0.0.1:1/', allowPrivate: true };
  const told = notifier.tell(notice('a'), [nobody]);
  for (const ms of [1000, 2000, 4000, 8000, 16_000]) await world.pass(ms);
  assert.equal(await told, 'lost');
  assert.deepEqual(notifier.counts, { delivered: 0, lost: 1, lostRollbacks: 0 });
  assert.equal(written.length, 1);
  assert.equal(written[0]?.level, 'warn');
  assert.match(String(written[0]?.fields['why']), /ECONNREFUSED/);
});

test('A rollback is tried much longer, and its loss is an error that is counted', async (t) => {
  const receiver = await Receiver.open(t, 404);
  const { world, notifier, written } = notifierIn(t);
  const told = notifier.tell(
    { ...notice('a', 'rolledBack'), links: [{ gate: 'qa', url: 'https://secret' }] },
    [subscriberAt(receiver)],
  );
  for (let i = 0; i < 9; i++) await world.pass(1000 * 2 ** i);
  for (let i = 0; i < 2; i++) await world.pass(300_000);
  assert.equal(await told, 'lost');
  assert.equal(receiver.received.length, 12);
  assert.deepEqual(notifier.counts, { delivered: 0, lost: 1, lostRollbacks: 1 });
  const [{ level, fields, message }] = written as [Written];
  assert.equal(`${level}: ${message}`, 'error: a subscriber could not be told of a rollback');
  assert.equal(fields['why'], 'it answered 404');
  assert.equal(fields['rollout'], 'r1');
  assert.doesNotMatch(JSON.stringify(fields), /secret/);
});

test('A flapping receiver hears everything in order, and each piece once it has said yes', async (t) => {
  const receiver = await Receiver.open(t, inTurn(500, 200, broken, 503, 200, 429));
  const { world, notifier } = notifierIn(t);
  const told = ['a', 'b', 'c'].map((id) => notifier.tell(notice(id), [subscriberAt(receiver)]));
  await world.pass(1000);
  await world.pass(1000);
  await world.pass(2000);
  await world.pass(1000);
  assert.deepEqual(await Promise.all(told), ['delivered', 'delivered', 'delivered']);
  assert.deepEqual(idsOf(receiver), ['a', 'a', 'b', 'b', 'b', 'c', 'c']);
});

test('A slow receiver holds up its own news only', async (t) => {
  const slow = await Receiver.open(t, mute);
  const quick = await Receiver.open(t);
  const { notifier } = notifierIn(t);
  const subscribers = [subscriberAt(slow, { name: 'slow' }), subscriberAt(quick, { name: 'quick' })];
  const told = ['a', 'b'].map((id) => notifier.tell(notice(id), subscribers));
  assert.equal(await notifier.tell(notice('c'), [subscribers[1]!]), 'delivered');
  assert.deepEqual(idsOf(quick), ['a', 'b', 'c']);
  await slow.next();
  assert.deepEqual(idsOf(slow), ['a']);
  notifier.close();
  assert.deepEqual(await Promise.all(told), ['interrupted', 'interrupted']);
});

test('A rollout whose news is stuck holds up no other', async (t) => {
  const receiver = await Receiver.open(t, ({ body, response }) =>
    response.writeHead(body.includes('"r1"') ? 500 : 200).end(),
  );
  const { world, notifier } = notifierIn(t);
  void notifier.tell(notice('a', 'step', 'r1'), [subscriberAt(receiver)]);
  await world.pausing(1000);
  assert.equal(await notifier.tell(notice('b', 'step', 'r2'), [subscriberAt(receiver)]), 'delivered');
});

test('What a rollback is waiting behind is not tried again', async (t) => {
  const receiver = await Receiver.open(t, ({ body, response }) =>
    response.writeHead(body.includes('rolledBack') ? 200 : 500).end(),
  );
  const { world, notifier } = notifierIn(t);
  const step = notifier.tell(notice('a'), [subscriberAt(receiver)]);
  const late = notifier.tell(notice('b', 'late'), [subscriberAt(receiver)]);
  await world.pausing(1000);
  const back = notifier.tell(notice('c', 'rolledBack'), [subscriberAt(receiver)]);
  world.wind(1000);
  assert.deepEqual(await Promise.all([step, late, back]), ['lost', 'lost', 'delivered']);
  assert.deepEqual(idsOf(receiver), ['a', 'a', 'b', 'c']);
});

test('The queue is bounded, and a rollback is the last thing to be pushed out', async (t) => {
  const receiver = await Receiver.open(t, mute);
  const { notifier, written } = notifierIn(t);
  const tell = (id: string, news?: News) => notifier.tell(notice(id, news), [subscriberAt(receiver)]);
  const [first, back] = [tell('first'), tell('back', 'rolledBack')];
  const others = Array.from({ length: 200 }, (_, i) => tell(`${i}`));
  // 100 stay, of them one on its way and one the rollback.
  assert.deepEqual(await Promise.all(others.slice(0, 102)), Array(102).fill('lost'));
  assert.equal(written.length, 102);
  assert.match(String(written[0]?.fields['why']), /more than 100 notices were waiting/);
  notifier.close();
  assert.deepEqual(await Promise.all([first, back, ...others.slice(102)]), Array(100).fill('interrupted'));
});

test('A receiver that says no for good is not asked again', async (t) => {
  const receiver = await Receiver.open(t, 400);
  const { notifier, written } = notifierIn(t);
  assert.equal(await notifier.tell(notice('a'), [subscriberAt(receiver)]), 'lost');
  assert.equal(receiver.received.length, 1);
  assert.equal(written[0]?.fields['why'], 'it answered 400');
});

test('A receiver that wants to be left alone is, for as long as it says', async (t) => {
  const receiver = await Receiver.open(t, ({ response }) =>
    response.writeHead(429, { 'retry-after': '30' }).end(),
  );
  const { world, notifier } = notifierIn(t);
  const told = notifier.tell(notice('a'), [subscriberAt(receiver)]);
  await world.pausing(30_000);
  receiver.manner = 200;
  world.wind(30_000);
  assert.equal(await told, 'delivered');
});

test('What lasts until Spillway stops is interrupted, and so is what comes later', async (t) => {
  const receiver = await Receiver.open(t, 500);
  const { world, notifier, written } = notifierIn(t);
  const told = notifier.tell(notice('a'), [subscriberAt(receiver)]);
  await world.pausing(1000);
  notifier.close();
  assert.equal(await told, 'interrupted');
  assert.equal(await notifier.tell(notice('b'), [subscriberAt(receiver)]), 'interrupted');
  assert.deepEqual(written, []);
  assert.equal(receiver.received.length, 1);
});

test('With no subscribers everybody has been told', async (t) => {
  assert.equal(await notifierIn(t).notifier.tell(notice('a'), []), 'delivered');
});
