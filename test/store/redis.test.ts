import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { silent } from '../../src/base/log.ts';
import { placeOf } from '../../src/model/place.ts';
import { systemClock } from '../../src/process/clock.ts';
import type { Beat, Plane } from '../../src/store/link.ts';
import { type RedisSettings, redisStore } from '../../src/store/redis.ts';
import { Fenced, type Store, StoreUnavailable } from '../../src/store/store.ts';
import { sampleEntry, sampleState, storeContract } from '../contract/store.ts';
import { atEnd } from '../support/end.ts';
import { atLast, patiently } from '../support/patience.ts';
import { RedisServer } from '../support/redis.ts';

/** A directory for each mirror. */
const mirrors = mkdtempSync(join(tmpdir(), 'spillway-mirrors-'));
let redis: RedisServer;
let fleets = 0;
const opened: Store[] = [];
before(async () => {
  redis = await RedisServer.start();
});
after(async () => {
  for (const store of opened) await store.close();
  await redis.stop();
  rmSync(mirrors, { recursive: true });
});

function settingsFor(fleet: string, server = redis): RedisSettings {
  const place = placeOf(server.url);
  assert.ok(typeof place !== 'string');
  return {
    place,
    credentials: {},
    fleet,
    replica: 'a',
    lease: 600,
    startTimeout: 3_000,
    mirror: mkdtempSync(join(mirrors, 'a-')),
  };
}

function newFleet(): string {
  return `fleet-${++fleets}`;
}

async function open(settings: RedisSettings): Promise<Store> {
  const store = await redisStore(settings, systemClock, silent);
  opened.push(store);
  return store;
}

storeContract('redis', () => open(settingsFor(newFleet())));

/** Somebody who would lead, and remembers what was heard. */
class Candidate implements Plane {
  willing = true;
  last: Beat | undefined;
  card = () => ({});
  beat(beat: Beat): void {
    this.last = beat;
  }
  missed(): void {
    this.last = undefined;
  }
}

describe('stores of one fleet', () => {
  test('hear of what the other writes', async () => {
    const fleet = newFleet();
    const [a, b] = [await open(settingsFor(fleet)), await open(settingsFor(fleet))];
    const heard = patiently<number>('a revision', (resolve) => b.watch(({ revision }) => resolve(revision)));
    await a.replace(0, sampleState('a'), sampleEntry('web'));
    assert.equal(await heard, 1);
    assert.deepEqual(b.known?.(), { revision: 1, ...sampleState('a') });
  });

  test('share with the state before whatever another has not changed', async () => {
    const fleet = newFleet();
    const [a, b] = [await open(settingsFor(fleet)), await open(settingsFor(fleet))];
    await a.replace(0, sampleState('a'), sampleEntry('web'));
    const { services: before } = await b.read();
    await a.replace(1, sampleState('a'), sampleEntry('web'));
    assert.equal((await b.read()).services['web'], before['web']);
  });

  test('know nothing of another fleet in the same Redis', async () => {
    const [a, b] = [await open(settingsFor(newFleet())), await open(settingsFor(newFleet()))];
    await a.replace(0, sampleState('a'), sampleEntry('web'));
    assert.equal((await b.read()).revision, 0);
  });

  test('have one leader, and refuse what one before it decided', async () => {
    const fleet = newFleet();
    const [a, b] = [await open(settingsFor(fleet)), await open(settingsFor(fleet))];
    const [ada, bob] = [new Candidate(), new Candidate()];
    a.link!.follow(ada);
    await atLast(() => assert.ok(ada.last?.token));
    b.link!.follow(bob);
    await atLast(() => assert.equal(bob.last?.replicas.length, 2));
    assert.equal(bob.last?.token, undefined);
    assert.deepEqual(
      bob.last?.replicas.filter(({ leads }) => leads).map(({ self }) => self),
      [a.link!.self],
    );
    const token = ada.last!.token!;
    assert.ok(await a.replace(0, sampleState('a'), sampleEntry('web'), token));

    ada.willing = false;
    await atLast(() => assert.ok(bob.last?.token));
    await assert.rejects(a.replace(1, sampleState('b'), sampleEntry('web'), token), Fenced);
    assert.ok(await b.replace(1, sampleState('b'), sampleEntry('web'), bob.last!.token!));
    // People need no lease.
    assert.ok(await a.replace(2, sampleState('c'), sampleEntry('web')));
  });

  test('bring a Redis that lost its data the highest revision among them', async (t) => {
    const server = await RedisServer.start();
    atEnd(t, () => server.stop());
    const [a, b] = [await open(settingsFor('lost', server)), await open(settingsFor('lost', server))];
    await a.replace(0, sampleState('a'), sampleEntry('web'));
    await b.read();
    await b.replace(1, sampleState('b'), sampleEntry('web', 'the newest'));
    await server.restart();
    await atLast(async () => assert.equal((await a.read()).revision, 2));
    const newcomer = await open(settingsFor('lost', server));
    assert.equal((await newcomer.read()).services['web']?.split.salt, 'b');
    await atLast(async () => assert.ok(await newcomer.replace(2, sampleState('c'), sampleEntry('web'))));
    assert.equal((await a.read()).revision, 3);
    assert.deepEqual(
      (await a.audit({ limit: 2 })).map(({ revision }) => revision),
      [3, 2],
    );
  });

  test('take over what Redis has where a revision came to mean two things', async (t) => {
    const server = await RedisServer.start();
    atEnd(t, () => server.stop());
    const a = await open(settingsFor('parted', server));
    await a.replace(0, sampleState('a'), sampleEntry('web'));
    await server.restart();
    await server.ask(
      'HSET',
      'spillway:{parted}:truth',
      'revision',
      '1',
      'stamp',
      'another',
      'state',
      JSON.stringify({ revision: 1, ...sampleState('other') }),
      'entry',
      '',
    );
    await atLast(async () => assert.equal((await a.read()).revision, 2));
    assert.equal((await a.read()).services['web']?.split.salt, 'other');
  });
});

describe('a store whose Redis', () => {
  test('is away starts with what it saw last, and finds its way back', async (t) => {
    const server = await RedisServer.start();
    atEnd(t, () => server.stop());
    const settings = settingsFor('away', server);
    const first = await redisStore(settings, systemClock, silent);
    await first.replace(0, sampleState('a'), sampleEntry('web'));
    await first.close();
    await server.kill();
    const store = await open(settings);
    assert.equal(store.known?.().revision, 1);
    assert.equal(store.link?.health.up, false);
    await assert.rejects(store.replace(1, sampleState('b'), sampleEntry('web')), StoreUnavailable);
    await server.restart();
    await atLast(async () => assert.ok(await store.replace(1, sampleState('b'), sampleEntry('web'))));
    assert.equal(store.link?.health.up, true);
  });

  test('is away and was never seen says so, and what to do', async () => {
    const server = await RedisServer.start();
    await server.stop();
    await assert.rejects(
      redisStore({ ...settingsFor('never', server), startTimeout: 100 }, systemClock, silent),
      /^Error: Redis at 127\.0\.0\.1:\d+ is not reached: connect ECONNREFUSED.*start Redis, or correct store$/s,
    );
  });

  test('that comes later is waited for by a replica that knows nothing', async (t) => {
    const server = await RedisServer.start();
    atEnd(t, () => server.stop());
    await server.kill();
    const opening = open({ ...settingsFor('late', server), startTimeout: 60_000 });
    await server.restart();
    const store = await opening;
    assert.equal(store.link?.health.up, true);
  });

  test('hangs is given up, and then refuses at once', async (t) => {
    const server = await RedisServer.start();
    atEnd(t, () => server.stop());
    const store = await open(settingsFor('frozen', server));
    await store.replace(0, sampleState('a'), sampleEntry('web'));
    server.freeze();
    await assert.rejects(store.replace(1, sampleState('b'), sampleEntry('web')), StoreUnavailable);
    assert.equal(store.link?.health.up, false);
    await assert.rejects(store.replace(1, sampleState('b'), sampleEntry('web')), StoreUnavailable);
    server.thaw();
    await atLast(async () => assert.equal(store.link?.health.up, true));
    // What was on its way may have come true, once.
    assert.ok([1, 2].includes((await store.read()).revision));
  });
});
