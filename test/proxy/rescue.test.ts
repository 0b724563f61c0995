import assert from 'node:assert/strict';
import http2 from 'node:http2';
import { type TestContext, test } from 'node:test';
import { Gathering } from '../../src/metrics/gathering.ts';
import type { Trial } from '../../src/model/trial.ts';
import { atEnd } from '../support/end.ts';
import { always, Origin, ok, type Script } from '../support/origin.ts';
import { eventually, once } from '../support/patience.ts';
import { type Draft, get, post, Site } from '../support/site.ts';

const hangUp: Script = (peer) => peer.reset();
const answer =
  (status: number): Script =>
  (peer) =>
    peer.say(`HTTP/1.1 ${status} No\r\ncontent-length: 2\r\n\r\nno`);

/** All traffic on a canary that does as it is told, and a stable version that answers with what it was sent. */
async function open(t: TestContext, script: Script, draft: Partial<Draft> = {}) {
  const stable = await Origin.open(t, (peer, { body, field }) =>
    peer.say(ok(body || 'stable', `x-seen: ${field('x-spillway-version')}\r\n`)),
  );
  const canary = await Origin.open(t, script);
  const site = await Site.open(t, {
    app: {
      versions: { stable: [stable.address], canary: [canary.address] },
      weights: { stable: 0, canary: 100 },
      rescue: {},
      ...draft,
    },
  });
  return { site, stable, canary };
}

test('what the canary hangs up on is answered by stable, and held against the canary once', async (t) => {
  const { site } = await open(t, hangUp);
  const { line, body, field } = await site.get();
  assert.match(line, / 200 /);
  assert.equal(body, 'stable');
  assert.equal(field('x-spillway-version'), 'stable');
  assert.equal(field('x-spillway-rescued'), '1');
  assert.equal(field('x-seen'), 'stable', 'the endpoint is told its own version');
  const { version, rescuedBy, status } = await site.record();
  assert.deepEqual({ version, rescuedBy, status }, { version: 'canary', rescuedBy: 'stable', status: 200 });
  assert.deepEqual(site.counted('canary'), {
    codes: { 200: 1 },
    faults: { reset: 1 },
    errors: 1,
    inFlight: 0,
  });
  assert.deepEqual(site.counted('stable').codes, {});
  assert.deepEqual(site.repeated('canary'), { retries: 0, rescues: 1 });
});

test('a request over HTTP/2 is rescued like any other, with its body', async (t) => {
  const { site } = await open(t, hangUp);
  const session = http2.connect(`http://${site.address}`);
  atEnd(t, () => session.destroy());
  const stream = session.request({ ':method': 'PUT', ':path': '/' });
  stream.end('hello');
  const [fields] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders];
  assert.deepEqual([fields[':status'], fields['x-spillway-rescued']], [200, '1']);
  assert.equal(String((await once(stream, 'data'))[0]), 'hello');
});

test('without a word of rescue there is none', async (t) => {
  const { site, stable, canary } = await open(t, hangUp);
  const versions = { stable: [stable.address], canary: [canary.address] };
  site.adopt({ app: { versions, weights: { canary: 100 } } });
  const { line, field } = await site.get();
  assert.match(line, / 502 /);
  assert.equal(field('x-spillway-rescued'), undefined);
  assert.equal(stable.requests, 0);
});

test('502, 503 and 504 are rescued, other failures only if the settings say so', async (t) => {
  for (const status of [502, 503, 504]) {
    const { site } = await open(t, answer(status));
    assert.equal((await site.get()).body, 'stable', `${status}`);
    assert.deepEqual(site.counted('canary').errors, 1);
  }
  const { site } = await open(t, answer(500));
  assert.match((await site.get()).line, / 500 /);
  const any = await open(t, answer(500), { rescue: { on: ['5xx'] } });
  assert.equal((await any.site.get()).body, 'stable');
});

test('a canary that does not answer in time is rescued', async (t) => {
  const { site } = await open(t, () => {}, { timeouts: { head: 1000 } });
  site.run(t, 500);
  assert.equal((await site.get()).body, 'stable');
  assert.deepEqual(site.counted('canary').faults, { 'head-timeout': 1 });
});

test('what cannot have been read is rescued whatever the method', async (t) => {
  const { site, canary } = await open(t, hangUp);
  canary.close();
  const client = await site.connect();
  client.say(post('hello'));
  const { line, body } = await client.message();
  assert.match(line, / 200 /);
  assert.equal(body, 'hello');
  const { faults, errors } = site.counted('canary');
  assert.deepEqual([faults, errors], [{ refused: 1, 'no-endpoint': 1 }, 1]);
});

test('a POST that may have been read is not repeated, with an Idempotency-Key it is', async (t) => {
  const { site, stable } = await open(t, hangUp);
  const client = await site.connect();
  client.say(post('hello'));
  assert.match((await client.message()).line, / 502 /);
  assert.equal(stable.requests, 0);
  client.say(post('hello', 'idempotency-key: 1\r\n'));
  assert.equal((await client.message()).body, 'hello');
});

test('the version is tried again first, where there are retries', async (t) => {
  const { site, canary } = await open(t, hangUp, { retries: { attempts: 2 } });
  assert.equal((await site.get()).body, 'stable');
  assert.equal(canary.requests, 3);
  assert.deepEqual(site.repeated('canary'), { retries: 2, rescues: 1 });
  assert.equal(site.counted('canary').errors, 1);
});

test('stable is not rescued, and what it fails too is its fault', async (t) => {
  const { site, stable, canary } = await open(t, hangUp, { weights: { stable: 100, canary: 0 } });
  stable.close();
  assert.match((await site.get()).line, / 503 /);
  assert.equal(canary.requests, 0);
  site.adopt({
    app: {
      versions: { stable: [stable.address], canary: [canary.address] },
      weights: { stable: 0, canary: 100 },
      rescue: {},
    },
  });
  const { line, field } = await site.get();
  assert.match(line, / 503 /);
  assert.equal(field('x-spillway-rescued'), '1');
  assert.deepEqual(site.counted('canary').faults, { reset: 1 });
  assert.deepEqual(site.counted('stable').faults, { refused: 2, 'no-endpoint': 2 });
});

test('who asked for the canary is given no other version', async (t) => {
  const { site } = await open(t, hangUp, { override: { addresses: ['127.0.0.1'] } });
  assert.match((await site.get('x-spillway-version: canary\r\n')).line, / 502 /);
});

test('the baseline of a rollout rescues, and a version that the settings name goes before', async (t) => {
  const trial: Trial = { rollout: 'r1', epoch: 1, baseline: 'stable', candidate: 'canary', sticky: false };
  const { site, canary, stable } = await open(t, hangUp, { trial, wholes: ['canary'] });
  assert.equal((await site.get()).field('x-spillway-version'), 'stable');
  const { address } = stable;
  site.adopt({
    app: {
      versions: { stable: [], other: [address], canary: [canary.address] },
      weights: { canary: 100 },
      rescue: { to: 'other' },
      trial,
    },
  });
  assert.equal((await site.get()).field('x-spillway-version'), 'other');
});

test('the judge sees every failure, and nothing of who answered in its place', async (t) => {
  const trial: Trial = { rollout: 'r1', epoch: 1, baseline: 'stable', candidate: 'canary', sticky: false };
  const { site } = await open(t, answer(503), { trial });
  for (let i = 0; i < 3; i++) {
    await site.get();
    await site.record();
  }
  const gathering = new Gathering(trial);
  for (const counts of site.plane.collectTrials()) gathering.add(counts, 'this worker');
  const { trials, stableTrials } = gathering.take(1);
  assert.deepEqual(
    [trials, stableTrials],
    [
      [3, 3],
      [0, 0],
    ],
  );
});

test('a rescue costs no more than its budget', async (t) => {
  const rescue = { budget: { share: 0.5, minPerSecond: 0 } };
  const { site, stable } = await open(t, hangUp, { rescue });
  const lines: string[] = [];
  for (let i = 0; i < 20; i++) lines.push((await site.get()).line);
  assert.equal(stable.requests, 10);
  assert.equal(lines.filter((line) => line.includes(' 502 ')).length, 10);
  assert.deepEqual(site.refused('canary'), { retries: 0, rescues: 10 });
});

test('what no endpoint could be given is rescued whatever the budget, as nobody is asked twice', async (t) => {
  const rescue = { budget: { share: 0, minPerSecond: 0 } };
  const { site, canary, stable } = await open(t, always('never'), { rescue });
  canary.close();
  for (let i = 0; i < 20; i++) assert.match((await site.get()).line, / 200 /);
  assert.equal(stable.requests, 20);
  assert.deepEqual(site.refused('canary'), { retries: 0, rescues: 0 });
});

test('a version that the traffic was taken from meanwhile rescues by the table of the moment', async (t) => {
  const { site, canary, stable } = await open(t, () => {});
  const client = await site.connect();
  client.say(get());
  const asked = await until(canary);
  const versions = { stable: [] as string[], canary: [canary.address], next: [stable.address] };
  site.adopt({ app: { versions, weights: { next: 100 }, wholes: ['next'], rescue: { to: 'next' } } });
  asked.reset();
  assert.match((await client.message()).line, / 502 /, 'stable has no endpoint any more');
});

test('an answer that has begun is never replaced', async (t) => {
  const half: Script = (peer) => {
    peer.say('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf');
    peer.reset();
  };
  const { site, stable } = await open(t, half);
  await assert.rejects(site.get());
  assert.equal(stable.requests, 0);
});

/** The connection on which the canary has been asked something. */
async function until(origin: Origin) {
  await eventually('the canary to be asked', () => origin.requests > 0);
  return origin.peers[0]!;
}
