import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { Balancer, type Place, ramp } from '../../src/upstream/balancer.ts';
import type { Pool } from '../../src/upstream/pool.ts';
import { poolOf } from './parts.ts';

/** Numbers that look random and are the same every time (Park and Miller's minimal standard generator). */
function dice(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48_271) % 0x7fff_ffff;
    return state / 0x7fff_ffff;
  };
}

/** Pools that nothing is ever sent through. */
function poolsOf(t: TestContext, count: number): Pool[] {
  return Array.from({ length: count }, (_, i) => poolOf(t, `127.0.0.1:${i + 1}`).pool);
}

/** How often each pool is picked. */
function picked(balancer: Balancer, times: number): number[] {
  const counts = balancer.pools.map(() => 0);
  for (let i = 0; i < times; i++) counts[balancer.pools.indexOf(balancer.pick(0)!.pool)]!++;
  return counts;
}

test('pools of equal load get equal shares', (t) => {
  const counts = picked(new Balancer(poolsOf(t, 5), dice(1)), 10_000);
  // Five standard deviations of a share of a fifth are 200.
  for (const count of counts) assert.ok(Math.abs(count - 2000) < 200, `${counts}`);
});

test('of two pools the less loaded one is always picked', (t) => {
  const pools = poolsOf(t, 2);
  pools[0]!.load = 3;
  pools[1]!.load = 2;
  assert.deepEqual(picked(new Balancer(pools, dice(2)), 1000), [0, 1000]);
});

test('of many pools the most loaded one is never picked, and the least loaded one gets 2 in n', (t) => {
  const pools = poolsOf(t, 10);
  pools.forEach((pool, i) => {
    pool.load = i;
  });
  const counts = picked(new Balancer(pools, dice(3)), 9000);
  assert.equal(counts[9], 0);
  // Pool i wins against the 9 - i that are busier, out of 45 pairs.
  counts.forEach((count, i) => {
    assert.ok(Math.abs(count - 9000 * ((9 - i) / 45)) < 200, `${counts}`);
  });
});

test('requests that last pile up nowhere', (t) => {
  const pools = poolsOf(t, 10);
  const balancer = new Balancer(pools, dice(4));
  for (let i = 0; i < 1000; i++) balancer.pick(0)!.pool.load++;
  // One choice at random would spread over some 70 to 130; two choices keep within a few of 100.
  for (const { load } of pools) assert.ok(Math.abs(load - 100) <= 5, pools.map((pool) => pool.load).join());
});

test('a pool that was tried is not picked again, and in the end none is left', (t) => {
  const pools = poolsOf(t, 4);
  const balancer = new Balancer(pools, dice(5));
  let tried = 0;
  const seen = new Set<Pool>();
  for (let i = 0; i < 4; i++) {
    const { pool, bit } = balancer.pick(tried)!;
    seen.add(pool);
    tried |= bit;
  }
  assert.equal(seen.size, 4);
  assert.equal(balancer.pick(tried), undefined);
  assert.equal(new Balancer([]).pick(0), undefined);
});

test('a pool that refused is left out while there are others', (t) => {
  const pools = poolsOf(t, 3);
  const balancer = new Balancer(pools, dice(6));
  pools[1]!.unreachable(undefined);
  const counts = picked(balancer, 1000);
  assert.equal(counts[1], 0);
  assert.ok(counts[0]! > 400 && counts[2]! > 400, `${counts}`);
  pools[0]!.unreachable(undefined);
  pools[2]!.unreachable(undefined);
  assert.ok(
    picked(balancer, 300).every((count) => count > 0),
    'better one that refused than none',
  );
});

test('more endpoints than there are bits still end', (t) => {
  const balancer = new Balancer(poolsOf(t, 40), dice(7));
  let tried = 0;
  let picks = 0;
  for (let choice = balancer.pick(tried); choice; choice = balancer.pick(tried)) {
    tried |= choice.bit;
    picks++;
  }
  assert.equal(picks, 31);
});

const used = (pool: Pool, back?: number): Place => ({ pool, out: false, back });

test('a pool that is out of use is never picked, not even for a second try', (t) => {
  const pools = poolsOf(t, 3);
  const balancer = new Balancer(pools, dice(8));
  balancer.seat([used(pools[0]!), { pool: pools[1]!, out: 'down', back: undefined }, used(pools[2]!)], 0);
  assert.equal(picked(balancer, 1000)[1], 0);
  assert.equal(balancer.pick(0b001)?.pool, pools[2]);
  assert.equal(balancer.pick(0b101), undefined);
  assert.equal(balancer.empty, false);
  balancer.seat([{ pool: pools[0]!, out: 'down', back: undefined }], 0);
  assert.equal(balancer.pick(0), undefined);
  assert.equal(balancer.empty, true);
});

test('ejected pools come after those that would have answered, and before those that have just refused', (t) => {
  const [sound, refused, ejected, both, down] = poolsOf(t, 5) as [Pool, Pool, Pool, Pool, Pool];
  const balancer = new Balancer([], dice(10));
  refused.unreachable(undefined);
  both.unreachable(undefined);
  const out = (pool: Pool, why: 'down' | 'ejected'): Place => ({ pool, out: why, back: undefined });
  balancer.seat(
    [out(down, 'down'), out(both, 'ejected'), out(ejected, 'ejected'), used(refused), used(sound)],
    0,
  );
  const order: (Pool | undefined)[] = [];
  let tried = 0;
  for (let choice = balancer.pick(tried); choice !== undefined; choice = balancer.pick(tried)) {
    order.push(choice.pool);
    tried |= choice.bit;
  }
  assert.deepEqual(
    order.map((pool) => balancer.pools.indexOf(pool!)),
    [sound, ejected, refused, both].map((pool) => balancer.pools.indexOf(pool)),
  );
});

test('a pool that is back works up to its full share', (t) => {
  const pools = poolsOf(t, 2);
  const [warm, back] = pools as [Pool, Pool];
  const balancer = new Balancer(pools, dice(9));
  balancer.seat([used(warm), used(back, 0)], 10_000);
  const shareAt = (now: number) => {
    back.deadlines.now = now;
    return picked(balancer, 10_000)[1]! / 10_000;
  };
  for (const [now, share] of [
    [0, 0.05],
    [5_000, 0.25],
    [9_000, 0.45],
    [10_000, 0.5],
  ] as const)
    assert.ok(Math.abs(shareAt(now) - share) < 0.03, `at ${now} ms`);
  balancer.seat([used(back, 10_000)], 10_000);
  assert.equal(balancer.pick(0)?.pool, back, 'alone, it takes everything');
});

test('a pool that is back is held to its part however little it has to do beside the others', (t) => {
  const all = poolsOf(t, 6);
  fc.assert(
    fc.property(
      fc.integer({ min: 2, max: 6 }),
      fc.array(fc.nat(100), { minLength: 6, maxLength: 6 }),
      fc.nat(10_000),
      fc.integer({ min: 1, max: 0x7fff_fffe }),
      (count, loads, age, seed) => {
        const pools = all.slice(0, count);
        for (const [i, pool] of pools.entries()) pool.load = i === 0 ? 0 : loads[i]!;
        const [back, ...warm] = pools as [Pool, ...Pool[]];
        back.deadlines.now = age;
        const balancer = new Balancer(pools, dice(seed));
        balancer.seat([used(back, 0), ...warm.map((pool) => used(pool))], 10_000);
        // The least loaded one is among two taken at random this often.
        const most = (2 / count) * ramp(age, 10_000);
        const share = picked(balancer, 2000)[0]! / 2000;
        assert.ok(share < most + 0.08, `${share} instead of ${most} at most`);
      },
    ),
    { numRuns: 50 },
  );
});

test('the ramp rises from a tenth to the whole, and never falls', () => {
  fc.assert(
    fc.property(fc.nat(100_000), fc.nat(100_000), fc.integer({ min: 0, max: 100_000 }), (a, b, slowStart) => {
      const [early, late] = [Math.min(a, b), Math.max(a, b)].map((age) => ramp(age, slowStart));
      assert.ok(early! >= 0.1 && early! <= late! && late! <= 1);
    }),
  );
});
