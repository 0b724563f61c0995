import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { describe, type TestContext, test } from 'node:test';
import { atEnd } from '../support/end.ts';
import { need } from '../support/need.ts';
import { atLast } from '../support/patience.ts';
import { Fleet } from './fleet.ts';

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function fleetOf(t: TestContext, replicas: number): Promise<Fleet | undefined> {
  return need(t, 'redis-server') ? Fleet.start(t, { replicas }) : undefined;
}

describe('real replicas, a real Redis, and what can come between them', { timeout: 300_000 }, () => {
  test('a replica that is cut off serves on, refuses what moves traffic on, and its rollback wins', async (t) => {
    const fleet = await fleetOf(t, 3);
    if (fleet === undefined) return;
    const [, , alone] = fleet.replicas;
    await fleet.write();
    await pause(1500);
    alone!.line.weather = { cut: true };
    await pause(500);
    const refused = await fleet.weights(alone!, 50, 'while cut off');
    assert.equal(refused.status, 503, JSON.stringify(refused.body));
    await fleet.stopWriting();
    await fleet.weights(fleet.replicas[0]!, 40, 'a last shift');

    const local = await fleet.rollback(alone!);
    assert.equal(local.status, 200, JSON.stringify(local.body));
    assert.equal(local.body.durable, false);
    assert.equal(await fleet.canaryOf(alone!), 0);
    alone!.line.weather = {};
    await atLast(async () => assert.equal((await fleet.converged()).canary, 0));
    await fleet.verify(t);
  });

  test('a Redis that stands still holds up changes and nothing else', async (t) => {
    const fleet = await fleetOf(t, 3);
    if (fleet === undefined) return;
    await fleet.write();
    await pause(1000);
    fleet.redis.freeze();
    atEnd(t, () => fleet.redis.thaw());
    await pause(1500);
    const began = performance.now();
    const back = await fleet.rollback(fleet.replicas[1]!);
    t.diagnostic(`a rollback without Redis was answered after ${Math.round(performance.now() - began)} ms`);
    assert.equal(back.status, 200, JSON.stringify(back.body));
    assert.equal(back.body.durable, false);
    await fleet.stopWriting();
    fleet.redis.thaw();
    await atLast(async () => assert.equal((await fleet.converged()).canary, 0));
    await fleet.verify(t);
  });

  test('a Redis that has lost everything is given back the newest truth', async (t) => {
    const fleet = await fleetOf(t, 3);
    if (fleet === undefined) return;
    for (let canary = 1; canary <= 5; canary++)
      await atLast(async () => {
        const { status } = await fleet.weights(fleet.replicas[canary % 3]!, canary, `${canary}`);
        assert.equal(status, 200);
      });
    const before = await fleet.converged();
    assert.equal(before.canary, 5);
    await fleet.redis.restart();
    // While it is given back nothing can be written; then everything can.
    await atLast(async () => assert.equal((await fleet.weights(fleet.replicas[0]!, 6, '6')).status, 200));
    const after = await fleet.converged();
    assert.equal(after.canary, 6);
    assert.equal(after.revision, before.revision + 1);
    for (const { load } of fleet.replicas) {
      await load.stop();
      assert.deepEqual(load.failures, []);
    }
  });

  test('lines of half a second, lines that break, and lines half closed cost patience and nothing else', async (t) => {
    const fleet = await fleetOf(t, 3);
    if (fleet === undefined) return;
    await fleet.write();
    await pause(500);
    for (const line of fleet.lines) line.weather = { delay: 250 };
    await pause(3000);
    for (const line of fleet.lines) line.weather = {};
    fleet.lines[0]!.break();
    await pause(500);
    fleet.lines[1]!.halfClose();
    await pause(1500);
    await fleet.verify(t);
  });

  test('a clock that is an hour ahead decides nothing', async (t) => {
    if (!need(t, 'redis-server', 'faketime')) return;
    const library = ['x86_64', 'aarch64']
      .map((machine) => `/usr/lib/${machine}-linux-gnu/faketime/libfaketimeMT.so.1`)
      .find(existsSync);
    assert.ok(library, 'libfaketime is there');
    const ahead = {
      LD_PRELOAD: library,
      FAKETIME: '+1h',
      DONT_FAKE_MONOTONIC: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
    };
    const fleet = await Fleet.start(t, { replicas: 3, env: (index) => (index === 0 ? ahead : {}) });
    await fleet.write();
    await pause(2500);
    await fleet.stopWriting();
    assert.equal((await fleet.rollback(fleet.replicas[0]!)).status, 200);
    assert.equal((await fleet.converged()).canary, 0);
    await fleet.verify(t);
  });
});
