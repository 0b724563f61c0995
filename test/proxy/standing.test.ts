import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Gathering } from '../../src/metrics/gathering.ts';
import type { Seat } from '../../src/model/health.ts';
import type { Trial } from '../../src/model/trial.ts';
import { always, Origin } from '../support/origin.ts';
import { type Draft, Site } from '../support/site.ts';

const OUT: Seat = { out: 'down' };
const EJECTED: Seat = { out: 'ejected' };

/** Two versions that answer with their names, and all the traffic on the canary. */
async function open(t: TestContext, draft: Partial<Draft> = {}) {
  const stable = await Origin.open(t, always('stable'));
  const canary = await Origin.open(t, always('canary'));
  const site = await Site.open(t, {
    app: {
      versions: { stable: [stable.address], canary: [canary.address] },
      weights: { stable: 0, canary: 100 },
      ...draft,
    },
  });
  const stand = (version: 'stable' | 'canary', ...seats: Seat[]) =>
    site.plane.stand([
      {
        service: 'app',
        version,
        endpoints: { [version === 'stable' ? stable.address : canary.address]: seats },
      },
    ]);
  return { site, stable, canary, stand };
}

test('an endpoint that is out of use is sent nothing, and the answer is 503 if it was the last', async (t) => {
  const { site, canary, stand } = await open(t);
  stand('canary', OUT);
  const { line } = await site.get();
  assert.match(line, / 503 /);
  assert.equal(canary.requests, 0);
  assert.deepEqual(site.counted('canary').faults, { 'no-endpoint': 1 });
  stand('canary', { out: false });
  assert.equal((await site.get()).body, 'canary');
});

test('another version answers for one without endpoints, on the account of the one that was chosen', async (t) => {
  const { site, stand } = await open(t, { fallback: 'stable' });
  stand('canary', OUT);
  const { line, body, field } = await site.get();
  assert.match(line, / 200 /);
  assert.equal(body, 'stable');
  assert.equal(field('x-spillway-version'), 'stable');
  assert.equal(field('x-spillway-rescued'), '1');
  await site.record();
  const { codes, faults, errors } = site.counted('canary');
  assert.deepEqual({ codes, faults, errors }, { codes: { 200: 1 }, faults: { 'no-endpoint': 1 }, errors: 1 });
  assert.deepEqual(site.counted('stable').codes, {});
});

test('a fallback that has no endpoint either is no help', async (t) => {
  const { site, stand } = await open(t, { fallback: 'stable' });
  stand('canary', OUT);
  stand('stable', OUT);
  assert.match((await site.get()).line, / 503 /);
});

test('a candidate without endpoints fails in the eyes of the judge, whoever answers in its place', async (t) => {
  const trial: Trial = { rollout: 'r1', epoch: 1, baseline: 'stable', candidate: 'canary', sticky: false };
  const { site, stand } = await open(t, { fallback: 'stable', trial });
  stand('canary', OUT);
  await site.get();
  await site.record();
  const gathering = new Gathering(trial);
  for (const counts of site.plane.collectTrials()) gathering.add(counts, 'this worker');
  const { trials, stableTrials, batches } = gathering.take(1);
  assert.deepEqual(
    [trials, stableTrials],
    [
      [1, 1],
      [0, 0],
    ],
  );
  assert.deepEqual(batches[0]?.latency, [], "stable's speed is not the candidate's");
});

test('requests go to every address of a name, and a new table keeps them', async (t) => {
  const { site, stable, canary, stand } = await open(t);
  stand('canary', { address: stable.address, out: false }, { address: canary.address, out: false });
  const seen = new Set<string>();
  const look = async () => {
    seen.clear();
    for (let i = 0; i < 40; i++) seen.add((await site.get()).body);
    return [...seen].sort();
  };
  assert.deepEqual(await look(), ['canary', 'stable']);
  site.adopt({
    app: {
      versions: { stable: [stable.address], canary: [canary.address] },
      weights: { stable: 0, canary: 100 },
      maxBodyBytes: 1000,
    },
  });
  assert.deepEqual(await look(), ['canary', 'stable']);
  stand('canary', { address: canary.address, out: false });
  assert.deepEqual(await look(), ['canary']);
});

test('what became of requests is told of endpoints that have others beside them', async (t) => {
  const { site, stable, canary, stand } = await open(t);
  await site.get();
  assert.deepEqual(site.plane.collectOutcomes(), [], 'one alone is compared with nothing');
  stand('canary', { address: stable.address, out: 'ejected' }, { address: canary.address, out: false });
  await site.get();
  const { address } = canary;
  assert.deepEqual(site.plane.collectOutcomes(), [
    { endpoint: address, address, requests: 1, errors: 0, streak: 0 },
  ]);
});

/** Two endpoints of one version, the second ejected, and another version to fall back to. */
async function pair(t: TestContext, draft: Partial<Draft> = {}) {
  const first = await Origin.open(t, always('first'));
  const ejected = await Origin.open(t, always('ejected'));
  const other = await Origin.open(t, always('other'));
  const endpoints = [first.address, ejected.address];
  const site = await Site.open(t, {
    app: {
      versions: { stable: endpoints, other: [other.address] },
      weights: { stable: 100, other: 0 },
      ...draft,
    },
  });
  const stand = (one: Seat, two: Seat) =>
    site.plane.stand([
      {
        service: 'app',
        version: 'stable',
        endpoints: { [first.address]: [one], [ejected.address]: [two] },
      },
    ]);
  stand({ out: false }, EJECTED);
  return { site, first, ejected, other, stand };
}

test('an ejected endpoint is left alone while another answers, and is better than nobody when none does', async (t) => {
  const { site, first, ejected } = await pair(t, { fallback: 'other' });
  for (let i = 0; i < 20; i++) assert.equal((await site.get()).body, 'first');
  first.close();
  // The first meets the refusal, those after it have been told.
  for (let i = 0; i < 5; i++) assert.equal((await site.get()).body, 'ejected');
  assert.deepEqual(site.counted('stable').faults, { refused: 1 });
  site.clock.wind(1000);
  assert.equal(
    (await site.get()).body,
    'ejected',
    'who refused is asked again, and does not stand in the way',
  );
  assert.deepEqual(site.counted('stable').faults, { refused: 2 });
  ejected.close();
  assert.equal((await site.get()).body, 'other', 'another version answers when all of this one were tried');
});

test('an ejected endpoint serves when probes find all the others down, and none that is down itself ever does', async (t) => {
  const { site, ejected, stand } = await pair(t);
  stand(OUT, EJECTED);
  assert.equal((await site.get()).body, 'ejected');
  stand(OUT, OUT);
  assert.match((await site.get()).line, / 503 /);
  assert.equal(ejected.requests, 1);
});

test('a retry goes to an ejected endpoint rather than where it has just failed', async (t) => {
  const failing = await Origin.open(t, (peer) => peer.say('HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n'));
  const ejected = await Origin.open(t, always('ejected'));
  const site = await Site.open(t, {
    app: {
      versions: { stable: [failing.address, ejected.address] },
      retries: { on: [503] },
    },
  });
  site.plane.stand([{ service: 'app', version: 'stable', endpoints: { [ejected.address]: [EJECTED] } }]);
  assert.equal((await site.get()).body, 'ejected');
  assert.equal(failing.requests, 1);
});

test('a version whose endpoints are all ejected can still be fallen back to', async (t) => {
  const { site, stable, stand } = await open(t, { fallback: 'stable' });
  stand('canary', OUT);
  stand('stable', EJECTED);
  assert.equal((await site.get()).body, 'stable');
  assert.equal(stable.requests, 1);
});
