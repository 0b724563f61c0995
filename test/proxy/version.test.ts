import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import { signOverride } from '../../src/routing/override.ts';
import { always, Origin } from '../support/origin.ts';
import { type Draft, Site, type SiteOptions } from '../support/site.ts';

const SECRET = 'correct horse battery';

/** Two versions that answer with their names. */
async function open(t: TestContext, draft: Partial<Draft> = {}, options: SiteOptions = {}) {
  const stable = await Origin.open(t, always('stable'));
  const canary = await Origin.open(t, always('canary'));
  const versions = { stable: [stable.address], canary: [canary.address] };
  const site = await Site.open(t, { app: { versions, ...draft } }, options);
  return { site, stable, canary, versions };
}

/** The versions that so many clients get, each telling apart by `fields`. */
async function answers(site: Site, count: number, fields: (i: number) => string): Promise<string[]> {
  const client = await site.connect();
  const bodies: string[] = [];
  for (let i = 0; i < count; i++) {
    client.say(`GET / HTTP/1.1\r\nhost: a\r\n${fields(i)}\r\n`);
    bodies.push((await client.message()).body);
  }
  return bodies;
}

const HALF = { stable: 50, canary: 50 };

test('a version with all the weight gets every key, one without gets none', async (t) => {
  const { site, versions } = await open(t, {
    weights: { stable: 0, canary: 100 },
    key: { header: 'x-user' },
  });
  const user = (i: number) => `x-user: ${i}\r\n`;
  assert.deepEqual(new Set(await answers(site, 50, user)), new Set(['canary']));
  site.adopt({ app: { versions, weights: { stable: 100, canary: 0 }, key: { header: 'x-user' } } });
  assert.deepEqual(new Set(await answers(site, 50, user)), new Set(['stable']));
});

test('a key sticks to its version, on any connection', async (t) => {
  const { site } = await open(t, { weights: HALF, key: { header: 'x-user' } });
  const user = (i: number) => `x-user: ${i}\r\n`;
  const first = await answers(site, 40, user);
  assert.deepEqual(new Set(first), new Set(['stable', 'canary']));
  assert.deepEqual(await answers(site, 40, user), first);
});

test('the key is the header, else the cookie, else the minted cookie, else one is made', async (t) => {
  const { site } = await open(t, { weights: HALF, key: { header: 'x-user', cookie: 'uid' } });
  const by = async (fields: string) => {
    const { body, field } = await site.get(fields);
    const { why, key } = await site.record();
    return { body, why, key, cookie: field('set-cookie') };
  };
  const header = await by('x-user: ann\r\ncookie: uid=bob; spillway_key=cid\r\n');
  const cookie = await by('cookie: spillway_key=cid; uid=ann\r\n');
  const split = await by('cookie: spillway_key=cid\r\ncookie: uid=ann\r\n');
  const minted = await by('cookie: uid=; spillway_key=ann\r\nx-user:\r\n');
  for (const one of [header, cookie, split, minted]) {
    assert.deepEqual({ ...one, why: '' }, { ...header, why: '' }, 'the same key is the same version');
    assert.equal(one.cookie, undefined);
  }
  assert.deepEqual([header.why, cookie.why, split.why, minted.why], ['header', 'cookie', 'cookie', 'minted']);
  const made = await by('');
  assert.equal(made.why, 'minted');
  assert.notEqual(made.cookie, undefined);
});

test('a client without a key is given one that is random, hidden from scripts, and sticks', async (t) => {
  const { site } = await open(t, { weights: HALF });
  const seen = new Set<string>();
  for (let i = 0; i < 30; i++) {
    const { body, field } = await site.get();
    const cookie = field('set-cookie') ?? '';
    const key = /^spillway_key=([0-9a-f]{32}); Path=\/; Max-Age=\d+; HttpOnly; SameSite=Lax$/.exec(
      cookie,
    )?.[1];
    assert.ok(key, cookie);
    seen.add(key);
    const again = await site.get(`cookie: other=1; spillway_key=${key}\r\n`);
    assert.equal(again.body, body);
    assert.equal(again.field('set-cookie'), undefined);
  }
  assert.equal(seen.size, 30);
});

test('the client address is the key where that is configured', async (t) => {
  const { site } = await open(t, { weights: HALF, key: { mint: false, address: true } });
  const bodies = new Set<string>();
  for (let i = 0; i < 20; i++) {
    const answer = await site.get();
    bodies.add(answer.body);
    assert.equal(answer.field('set-cookie'), undefined);
    assert.equal((await site.record()).why, 'address');
  }
  assert.equal(bodies.size, 1);
});

test('without any key every request is split by chance', async (t) => {
  const { site } = await open(t, { weights: HALF, key: { mint: false } });
  const bodies = new Set(await answers(site, 64, () => ''));
  // One chance in 2^63 that this is wrong.
  assert.equal(bodies.size, 2);
  assert.equal((await site.record()).why, 'random');
});

test('a repeated key header is no key', async (t) => {
  const { site } = await open(t, { weights: HALF, key: { header: 'x-user' } });
  await site.get('x-user: a\r\nX-User: b\r\n');
  assert.equal((await site.record()).why, 'minted');
});

test('Connection cannot take the key away from the endpoint', async (t) => {
  const origin = await Origin.open(t);
  const site = await Site.open(t, { app: { versions: { v: [origin.address] }, key: { header: 'x-user' } } });
  const client = await site.connect();
  client.say(
    'GET / HTTP/1.1\r\nhost: a\r\nX-User: ann\r\nx-hop: 1\r\nconnection: x-user, x-hop, cookie\r\ncookie: a=b\r\n\r\n',
  );
  const request = await (await origin.next()).message();
  assert.equal(request.field('x-user'), 'ann');
  assert.equal(request.field('cookie'), 'a=b');
  assert.equal(request.field('x-hop'), undefined);
  assert.equal(request.field('connection'), undefined);
});

test('a signature opens a version without any weight', async (t) => {
  const { site } = await open(t, { weights: { stable: 100, canary: 0 }, override: { secret: SECRET } });
  const signed = signOverride(SECRET, 'app', 'canary');
  const answer = await site.get(`x-spillway-version: ${signed}\r\n`);
  assert.equal(answer.body, 'canary');
  assert.equal(answer.field('x-spillway-version'), 'canary');
  assert.equal(answer.field('set-cookie'), undefined);
  assert.equal((await site.record()).why, 'override');
});

test('a signature that has expired opens nothing', async (t) => {
  const { site } = await open(t, { override: { secret: SECRET } });
  const exp = site.clock.now() / 1000 + 60;
  const fields = `x-spillway-version: ${signOverride(SECRET, 'app', 'canary', exp)}\r\n`;
  assert.equal((await site.get(fields)).body, 'canary');
  site.clock.wind(60_000);
  assert.equal((await site.get(fields)).body, 'stable');
});

test('an address that is believed opens a version by its name', async (t) => {
  const { site } = await open(t, { override: { addresses: ['127.0.0.0/8'] } });
  assert.equal((await site.get('x-spillway-version: canary\r\n')).body, 'canary');
  assert.equal((await site.get('x-spillway-version: nonesuch\r\n')).body, 'stable');
});

test('whoever may not choose is split as ever, and the wish goes no further', async (t) => {
  const origin = await Origin.open(t);
  const site = await Site.open(t, {
    app: { versions: { stable: [origin.address], canary: [] }, override: { addresses: ['192.0.2.1'] } },
  });
  const client = await site.connect();
  client.say('GET / HTTP/1.1\r\nhost: a\r\nx-spillway-version: canary\r\nX-Spillway-Secret: x\r\n\r\n');
  const request = await (await origin.next()).message();
  assert.equal(request.field('x-spillway-version'), 'stable');
  assert.equal(request.field('x-spillway-secret'), undefined);
});

test('endpoints and clients are told the version, and no other word of ours gets through', async (t) => {
  const origin = await Origin.open(t, (peer, request) => {
    assert.equal(request.field('x-spillway-version'), 'v42');
    peer.say(
      'HTTP/1.1 200 OK\r\ncontent-length: 0\r\nX-Spillway-Version: lie\r\nx-spillway-more: lie\r\n\r\n',
    );
  });
  const site = await Site.open(t, { app: { versions: { v42: [origin.address] } } });
  const answer = await site.get();
  assert.equal(answer.field('x-spillway-version'), 'v42');
  assert.equal(answer.field('x-spillway-more'), undefined);
});

test('clients need not be told the version; endpoints always are', async (t) => {
  const origin = await Origin.open(t);
  const settings = { exposeVersion: false };
  const site = await Site.open(t, { app: { versions: { v42: [origin.address] } } }, { settings });
  const client = await site.connect();
  client.say('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
  const peer = await origin.next();
  assert.equal((await peer.message()).field('x-spillway-version'), 'v42');
  peer.reset();
  const answer = await client.message();
  assert.match(answer.line, / 502 /);
  assert.equal(answer.field('x-spillway-version'), undefined);
  assert.equal(JSON.parse(answer.body).version, undefined);
});
