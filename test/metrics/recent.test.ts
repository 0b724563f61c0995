import assert from 'node:assert/strict';
import { test } from 'node:test';
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
