import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { Head, parseRequest } from '../src/http/head.ts';
import { requestDrops, requestLines } from '../src/http/rewrite.ts';
import { weightsFault } from '../src/model/weights.ts';
import { compileSplit } from '../src/routing/split.ts';
import { compileTable, resolveService } from '../src/routing/table.ts';
import { memoryStore } from '../src/store/memory.ts';
import { atEnd } from './support/end.ts';
import { always, Origin, ok } from './support/origin.ts';
import { eventually } from './support/patience.ts';
import type { Peer } from './support/peer.ts';
import { type Draft, get, post, Site, type SiteOptions, stateOf } from './support/site.ts';

/** What shall always be true, each sentence a test of that name. ARCHITECTURE.md tells them. */

const VERSIONS = ['blue', 'green', 'canary', 'v42'];

function split(weights: Readonly<Record<string, number>>) {
  const doc = { weights, salt: 's', hashVersion: 1, cause: 'seed', since: '2026-01-01T00:00:00Z' } as const;
  return compileSplit(doc, VERSIONS);
}

test('a request sees exactly one table', async (t) => {
  const names = ['one', 'two'];
  const origins = await Promise.all(names.map((name) => Origin.open(t, always(name))));
  const draft = (i: number): Draft => ({
    versions: { [names[i]!]: [origins[i]!.address] },
    key: { mint: false },
  });
  const site = await Site.open(t, { app: draft(0) });
  const clients = await Promise.all(Array.from({ length: 8 }, () => site.connect()));
  let turn = 0;
  let swapping = setImmediate(function swap() {
    site.adopt({ app: draft(++turn % 2) });
    swapping = setImmediate(swap);
  });
  atEnd(t, () => clearImmediate(swapping));
  for (let round = 0; round < 20; round++) {
    // A body in two pieces, so that tables are swapped in the middle of every request.
    for (const client of clients) client.say('PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\na');
    await new Promise(setImmediate);
    for (const client of clients) client.say('b');
    for (const answer of await Promise.all(clients.map((client) => client.message()))) {
      assert.match(answer.line, / 200 /);
      assert.equal(answer.body, answer.field('x-spillway-version'));
    }
  }
  clearImmediate(swapping);
  assert.ok(turn > 20);
});

test('the truth changes only by replace(revision, next); a worker never calls it', async () => {
  const store = memoryStore();
  const before = await store.read();
  const entry = { at: '', actor: { name: 'a', via: 'api' }, action: 'weights' } as never;
  assert.equal(await store.replace(before.revision + 1, stateOf(7, {}), entry), undefined);
  assert.equal(await store.read(), before);
  const next = await store.replace(before.revision, stateOf(7, {}), entry);
  assert.equal(next?.revision, before.revision + 1);
  assert.equal(await store.replace(before.revision, stateOf(7, {}), entry), undefined, 'too late');

  const reached = reachedFrom('process/worker.ts');
  assert.ok(reached.has('proxy/plane.ts'));
  for (const path of reached) assert.doesNotMatch(path, /^(store|control|config|admin)\//);
});

test('every exchange is recorded exactly once, under the version chosen, however it ends', async (t) => {
  const { site, origin } = await lone(t, { maxBodyBytes: 1000, timeouts: { head: 100_000 } });
  const endings: Record<string, (client: Peer) => Promise<unknown>> = {
    async answered(client) {
      client.say(get());
      (await asked(origin)).say(ok('ok', 'connection: close\r\n'));
      return client.message();
    },
    async 'reset by the endpoint'(client) {
      client.say(get());
      (await asked(origin)).reset();
      return client.message();
    },
    async 'broken off by the endpoint'(client) {
      client.say(get());
      const peer = await asked(origin);
      peer.say('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf');
      peer.end();
      return client.gone();
    },
    async nonsense(client) {
      client.say(get());
      (await asked(origin)).say('nonsense\r\n\r\n');
      return client.message();
    },
    async 'left by the client before the answer'(client) {
      client.say(get());
      await asked(origin);
      client.reset();
    },
    async 'left by the client in the answer'(client) {
      client.say(get());
      (await asked(origin)).say('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf');
      await client.take('half');
      client.reset();
    },
    async 'left by the client in the request'(client) {
      client.say('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nhalf');
      await asked(origin);
      client.end();
    },
    async 'answered early'(client) {
      client.say('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nhalf');
      (await asked(origin)).say(ok('early'));
      return client.message();
    },
    async 'too large'(client) {
      client.say(post('x'.repeat(1001)));
      return client.message();
    },
    async 'unsound in its body'(client) {
      client.say('POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n');
      await asked(origin);
      client.say('zz');
      return client.message();
    },
    async 'a tunnel'(client) {
      client.say(get('connection: upgrade\r\nupgrade: x\r\n'));
      const peer = await asked(origin);
      peer.say('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n');
      await client.message();
      peer.end();
      return client.gone();
    },
    async 'too slow to begin'(client) {
      client.say(get());
      await asked(origin);
      site.clock.wind(101_000);
      return client.message();
    },
    async drained(client) {
      client.say(get());
      await asked(origin);
      await site.plane.drain(0);
      return client.gone();
    },
  };
  let count = 0;
  for (const [name, end] of Object.entries(endings)) {
    await end(await site.connect());
    assert.equal((await site.record()).version, 'v', name);
    const { codes, inFlight } = site.counted('v');
    assert.equal(
      Object.values(codes).reduce((total, each) => total + each, 0),
      ++count,
      name,
    );
    assert.equal(inFlight, 0, name);
  }
});

test('an ordinary retry cannot change version', async (t) => {
  const stable = await Origin.open(t, always('stable'));
  const gone = [await Origin.open(t), await Origin.open(t)];
  for (const origin of gone) origin.close();
  const site = await Site.open(t, {
    app: {
      versions: { stable: [stable.address], canary: gone.map(({ address }) => address) },
      weights: { canary: 100 },
    },
  });
  for (let i = 0; i < 5; i++) {
    const answer = await site.get();
    assert.match(answer.line, / 503 /);
    assert.equal(answer.field('x-spillway-version'), 'canary');
  }
  assert.equal(stable.requests, 0);
  assert.deepEqual(site.counted('canary').codes, { 503: 5 });
  assert.deepEqual(site.counted('stable').codes, {});
});

test('raising a version’s weight takes nobody off it', () => {
  const weights = fc
    .array(fc.nat({ max: 100 }), { minLength: VERSIONS.length, maxLength: VERSIONS.length })
    .filter((each) => each.some((weight) => weight > 0))
    .map((each) => {
      const total = each.reduce((sum, weight) => sum + weight, 0);
      const shares = each.map((weight) => Math.floor((weight / total) * 1000) / 10);
      const rest = 100 - shares.reduce((sum, share) => sum + share, 0);
      return shares.map((share, i) => (i === 0 ? Math.round((share + rest) * 10) / 10 : share));
    });
  fc.assert(
    fc.property(
      weights,
      fc.nat({ max: VERSIONS.length - 1 }),
      fc.integer({ min: 1, max: 99 }),
      (from, raised, part) => {
        // One version gains what all others lose, in steps of 0.1 %.
        const lost = from.map((weight, i) => (i === raised ? 0 : Math.floor((weight * part) / 10) / 10));
        const gain = lost.reduce((sum, each) => sum + each, 0);
        const to = from.map(
          (weight, i) => Math.round((i === raised ? weight + gain : weight - lost[i]!) * 10) / 10,
        );
        const named = (all: readonly number[]) =>
          Object.fromEntries(VERSIONS.map((name, i) => [name, all[i]!]));
        const [before, after] = [split(named(from)), split(named(to))];
        for (let user = 0; user < 300; user++) {
          const key = Buffer.from(`user-${user}`);
          if (before.choose(key, 0, key.length) === raised)
            assert.equal(after.choose(key, 0, key.length), raised, `${key}`);
        }
      },
    ),
  );
});

test('weights that do not add up are refused, never corrected', async (t) => {
  const site = await Site.open(t, { app: { versions: { a: [], b: [] }, weights: { a: 100 } } });
  for (const weights of [
    { a: 99 },
    { a: 50, b: 50.01 },
    { a: 101 },
    { a: 100, b: -1 },
    { a: Number.NaN },
    {},
    { c: 100 },
  ]) {
    assert.notEqual(
      weightsFault(weights as Record<string, number>, ['a', 'b']),
      undefined,
      JSON.stringify(weights),
    );
    const state = stateOf(2, {
      app: { versions: { a: [], b: [] }, weights: weights as Record<string, number> },
    });
    assert.throws(() => site.plane.adopt(state), RangeError, JSON.stringify(weights));
    assert.equal(site.plane.revision, 1);
  }
  assert.equal(weightsFault({ a: 99.99, b: 0.01 }, ['a', 'b']), undefined);
});

test('a client’s own hanging-up is nobody’s failure', async (t) => {
  const { site, origin } = await lone(t, { limits: { connections: 1 } });
  const before = await site.connect();
  before.say(get());
  const peer = await asked(origin);
  const queued = await site.connect();
  queued.say(get());
  await eventually('the second request to wait', () => site.counted('v').inFlight === 2);
  queued.reset();
  assert.equal((await site.record()).status, 499);
  peer.say('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf');
  await before.take('half');
  before.reset();
  assert.equal((await site.record()).status, 499);
  const { codes, faults, errors } = site.counted('v');
  assert.deepEqual(codes, { 499: 2 });
  assert.deepEqual(faults, { 'client-gone': 2 });
  assert.equal(errors, 0);
});

test('a pool outlives every table that names it, until its last exchange ends', async (t) => {
  const { site, origin } = await lone(t, {});
  const [first, second] = [await site.connect(), await site.connect()];
  first.say(get());
  second.say(get());
  const peers = [await asked(origin), await asked(origin)];
  for (let i = 0; i < 5; i++) site.adopt({});
  peers[0]!.say(ok('one'));
  assert.equal(await peers[0]!.gone(), 'end');
  peers[1]!.say('HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nt');
  site.adopt({});
  peers[1]!.say('wo');
  assert.equal(await peers[1]!.gone(), 'end');
  const bodies = [(await first.message()).body, (await second.message()).body];
  assert.deepEqual(bodies.sort(), ['one', 'two']);
  assert.deepEqual(site.counted('v').codes, { 200: 2 });
});

test('pure floors read no clock, no chance, no world', (t) => {
  for (const [object, name] of [
    [Date, 'now'],
    [Math, 'random'],
    [performance, 'now'],
    [globalThis, 'setTimeout'],
    [globalThis, 'setInterval'],
    [globalThis, 'setImmediate'],
    [process, 'hrtime'],
  ] as const)
    t.mock.method(object as unknown as Record<string, () => never>, name, () => {
      throw new Error(`${name} was read`);
    });
  // A request's whole way through them: parse, match, split, rewrite.
  const table = compileTable(
    stateOf(1, { app: { versions: { a: [], b: [] }, weights: { a: 50, b: 50 } } }),
    undefined,
    () => 0,
  );
  const buffer = Buffer.from('GET /x HTTP/1.1\r\nhost: a\r\nx-user: ann\r\n\r\n\0');
  const head = new Head();
  assert.ok(
    parseRequest(buffer, 0, buffer.length - 1, head, { targetBytes: 99, headBytes: 999, headers: 9 }) > 0,
  );
  const service = resolveService(table.routes('a')!, '/x');
  assert.ok(typeof service === 'object');
  const drops = requestDrops({ trusted: false, underscores: 'drop' });
  const once = [service.split.choose(buffer, 35, 38), requestLines(buffer, head, drops)];
  assert.deepEqual([service.split.choose(buffer, 35, 38), requestLines(buffer, head, drops)], once);
});

/** A service with one version and an origin that the test plays. */
async function lone(t: TestContext, draft: Partial<Draft>, options: SiteOptions = {}) {
  const origin = await Origin.open(t);
  const site = await Site.open(t, { app: { versions: { v: [origin.address] }, ...draft } }, options);
  return { site, origin };
}

/** The next connection to the origin, its request read. */
async function asked(origin: Origin): Promise<Peer> {
  const peer = await origin.next();
  await peer.take('\r\n\r\n');
  return peer;
}

/** Every file of src that one imports, at first or second hand, types left aside. */
function reachedFrom(start: string): Set<string> {
  const all = new Set(readdirSync('src', { recursive: true, encoding: 'utf8' }).map(normalize));
  const reached = new Set<string>();
  const open = [start];
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    if (reached.has(path)) continue;
    reached.add(path);
    assert.ok(all.has(path), path);
    for (const [, from] of readFileSync(join('src', path), 'utf8').matchAll(
      /^(?:import|export)\s(?!type\b)[^;]*?\sfrom\s'(\.[^']+)';/gm,
    ))
      open.push(join(dirname(path), from!));
  }
  return reached;
}
