import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Tick } from '../../src/analysis/evidence.ts';
import { latencyBucket } from '../../src/analysis/latency.ts';
import { Gathering } from '../../src/metrics/gathering.ts';
import type { Trial } from '../../src/model/trial.ts';
import { Origin, ok, type Script } from '../support/origin.ts';
import { eventually } from '../support/patience.ts';
import { type Draft, get, Site } from '../support/site.ts';

const TRIAL: Trial = {
  rollout: 'r1',
  epoch: 1,
  baseline: 'stable',
  candidate: 'canary',
  sticky: true,
  latency: { warmUp: 0, p95: latencyBucket(100), p99: latencyBucket(400) },
  business: [
    { name: 'orders', when: { method: 'POST', path: '/orders' } },
    { name: 'signups', when: { event: 'signup' } },
    { name: 'basket', when: { event: 'order' }, worse: 'lower' },
  ],
};

/** Whatever the path asks for. */
const obliging: Script = (peer, { line }) => {
  if (line.includes('/fail')) peer.say('HTTP/1.1 500 Broken\r\ncontent-length: 0\r\n\r\n');
  else if (line.includes('/cut')) peer.say('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf');
  else if (line.includes('/signup')) peer.say(ok('hello', 'x-spillway-event: signup, order=49.90\r\n'));
  else if (!line.includes('/hang')) peer.say(ok('hello'));
  if (line.includes('/cut')) peer.end();
};

async function siteOf(
  t: TestContext,
  trial: Trial,
  weights: Readonly<Record<string, number>>,
  more?: Partial<Draft>,
) {
  const origin = await Origin.open(t, obliging);
  const draft = (changed: Trial | undefined, split = weights): Record<string, Draft> => ({
    app: {
      versions: Object.fromEntries(
        ['stable', 'canary', 'other'].map((version) => [version, [origin.address]]),
      ),
      weights: split,
      key: { header: 'x-user' },
      ...(changed && { trial: changed }),
      ...more,
    },
  });
  const site = await Site.open(t, draft(trial));
  const gathering = new Gathering(trial);
  return {
    site,
    origin,
    /** What has been counted since the last call. */
    look(): Tick {
      for (const counts of site.plane.collectTrials()) gathering.add(counts, 'this worker');
      return gathering.take(1);
    },
    adopt: (changed: Trial | undefined, split?: Readonly<Record<string, number>>) =>
      site.adopt(draft(changed, split)),
  };
}

const user = (name: string) => `x-user: ${name}\r\n`;

test('a key counts once a step, its requests each time', async (t) => {
  const { site, look } = await siteOf(t, TRIAL, { stable: 0, canary: 100 });
  for (const path of ['/', '/fail', '/fail']) await site.get(user('ann'), path);
  await site.get(user('otto'), '/');
  const { batches, trials, requests, requestErrors } = look();
  assert.equal(batches[0]?.w, 1);
  assert.deepEqual(
    [batches[0]?.units, batches[0]?.errors],
    [
      [2, 2],
      [1, 1],
    ],
  );
  assert.deepEqual(trials, [0, 2]);
  assert.deepEqual(
    [requests, requestErrors],
    [
      [4, 4],
      [2, 2],
    ],
  );
});

test('every request is told, by version and coin, when requests are counted', async (t) => {
  const { site, look } = await siteOf(t, { ...TRIAL, sticky: false }, { stable: 30, canary: 10, other: 60 });
  const served = { stable: 0, canary: 0, other: 0 };
  for (let i = 0; i < 60; i++) {
    const { field } = await site.get(user(`user-${i}`));
    served[field('x-spillway-version') as keyof typeof served]++;
  }
  const { batches, trials, stableTrials } = look();
  assert.ok(served.other > 0 && served.stable > 0);
  assert.deepEqual(
    batches.map(({ w, units }) => [w, units]),
    [[0.25, [served.canary, served.canary + served.stable]]],
  );
  assert.deepEqual([trials?.[1], stableTrials?.[1]], [served.canary, served.stable]);
});

test('a request that chose its version itself counts nowhere', async (t) => {
  const { site, look } = await siteOf(
    t,
    TRIAL,
    { stable: 100, canary: 0 },
    { override: { addresses: ['127.0.0.0/8'] } },
  );
  const { field } = await site.get('x-spillway-version: canary\r\n', '/fail');
  assert.equal(field('x-spillway-version'), 'canary');
  assert.deepEqual(look().batches, []);
  await site.get(user('ann'));
  assert.deepEqual(look().batches[0]?.units, [0, 1]);
});

test('an answer that the endpoint breaks off is an error, a client that leaves is nothing', async (t) => {
  const { site, origin, look } = await siteOf(t, { ...TRIAL, sticky: false }, { stable: 100, canary: 0 });
  const cut = await site.connect();
  cut.say(get('', '/cut'));
  await cut.gone();
  assert.equal((await site.record()).fault, 'truncated');
  const leaver = await site.connect();
  leaver.say(get('', '/hang'));
  await eventually('the request to be sent', () => origin.requests === 2);
  leaver.reset();
  assert.equal((await site.record()).status, 499);
  const { batches, stableTrials } = look();
  assert.deepEqual(batches[0]?.units, [0, 2]);
  assert.deepEqual(stableTrials, [1, 1]);
});

test('what began in an earlier step counts to nothing in the next', async (t) => {
  const { site, origin, adopt } = await siteOf(t, TRIAL, { stable: 0, canary: 100 });
  const client = await site.connect();
  client.say(get(user('ann'), '/hang'));
  await eventually('the request to be sent', () => origin.requests === 1);
  adopt({ ...TRIAL, epoch: 2 });
  for (const endpoint of origin.peers) endpoint.say('HTTP/1.1 500 Broken\r\ncontent-length: 0\r\n\r\n');
  assert.match((await client.message()).line, /500/);
  const [counts, ...more] = site.plane.collectTrials();
  assert.deepEqual(more, []);
  assert.equal(counts?.epoch, 2);
  assert.deepEqual([counts?.requests, counts?.batches], [[0, 0], []]);
  adopt(undefined);
  assert.deepEqual(site.plane.collectTrials(), []);
});

test('weights that change within a step are told apart', async (t) => {
  const { site, look, adopt } = await siteOf(t, TRIAL, { stable: 0, canary: 100 });
  await site.get(user('ann'), '/fail');
  adopt(TRIAL, { stable: 100, canary: 0 });
  await site.get(user('ann'), '/fail');
  await site.get(user('otto'), '/fail');
  assert.deepEqual(
    look().batches.map(({ w, units, errors }) => [w, units, errors]),
    [
      [0, [0, 1], [0, 1]],
      [1, [1, 1], [1, 1]],
    ],
    'ann was counted before',
  );
});

test('a request that hangs is slow before it is over', async (t) => {
  const { site, origin, look } = await siteOf(t, TRIAL, { stable: 0, canary: 100 });
  const client = await site.connect();
  client.say(get(user('ann'), '/hang'));
  await eventually('the request to be sent', () => origin.requests === 1);
  site.clock.wind(1000);
  let slow = 0;
  await eventually('it to be slow', () => {
    slow += look().batches[0]?.slow95?.[0] ?? 0;
    return slow > 0;
  });
  assert.equal(slow, 1);
});

test('conversions are counted as the endpoint tells of them, which no client hears', async (t) => {
  const { site, look } = await siteOf(t, TRIAL, { stable: 0, canary: 100 });
  const client = await site.connect();
  client.say(`POST /orders?a=b HTTP/1.1\r\nhost: a.example\r\n${user('ann')}content-length: 0\r\n\r\n`);
  assert.match((await client.message()).line, /200/);
  const signedUp = await site.get(user('otto'), '/signup');
  assert.equal(signedUp.field('x-spillway-event'), undefined);
  await site.get(user('otto'), '/orders');
  assert.deepEqual(look().batches[0]?.conversions, { orders: [1, 1], signups: [1, 1] });
});

test('the number that an endpoint tells is a value of the user, once', async (t) => {
  const { site, look } = await siteOf(t, { ...TRIAL, sticky: true }, { stable: 100, canary: 0 });
  for (let i = 0; i < 60; i++) await site.get(user(`user-${i}`), '/signup');
  assert.deepEqual(look().batches[0]?.values, { basket: [] }, 'these show what is usual');
  await site.get(user('user-1'), '/signup');
  await site.get(user('otto'), '/signup');
  const [[mark, ...counts] = [], ...more] = look().batches[0]!.values!['basket']!;
  assert.ok(Math.abs(mark!) < 1, 'otto bought for what all buy');
  assert.deepEqual([counts, more], [[0, 1], []]);
});

test('a client that is given its first key is the unit of that key from then on', async (t) => {
  const { site, look } = await siteOf(t, TRIAL, { stable: 100, canary: 0 }, { key: {} });
  const cookie = (await site.get()).field('set-cookie')!.split(';')[0]!;
  await site.get(`cookie: ${cookie}\r\n`);
  const { batches, requests } = look();
  assert.deepEqual(
    [batches[0]?.units, requests],
    [
      [0, 1],
      [0, 2],
    ],
  );
});
