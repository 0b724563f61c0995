import assert from 'node:assert/strict';
import type { RequestListener } from 'node:http';
import { describe, type TestContext, test } from 'node:test';
import type { FleetView, RolloutStart, RolloutView } from '../../src/model/api.ts';
import { Apart } from '../support/apart.ts';
import { need } from '../support/need.ts';
import { atLast, until } from '../support/patience.ts';
import { RedisServer } from '../support/redis.ts';
import { Fleet, type Making, type Replica } from './fleet.ts';

async function view(fleet: Fleet, replica: Replica): Promise<FleetView> {
  return (await fleet.ask<FleetView>(replica, 'GET', '/v1/fleet')).body;
}

/** Who leads, and the others, once all know of each other. */
async function parted(fleet: Fleet): Promise<readonly [Replica, ...Replica[]]> {
  const leader = await until(async () => {
    const { leader: name, replicas } = await view(fleet, fleet.replicas[0]!);
    return replicas.length === fleet.replicas.length ? name : undefined;
  });
  const others = fleet.replicas.filter(({ name }) => name !== leader);
  return [fleet.replicas.find(({ name }) => name === leader)!, ...others];
}

async function start(fleet: Fleet, replica: Replica, strategy: object, policy: object): Promise<string> {
  const { status, body } = await fleet.ask<RolloutStart>(replica, 'POST', '/v1/services/shop/rollouts', {
    candidate: 'canary',
    strategy: { type: 'canary', bake: { for: 1 }, ...strategy },
    policy: { mode: 'request', ...policy },
  });
  assert.equal(status, 200, JSON.stringify(body));
  return body.rollout!.id;
}

const canaryAt = (fleet: Fleet, replica: Replica, wanted: (weight: number) => boolean) =>
  until(async () => wanted(await fleet.canaryOf(replica)));

/** Another leads than this one, by what a replica knows. */
const succeeded = (fleet: Fleet, replica: Replica, { name }: Replica) =>
  until(async () => {
    const { leader, replicas } = await view(fleet, replica);
    return leader !== undefined && leader !== name && replicas.some(({ leads }) => leads)
      ? leader
      : undefined;
  });

describe('whoever leads real replicas', { timeout: 600_000 }, () => {
  test('and is cut off is followed by another, who takes every step once; late words of the first are refused, and a rollback wins', async (t) => {
    const fleet = await fleetOf(t);
    if (fleet === undefined) return;
    const [first, other] = await parted(fleet);
    const weights = [10, 20, 30];
    const steps = weights.map((weight, i) => ({ weight, atLeast: i === 2 ? 3600 : 1, needs: 'nothing' }));
    const id = await start(fleet, other!, { steps }, {});
    await canaryAt(fleet, first, (weight) => weight >= 10);
    // What it says from now on arrives when the line is mended.
    first.line.weather = { cut: true };
    const second = await succeeded(fleet, other!, first);
    await canaryAt(fleet, other!, (weight) => weight >= 20);
    first.line.weather = {};
    // The next one has a line that is slow, and hears the end of it.
    const { line } = fleet.replicas.find(({ name }) => name === second)!;
    line.weather = { delay: 250 };
    line.halfClose();
    for (const each of fleet.replicas) await canaryAt(fleet, each, (weight) => weight === 30);
    line.weather = {};

    const { body: rollout } = await fleet.ask<RolloutView>(first, 'GET', `/v1/rollouts/${id}`);
    assert.equal(rollout.phase.at, 'stepping', rollout.status);
    await until(async () => (await fleet.rollback(first)).body?.durable);
    assert.equal((await fleet.converged()).canary, 0);
    const entries = (await fleet.audit()).toReversed();
    const moves = entries.flatMap(({ transitions = [] }) => transitions.map(({ seq }) => seq));
    assert.deepEqual(moves, [...new Set(moves)], 'nothing is decided twice');
    const seen = entries.flatMap(({ after }) => {
      const { weights: given } = (after ?? {}) as { weights?: { canary: number } };
      return given === undefined ? [] : [given.canary];
    });
    // A rollback may be written again.
    assert.deepEqual([...new Set(seen)], [...weights, 0], 'every step is taken');
    assert.deepEqual(seen.slice(0, weights.length), weights, 'and once');
    await fleet.verify(t);
  });

  test('and two that are cut off spend one harm budget together', async (t) => {
    let ill = false;
    const failed = new Map<string, number>();
    // Fails so often for each replica, and then no more: if a third of the budget is not enough, nothing happens.
    const canary: RequestListener = ({ headers: { host = '' } }, response) => {
      const before = failed.get(host) ?? 0;
      if (ill && before < 20) {
        failed.set(host, before + 1);
        response.statusCode = 500;
      }
      response.end('canary');
    };
    const fleet = await fleetOf(t, { canary });
    if (fleet === undefined) return;
    const [leader, ...others] = await parted(fleet);
    const steps = [{ weight: 50, atLeast: 3600, needs: 'nothing' }];
    await start(
      fleet,
      leader,
      { steps },
      { onWorse: 'notify', tripwire: false, harmBudget: { failures: 60 } },
    );
    for (const each of fleet.replicas) await canaryAt(fleet, each, (weight) => weight === 50);

    for (const { line } of others) line.weather = { cut: true };
    await until(async () => (await view(fleet, leader)).replicas.filter(({ silent }) => silent).length === 2);
    for (const each of others) await until(async () => !(await view(fleet, each)).store.up);
    ill = true;
    for (const each of fleet.replicas) await canaryAt(fleet, each, (weight) => weight === 0);
    assert.deepEqual([...failed.values()], [20, 20, 20]);

    for (const { line } of others) line.weather = {};
    assert.equal((await fleet.converged()).canary, 0);
    for (const { load } of fleet.replicas) {
      await load.stop();
      assert.ok(load.failures.length === 20 && load.failures.every((line) => line.includes(' 500 ')));
    }
  });

  test('and whose packets vanish is followed by another, answers in time, and its rollback wins', async (t) => {
    const apart = Apart.open(t);
    if (apart === undefined) return;
    const server = await RedisServer.elsewhere(apart.command, apart.address(0));
    const port = server.address.split(':')[1];
    const fleet = await fleetOf(t, {
      redis: { server, address: (index) => `${apart.address(index)}:${port}` },
    });
    if (fleet === undefined) return;
    const [first, other] = await parted(fleet);
    const line = fleet.replicas.indexOf(first);
    const steps = [10, 20].map((weight, i) => ({ weight, atLeast: i === 1 ? 3600 : 1, needs: 'nothing' }));
    await start(fleet, other!, { steps }, {});
    await canaryAt(fleet, first, (weight) => weight >= 10);
    apart.lose(line, true);
    await succeeded(fleet, other!, first);
    await canaryAt(fleet, other!, (weight) => weight === 20);
    assert.equal((await fleet.weights(first, 60, 'while nothing comes back')).status, 503);
    const back = await fleet.rollback(first);
    assert.deepEqual([back.status, back.body.durable], [200, false]);
    assert.equal(await fleet.canaryOf(first), 0);
    apart.lose(line, false);
    await atLast(async () => assert.equal((await fleet.converged()).canary, 0));
    await fleet.verify(t);
  });
});

async function fleetOf(t: TestContext, making: Partial<Making> = {}): Promise<Fleet | undefined> {
  return need(t, 'redis-server') ? Fleet.start(t, { replicas: 3, ...making }) : undefined;
}
