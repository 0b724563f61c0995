import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { always, Origin, ok, type Script } from '../support/origin.ts';
import { eventually } from '../support/patience.ts';
import { type Draft, get, post, Site } from '../support/site.ts';

const KEY = 'idempotency-key: "8f1"\r\n';
const hangUp: Script = (peer) => peer.reset();
const answer =
  (status: number): Script =>
  (peer) =>
    peer.say(`HTTP/1.1 ${status} No\r\ncontent-length: 2\r\n\r\nno`);

/** A version with two endpoints, of which the first does as it is told. Nobody is asked twice by chance. */
async function open(t: TestContext, script: Script, draft: Partial<Draft> = {}) {
  const bad = await Origin.open(t, script);
  const good = await Origin.open(t, (peer, { body }) => peer.say(ok(body || 'good')));
  const site = await Site.open(t, {
    app: { versions: { v: [bad.address, good.address] }, retries: {}, ...draft },
  });
  /** Sends requests until one has come to the bad endpoint, and returns the answer to that. */
  const reach = async (request = get()) => {
    for (const before = bad.requests; ; ) {
      const client = await site.connect();
      client.say(request);
      const message = await client.message();
      if (bad.requests > before) return message;
    }
  };
  return { site, bad, good, reach };
}

test('a GET that an endpoint hung up on is answered by another', async (t) => {
  const { site, reach } = await open(t, hangUp);
  const { line, body } = await reach();
  assert.match(line, / 200 /);
  assert.equal(body, 'good');
  const { faults, errors } = site.counted('v');
  assert.deepEqual([faults, errors], [{ reset: 1 }, 0]);
  assert.equal(site.repeated('v').retries, 1);
});

test('without a word of retries there are none', async (t) => {
  const { site, bad, reach } = await open(t, hangUp);
  site.adopt({ app: { versions: { v: [bad.address] } } });
  assert.match((await reach()).line, / 502 /);
  assert.equal(bad.requests, 1);
});

test('a POST is not repeated, but with an Idempotency-Key it is, with its whole body', async (t) => {
  const { reach } = await open(t, hangUp);
  assert.match((await reach(post('hello'))).line, / 502 /);
  const { line, body } = await reach(post('hello', KEY));
  assert.match(line, / 200 /);
  assert.equal(body, 'hello');
});

test('a body that comes in pieces is kept as it comes, and sent again with the rest of it', async (t) => {
  const origin = await Origin.open(t);
  const site = await Site.open(t, { app: { versions: { v: [origin.address] }, retries: {} } });
  const client = await site.connect();
  client.say('PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nhe');
  const first = await origin.next();
  await first.take('\r\n\r\nhe');
  client.say('llo');
  await first.take('llo');
  first.reset();
  const second = await origin.next();
  await second.take('\r\n\r\nhello');
  client.say('world');
  await second.take('world');
  second.say(ok('done'));
  assert.equal((await client.message()).body, 'done');
});

test('a chunked body is repeated in chunks', async (t) => {
  const origin = await Origin.open(t);
  const site = await Site.open(t, { app: { versions: { v: [origin.address] }, retries: {} } });
  const client = await site.connect();
  client.say('PUT / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n');
  const first = await origin.next();
  await first.take('one\r\n');
  client.say('3\r\ntwo\r\n0\r\n\r\n');
  assert.match(await first.take('0\r\n\r\n'), /two/);
  first.reset();
  const second = await origin.next();
  assert.equal((await second.message()).body, 'onetwo');
  second.say(ok('done'));
  assert.equal((await client.message()).body, 'done');
});

test('a body longer than is kept is sent once', async (t) => {
  const origin = await Origin.open(t);
  const site = await Site.open(t, { app: { versions: { v: [origin.address] }, retries: { bodyBytes: 8 } } });
  const client = await site.connect();
  client.say('PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nhello');
  const first = await origin.next();
  await first.take('hello');
  client.say('world');
  await first.take('world');
  first.reset();
  assert.match((await client.message()).line, / 502 /);
  assert.equal(origin.peers.length, 1);
});

test('answers are repeated only if the settings name them', async (t) => {
  const unnamed = await open(t, answer(503));
  assert.match((await unnamed.reach()).line, / 503 /);
  const asked = await open(t, answer(503), { retries: { on: [503] } });
  assert.match((await asked.reach()).line, / 200 /);
  assert.deepEqual(asked.site.counted('v').errors, 0);
  const other = await open(t, answer(500), { retries: { on: [503] } });
  assert.match((await other.reach()).line, / 500 /);
  const any = await open(t, answer(500), { retries: { on: ['5xx'] } });
  assert.match((await any.reach()).line, / 200 /);
});

test('an answer that has not come to its end is thrown away with its connection', async (t) => {
  const half: Script = (peer) => peer.say('HTTP/1.1 503 No\r\ncontent-length: 1000\r\n\r\nhalf');
  const { bad, reach } = await open(t, half, { retries: { on: [503] } });
  assert.equal((await reach()).body, 'good');
  await eventually('the connection to end', () => bad.peers[0]!.left !== undefined);
});

test('the last attempt is the answer, and there are as many as the settings say', async (t) => {
  const origin = await Origin.open(t, answer(503));
  const retries = { attempts: 3, on: [503 as const] };
  const site = await Site.open(t, { app: { versions: { v: [origin.address] }, retries } });
  const { line, body } = await site.get();
  assert.match(line, / 503 /);
  assert.equal(body, 'no');
  assert.equal(origin.requests, 4);
  assert.deepEqual(site.counted('v').codes, { 503: 1 });
  assert.equal(site.repeated('v').retries, 3);
});

test('an outage costs no more attempts than the budget has', async (t) => {
  const origin = await Origin.open(t, answer(503));
  const budget = { share: 0.1, minPerSecond: 0 };
  const retries = { attempts: 1, on: [503 as const], budget };
  const site = await Site.open(t, { app: { versions: { v: [origin.address] }, retries } });
  for (let i = 0; i < 50; i++) await site.get();
  assert.equal(origin.requests, 55);
  assert.deepEqual(site.refused('v'), { retries: 45, rescues: 0 });
});

test('a budget outlives tables', async (t) => {
  const origin = await Origin.open(t, answer(503));
  const budget = { share: 0, minPerSecond: 0.1 };
  const draft = { app: { versions: { v: [origin.address] }, retries: { on: [503 as const], budget } } };
  const site = await Site.open(t, draft);
  await site.get();
  site.adopt(draft);
  await site.get();
  assert.equal(origin.requests, 3);
});

test('a version that was left meanwhile is sent nothing again', async (t) => {
  const v = await Origin.open(t);
  const stable = await Origin.open(t, always('stable'));
  const draft = { versions: { v: [v.address], stable: [stable.address] }, retries: {}, wholes: ['stable'] };
  for (const [more, outcome] of [
    [{}, / 502 /],
    [{ rescue: {} }, / 200 /],
  ] as const) {
    const site = await Site.open(t, { app: { ...draft, ...more } });
    const client = await site.connect();
    client.say(get());
    const peer = await v.next();
    await peer.message();
    site.adopt({ app: { ...draft, ...more, weights: { stable: 100 }, cause: 'rollback' } });
    peer.reset();
    assert.match((await client.message()).line, outcome);
  }
  assert.equal(v.peers.length, 2, 'one request each');
});

test('no attempt leaves the version that was chosen', async (t) => {
  const stable = await Origin.open(t, always('stable'));
  const bad = await Origin.open(t, hangUp);
  const versions = { v: [bad.address], stable: [stable.address] };
  const site = await Site.open(t, { app: { versions, retries: { attempts: 10 } } });
  assert.match((await site.get()).line, / 502 /);
  assert.deepEqual([bad.requests, stable.requests], [11, 0]);
});
