import assert from 'node:assert/strict';
import { test } from 'node:test';
import { latencyBucket } from '../../src/analysis/latency.ts';
import { bucketOf } from '../../src/base/histogram.ts';
import { RecentLatency } from '../../src/metrics/recent.ts';
import type { LedgerCounts } from '../../src/model/counts.ts';
import { counts } from '../support/counts.ts';

function ledger(version: string, ...latencies: number[]): LedgerCounts {
  return counts({ service: 'shop', version, latency: latencies.flatMap((ms) => [bucketOf(ms), 1]) });
}

test('latencies are remembered for five minutes, by version', () => {
  const recent = new RecentLatency();
  recent.add([ledger('stable', 3, 3, 41), ledger('canary', 7)], 0);
  recent.add([ledger('stable', 3)], 5 * 60_000);
  assert.deepEqual(recent.of('shop', 'stable', 5 * 60_000), [
    [latencyBucket(3), 3],
    [latencyBucket(41), 1],
  ]);
  assert.deepEqual(recent.of('shop', 'stable', 6 * 60_000), [[latencyBucket(3), 1]]);
  assert.deepEqual(recent.of('shop', 'canary', 6 * 60_000), []);
  assert.deepEqual(recent.of('shop', 'unheard', 0), []);
});

test('versions that are no more are forgotten', () => {
  const recent = new RecentLatency();
  recent.add([ledger('stable', 3), ledger('old', 3)], 0);
  recent.retain((_, version) => version === 'stable');
  assert.equal(recent.of('shop', 'stable', 0).length, 1);
  assert.equal(recent.of('shop', 'old', 0).length, 0);
});
