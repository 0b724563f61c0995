import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { FleetView, RolloutStart, RolloutView } from '../../src/model/api.ts';
import type { AuditEntry, Change } from '../../src/model/record.ts';
import { atEnd } from '../support/end.ts';
import { until } from '../support/patience.ts';
import { RedisServer } from '../support/redis.ts';
import { named, resumeSite, type Site, shop, startSite } from './site.ts';
import { Visitors } from './visitors.ts';

const LEASE = 1_000;

/** A Redis, and replicas that share it. */
async function fleetOf(t: TestContext, names: readonly string[]) {
  const redis = await RedisServer.start();
  atEnd(t, () => redis.stop());
  const [stable, canary] = [await named(t, 'stable'), await named(t, 'canary')];
  const start = (replica: string): Promise<Site> =>
    startSite(
      t,
      shop(stable, canary, {
        store: redis.url,
        workers: 1,
        fleet: { name: 'edge', replica, lease: LEASE },
      }),
    );
  const sites = new Map<string, Site>();
  for (const name of names) sites.set(name, await start(name));
  const all = [...sites.values()];
  // Whoever is asked knows of everybody.
  for (const site of all)
    await until(async () => {
      const { replicas, leader } = await view(site);
      return replicas.length === names.length && leader !== undefined;
    });
  return { redis, sites: all, site: (name: string) => sites.get(name)! };
}

async function ask<T>(site: Site, method: string, path: string, body?: object) {
  const answer = await fetch(`${site.admin}${path}`, {
    method,
    ...(body && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  });
  return { status: answer.status, json: (await answer.json()) as T };
}

const view = async (site: Site) => (await ask<FleetView>(site, 'GET', '/v1/fleet')).json;
const weigh = (site: Site, canary: number, query = '') =>
  ask<Change>(site, 'PUT', `/v1/services/shop/weights${query}`, {
    weights: { stable: 100 - canary, canary },
  });
const weightAt = async (site: Site) => (await site.status()).services[0]?.versions['canary']?.weight;

/** The audit log of the fleet, oldest first: one entry a revision, none missing and none twice. */
async function chain(site: Site): Promise<readonly AuditEntry[]> {
  const { json } = await ask<{ entries: AuditEntry[] }>(site, 'GET', '/v1/audit?limit=1000');
  const entries = json.entries.toReversed();
  assert.deepEqual(
    entries.map(({ revision }) => revision),
    entries.map((_, index) => index + 1),
  );
  return entries;
}

test('any replica takes a command, and the receipt is of all', async (t) => {
  const { sites, site } = await fleetOf(t, ['a', 'b', 'c']);
  const { status, json } = await weigh(site('b'), 20, '?timeout=30s');
  assert.equal(status, 200);
  assert.equal(json.receipt?.live, true);
  assert.deepEqual(json.receipt?.fleet?.replicas.map(({ replica }) => replica).sort(), ['a', 'b', 'c']);
  for (const each of sites) assert.equal(await weightAt(each), 20);

  // A revision is told of with the next sign of life.
  const { leader, replicas } = await until(async () => {
    const seen = await view(site('c'));
    return seen.replicas.every(({ behind }) => behind === 0) ? seen : undefined;
  });
  assert.equal(replicas.filter(({ leads }) => leads).length, 1);
  assert.deepEqual(
    replicas.map(({ replica, workers, silent }) => ({ replica, workers, silent })),
    ['a', 'b', 'c'].map((replica) => ({ replica, workers: 1, silent: false })),
  );
  // One that is frozen is missing by name, and the others answer.
  const frozen = ['a', 'b', 'c'].find((name) => name !== leader)!;
  site(frozen).child.kill('SIGSTOP');
  const asked = ['a', 'b', 'c'].find((name) => name !== frozen)!;
  const { json: half } = await weigh(site(asked), 30, '?wait=all&timeout=500ms');
  assert.equal(half.receipt?.live, false);
  assert.deepEqual(half.receipt?.fleet?.missing, [frozen]);
  site(frozen).child.kill('SIGCONT');
  await until(async () => (await weightAt(site(frozen))) === 30);
});

test('when the leader is killed another goes on with the rollout, and nothing is decided twice', async (t) => {
  const { site } = await fleetOf(t, ['a', 'b']);
  const { leader } = await view(site('a'));
  const [first, other] = leader === 'a' ? [site('a'), site('b')] : [site('b'), site('a')];
  const strategy = {
    type: 'canary',
    steps: [
      { weight: 10, atLeast: 2, needs: 'nothing' },
      { weight: 50, atLeast: 3600, needs: 'nothing' },
    ],
    bake: { for: 1 },
  };
  const { status, json } = await ask<RolloutStart>(other, 'POST', '/v1/services/shop/rollouts', {
    candidate: 'canary',
    strategy,
    policy: { mode: 'request' },
  });
  assert.equal(status, 200, JSON.stringify(json));
  const id = json.rollout!.id;
  await until(async () => (await weightAt(other))! >= 10);
  first.child.kill('SIGKILL');
  const died = performance.now();
  await until(async () => {
    const { replicas } = await view(other);
    return replicas.some(({ leads, replica }) => leads && replica !== leader);
  });
  const took = performance.now() - died;
  t.diagnostic(`another leads after ${took.toFixed(0)} ms of a lease of ${LEASE}`);
  // It goes on, step by step.
  await until(async () => (await weightAt(other)) === 50);
  const { json: rollout } = await ask<RolloutView>(other, 'GET', `/v1/rollouts/${id}`);
  assert.equal(rollout.phase.at, 'stepping', rollout.status);
  const entries = await chain(other);
  const moves = entries.flatMap(({ transitions = [] }) => transitions.map(({ seq }) => seq));
  assert.deepEqual(moves, [...new Set(moves)], 'nothing is decided twice');
});

test('without Redis all is served on, a rollback works where it is asked for, and wins', async (t) => {
  const { redis, site } = await fleetOf(t, ['a', 'b']);
  assert.equal((await weigh(site('a'), 40)).status, 200);
  redis.freeze();
  const began = performance.now();
  const { status, json } = await ask<Change>(site('a'), 'POST', '/v1/services/shop/rollback?timeout=500ms');
  t.diagnostic(`the rollback took ${(performance.now() - began).toFixed(0)} ms`);
  assert.equal(status, 200);
  assert.equal(json.durable, false);
  assert.equal(json.local, true);
  assert.deepEqual(json.receipt?.fleet?.missing, ['b']);
  assert.equal(await weightAt(site('a')), 0);

  // Everything else waits, says so, and the requests go on.
  assert.equal((await weigh(site('b'), 90)).status, 503);
  await until(async () => !(await view(site('b'))).store.up);
  assert.equal((await weigh(site('b'), 90)).status, 503);
  const ready = await ask<{ degraded?: string }>(site('b'), 'GET', '/ready');
  assert.equal(ready.status, 200);
  assert.match(ready.json.degraded ?? '', /The store is not reached/);
  const metrics = await (await fetch(`${site('b').admin}/metrics`)).text();
  assert.match(metrics, /^spillway_store_up 0$/m);
  for (const each of [site('a'), site('b')]) assert.equal((await each.get()).status, 200);

  redis.thaw();
  for (const each of [site('a'), site('b')])
    await until(async () => {
      const { store } = await view(each);
      return store.up && (await weightAt(each)) === 0;
    });
  await chain(site('b'));
});

test('a Redis that lost its data is given the newest truth, and never the first weights', async (t) => {
  const { redis, site } = await fleetOf(t, ['a', 'b']);
  assert.equal((await weigh(site('a'), 25)).status, 200);
  const { revision } = await site('b').status();
  await redis.restart();
  for (const each of [site('a'), site('b')]) await until(async () => (await view(each)).store.up);
  await until(async () => (await weigh(site('b'), 35)).status === 200);
  assert.equal((await site('b').status()).revision, revision + 1);
  assert.equal(await weightAt(site('a')), 35);
});

test('a leader that was frozen finds that another leads, and changes nothing any more', async (t) => {
  const { site } = await fleetOf(t, ['a', 'b']);
  const { leader } = await view(site('a'));
  const [first, other] = leader === 'a' ? [site('a'), site('b')] : [site('b'), site('a')];
  const steps = [10, 20, 30, 40].map((weight) => ({
    weight,
    atLeast: weight === 40 ? 3600 : 1,
    needs: 'nothing',
  }));
  const { status, json } = await ask<RolloutStart>(first, 'POST', '/v1/services/shop/rollouts', {
    candidate: 'canary',
    strategy: { type: 'canary', steps, bake: { for: 1 } },
    policy: { mode: 'request' },
  });
  assert.equal(status, 200, JSON.stringify(json));
  first.child.kill('SIGSTOP');
  await until(async () =>
    (await view(other)).replicas.some(({ leads, replica }) => leads && replica !== leader),
  );
  first.child.kill('SIGCONT');
  await until(async () => (await weightAt(other)) === 40);
  await until(async () => (await weightAt(first)) === 40);
  const entries = await chain(first);
  const moves = entries.flatMap(({ transitions = [] }) => transitions.map(({ seq }) => seq));
  assert.deepEqual(moves, [...new Set(moves)], 'nothing is decided twice');
  const weights = entries.flatMap(({ after }) => {
    const { weights } = (after ?? {}) as { weights?: { canary: number } };
    return weights === undefined ? [] : [weights.canary];
  });
  assert.deepEqual(
    weights,
    [...weights].sort((x, y) => x - y),
    'no step is gone back to',
  );
});

test('a replica starts without Redis, with what it saw last', async (t) => {
  const { redis, site } = await fleetOf(t, ['a']);
  assert.equal((await weigh(site('a'), 15)).status, 200);
  const { configPath } = site('a');
  site('a').child.kill('SIGTERM');
  await site('a').ended();
  await redis.kill();
  const again = await resumeSite(t, configPath);
  assert.equal(await weightAt(again), 15);
  assert.equal((await again.get()).status, 200);
  await redis.restart();
  await until(async () => (await weigh(again, 16)).status === 200);
});

test('a replica that hands over to a successor stays one of the fleet, with its evidence and without a failed request', async (t) => {
  const { site } = await fleetOf(t, ['a', 'b']);
  const { leader, replicas } = await view(site('a'));
  const [first, other] = leader === 'a' ? [site('a'), site('b')] : [site('b'), site('a')];
  const loads = [first, other].map(({ proxy }) => new Visitors(t, proxy, { kept: 3, fresh: 2 }));
  const steps = [50, 60].map((weight) => ({ weight, atLeast: 1, needs: { requests: 300 } }));
  const { status, json } = await ask<RolloutStart>(other, 'POST', '/v1/services/shop/rollouts', {
    candidate: 'canary',
    strategy: { type: 'canary', steps, bake: { for: 1 } },
    policy: { mode: 'request', onWorse: 'notify' },
  });
  assert.equal(status, 200, JSON.stringify(json));
  await until(async () => (await weightAt(first))! >= 50);

  first.child.kill('SIGUSR2');
  await first.logged('all is finished');
  const old = replicas.find(({ replica }) => replica === leader)!.id;
  // The other hears of it with the next sign of life.
  await until(async () => {
    const seen = await view(other);
    const living = seen.replicas.filter(({ id, silent }) => id !== old && !silent);
    const names = living.map(({ replica }) => replica).sort();
    return seen.leader !== undefined && seen.replicas.length === 2 && names.join() === 'a,b';
  });
  await until(async () => {
    const { json: rollout } = await ask<RolloutView>(other, 'GET', `/v1/rollouts/${json.rollout!.id}`);
    return rollout.phase.at === 'promoted';
  });
  await until(async () => (await weightAt(first)) === 100);
  for (const load of loads) {
    await load.stop();
    assert.deepEqual(load.failures, []);
  }
  const moves = (await chain(first)).flatMap(({ transitions = [] }) => transitions.map(({ seq }) => seq));
  assert.deepEqual(moves, [...new Set(moves)], 'nothing is decided twice');
});
