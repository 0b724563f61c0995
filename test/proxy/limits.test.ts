import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { always, Origin, ok } from '../support/origin.ts';
import { eventually } from '../support/patience.ts';
import { type Draft, get, Site } from '../support/site.ts';

/** A version that answers when the test says so, with limits. */
async function open(t: TestContext, draft: Partial<Draft>) {
  const origin = await Origin.open(t);
  const site = await Site.open(t, { app: { versions: { v: [origin.address] }, ...draft } });
  /** One more request, on a connection of its own. */
  const ask = async () => {
    const client = await site.connect();
    client.say(get());
    return client;
  };
  return { site, origin, ask };
}

test('one request more than a version may have in flight is turned away at once, and told when to come again', async (t) => {
  const { site, origin, ask } = await open(t, { versionLimits: { requests: 2 } });
  const served = [await ask(), await ask()];
  const asked = [await origin.next(), await origin.next()];
  await eventually('both to be in flight', () => site.counted('v').inFlight === 2);
  const { line, body, field } = await (await ask()).message();
  assert.match(line, / 503 /);
  assert.equal(JSON.parse(body).fault, 'full');
  assert.equal(field('retry-after'), '1');
  for (const peer of asked) {
    await peer.message();
    peer.say(ok('done'));
  }
  for (const client of served) assert.equal((await client.message()).body, 'done');
  assert.deepEqual(site.counted('v').faults, { full: 1 });

  // What was in flight is over, so there is room again.
  const next = await ask();
  const peer = await Promise.any(asked.map((each) => each.message().then(() => each)));
  peer.say(ok('next'));
  assert.equal((await next.message()).body, 'next');
});

test('an endpoint is sent no more at a time than it may have in flight; the rest waits its turn', async (t) => {
  const { site, origin, ask } = await open(t, { limits: { requests: 1, pending: 1 } });
  const first = await ask();
  const peer = await origin.next();
  await peer.message();
  const second = await ask();
  await eventually('the second request to wait', () => site.counted('v').inFlight === 2);
  assert.equal(site.pending('v'), 1);
  const { body } = await (await ask()).message();
  assert.equal(JSON.parse(body).fault, 'overloaded');
  peer.say(ok('first'));
  assert.equal((await first.message()).body, 'first');
  await peer.message();
  assert.equal(site.pending('v'), 0);
  peer.say(ok('second'));
  assert.equal((await second.message()).body, 'second');
  assert.equal(origin.peers.length, 1);
});

test('a version shares its connections out among its endpoints', async (t) => {
  const origins = [await Origin.open(t), await Origin.open(t)];
  const versions = { v: origins.map(({ address }) => address) };
  const limits = { versions, versionLimits: { connections: 2, pending: 1 } };
  const site = await Site.open(t, { app: limits });
  const ask = async () => (await site.connect()).say(get());
  await ask();
  await ask();
  for (const origin of origins) await (await origin.next()).message();
  await ask();
  await eventually('the third to wait', () => site.counted('v').inFlight === 3);
  const { body } = await site.get();
  assert.equal(JSON.parse(body).fault, 'overloaded');
});

test('a version has limits of its own', async (t) => {
  const { site, origin, ask } = await open(t, { versionLimits: { requests: 1 } });
  site.adopt({
    app: {
      versions: { v: { endpoints: [origin.address], limits: { requests: 2 } } },
      versionLimits: { requests: 1 },
    },
  });
  await ask();
  await ask();
  await eventually('both to be in flight', () => origin.peers.length === 2);
  assert.equal(JSON.parse((await site.get()).body).fault, 'full');
});

test('a version that is full is rescued by another that is not, whose guests count against its own limit', async (t) => {
  const stable = await Origin.open(t);
  const canary = await Origin.open(t);
  const versions = { stable: [stable.address], canary: [canary.address] };
  const site = await Site.open(t, {
    app: { versions, weights: { canary: 100 }, versionLimits: { requests: 1 }, rescue: {} },
  });
  const [first, second] = [await site.connect(), await site.connect()];
  first.say(get());
  await (await canary.next()).message();
  second.say(get());
  const peer = await stable.next();
  await peer.message();
  const { body } = await site.get();
  assert.deepEqual(JSON.parse(body).fault, 'full');
  peer.say(ok('stable'));
  assert.equal((await second.message()).body, 'stable');
  const fourth = await site.connect();
  fourth.say(get());
  await peer.message();
  peer.say(ok('stable again'));
  assert.equal((await fourth.message()).body, 'stable again');
  assert.deepEqual(site.counted('canary').faults, { full: 3 });
});

test('without limits of a version there is none', async (t) => {
  const origin = await Origin.open(t, always('ok'));
  const site = await Site.open(t, { app: { versions: { v: [origin.address] } } });
  const answers = await Promise.all(Array.from({ length: 50 }, () => site.get()));
  assert.ok(answers.every(({ line }) => line.includes(' 200 ')));
});

test('limits hold for whom they are set, in whatever order others come that lead to the same endpoint', async (t) => {
  const few = { connections: 1, pending: 0 };
  for (const first of ['free', 'limited']) {
    const origin = await Origin.open(t);
    const versions = { v: [origin.address] };
    const services: Record<string, Draft> = {
      [first]: { versions },
      limited: { match: [{ path: '/limited' }], versions, limits: few },
      version: {
        match: [{ path: '/version' }],
        versions,
        versionLimits: { connections: 1 },
        limits: { pending: 0 },
      },
      free: { match: [{ path: '/free' }], versions },
    };
    const site = await Site.open(t, services);
    for (const path of ['/free', '/limited', '/version', '/free']) {
      (await site.connect()).say(get('', path));
      await (await origin.next()).message();
    }
    for (const path of ['/limited', '/version'])
      assert.equal(
        JSON.parse((await site.get('', path)).body).fault,
        'overloaded',
        `${path}, ${first} first`,
      );
  }
});
