import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { latencyBucket } from '../../src/analysis/latency.ts';
import { bucketOf } from '../../src/base/histogram.ts';
import { Recent } from '../../src/metrics/recent.ts';
import type { LedgerCounts } from '../../src/model/counts.ts';
import { counts } from '../support/counts.ts';

function ledger(version: string, ...latencies: number[]): LedgerCounts {
  return counts({ service: 'shop', version, latency: latencies.flatMap((ms) => [bucketOf(ms), 1]) });
}

test('latencies are remembered for five minutes, by version', () => {
  const recent = new Recent();
  recent.add([ledger('stable', 3, 3, 41), ledger('canary', 7)], 0);
  recent.add([ledger('stable', 3)], 5 * 60_000);
  assert.deepEqual(recent.latency('shop', 'stable', 5 * 60_000), [
    [latencyBucket(3), 3],
    [latencyBucket(41), 1],
  ]);
  assert.deepEqual(recent.latency('shop', 'stable', 6 * 60_000), [[latencyBucket(3), 1]]);
  assert.deepEqual(recent.latency('shop', 'canary', 6 * 60_000), []);
  assert.deepEqual(recent.latency('shop', 'unheard', 0), []);
});

test('requests and failures are remembered as long', () => {
  const recent = new Recent();
  const told = (...codes: number[]) => [
    counts({ service: 'shop', version: 'stable', codes, errors: codes.includes(500) ? 2 : 0 }),
  ];
  recent.add(told(200, 7, 500, 2), 0);
  recent.add(told(200, 5), 5 * 60_000);
  assert.deepEqual(recent.requests('shop', 'stable', 5 * 60_000), { requests: 14, failures: 2 });
  assert.deepEqual(recent.requests('shop', 'stable', 6 * 60_000), { requests: 5, failures: 0 });
  assert.deepEqual(recent.requests('shop', 'unheard', 0), { requests: 0, failures: 0 });
});

test('versions that are no more are forgotten', () => {
  const recent = new Recent();
  recent.add([ledger('stable', 3), ledger('old', 3)], 0);
  recent.retain((_, version) => version === 'stable');
  assert.equal(recent.latency('shop', 'stable', 0).length, 1);
  assert.equal(recent.latency('shop', 'old', 0).length, 0);
});

test('what others did is added, and comes to what one would have done; late, lost, or told twice', () => {
  const told = fc.record({
    who: fc.nat(2),
    ms: fc.constantFrom(1, 3, 41, 170),
    failed: fc.boolean(),
    pause: fc.constantFrom(0, 1_000, 40_000, 100_000),
    posts: fc.array(fc.constantFrom('heard', 'twice', 'late', 'lost'), { maxLength: 2 }),
  });
  fc.assert(
    fc.property(fc.array(told, { maxLength: 40 }), (all) => {
      const replicas = [new Recent(), new Recent(), new Recent()];
      const one = new Recent();
      let now = 0;
      let late: (() => void)[] = [];
      const post = (who: number, how: string) => {
        const { from, minutes, lost } = replicas[who]!.news(now);
        const arrive = () => {
          for (const each of replicas) each.learn(from, minutes);
        };
        if (how === 'lost') lost();
        else if (how === 'late') late.push(arrive);
        else arrive();
        if (how === 'twice') arrive();
      };
      for (const { who, ms, failed, pause, posts } of all) {
        now += pause;
        const counted = [
          counts({
            service: 'shop',
            version: 'stable',
            codes: [failed ? 500 : 200, 1],
            errors: failed ? 1 : 0,
            latency: [bucketOf(ms), 1],
          }),
        ];
        replicas[who]!.add(counted, now);
        one.add(counted, now);
        for (const how of posts) post(who, how);
        if (posts.length === 0) for (const arrive of late.splice(0).reverse()) arrive();
      }
      for (const arrive of late.reverse()) arrive();
      late = [];
      for (const who of [0, 1, 2]) post(who, 'heard');
      for (const each of replicas) {
        assert.deepEqual(each.latency('shop', 'stable', now), one.latency('shop', 'stable', now));
        assert.deepEqual(each.requests('shop', 'stable', now), one.requests('shop', 'stable', now));
      }
    }),
  );
});

test('of five minutes only what has changed is told again, and what is old is forgotten', () => {
  const recent = new Recent();
  recent.add([ledger('stable', 3)], 0);
  recent.add([ledger('stable', 3)], 60_000);
  assert.equal(recent.news(60_000).minutes.length, 2);
  recent.add([ledger('stable', 3)], 61_000);
  assert.deepEqual(
    recent.news(61_000).minutes.map(({ minute }) => minute),
    [1],
  );
  const { minutes, lost } = recent.news(62_000);
  assert.deepEqual(minutes, []);
  lost();
  assert.deepEqual(recent.news(10 * 60_000).minutes, []);
});
