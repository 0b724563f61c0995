import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BUCKETS, bucketOf } from '../../src/base/histogram.ts';
import { Totals } from '../../src/metrics/totals.ts';
import { counts } from '../support/counts.ts';

test('what workers counted adds up', () => {
  const totals = new Totals();
  const latency = [bucketOf(1), 2, bucketOf(100), 1];
  totals.add(
    [counts({ codes: [200, 3], latency, latencySum: 102, bytesIn: 5, bytesOut: 50, inFlight: 1 })],
    1,
  );
  totals.add(
    [counts({ codes: [200, 1, 404, 2], latency, latencySum: 102, bytesIn: 5, bytesOut: 50, inFlight: 2 })],
    2,
  );
  const of = totals.of('web', 'v1')!;
  assert.deepEqual(
    [...of.codes],
    [
      [200, 4],
      [404, 2],
    ],
  );
  assert.equal(of.latency[bucketOf(1)], 4);
  assert.equal(
    of.latency.reduce((a, b) => a + b),
    6,
  );
  assert.equal(of.sums.latencySum, 204);
  assert.deepEqual([of.sums.bytesIn, of.sums.bytesOut], [10, 100]);
  assert.equal(of.present('inFlight'), 3);
  assert.equal(totals.of('web', 'v2'), undefined);
  assert.equal(totals.of('api', 'v1'), undefined);
});

test('what is in flight is the number itself, and goes with the worker; counts stay', () => {
  const totals = new Totals();
  totals.add([counts({ codes: [200, 10], inFlight: 5, pending: 3 })], 1);
  totals.add([counts({ inFlight: 2, pending: 1 })], 1);
  totals.add([counts({ inFlight: 4 })], 2);
  assert.equal(totals.of('web', 'v1')?.present('inFlight'), 6);
  assert.equal(totals.of('web', 'v1')?.present('pending'), 1);
  totals.forget(1);
  assert.equal(totals.of('web', 'v1')?.present('inFlight'), 4);
  assert.equal(totals.of('web', 'v1')?.present('pending'), 0);
  assert.equal(totals.of('web', 'v1')?.summary().requests, 10);
  totals.add([counts({ codes: [200, 1], inFlight: 1 })], 1);
  assert.equal(totals.of('web', 'v1')?.present('inFlight'), 5);
  assert.equal(totals.of('web', 'v1')?.summary().requests, 11);
});

test('errors are those the workers charged to the version', () => {
  const totals = new Totals();
  totals.add([counts({ codes: [200, 90, 500, 3], errors: 3 })], 1);
  totals.add([counts({ codes: [200, 9, 503, 4], errors: 1 })], 2);
  assert.equal(totals.of('web', 'v1')?.summary().errors, 4);
});

test('the summary tells quantiles of the upstream latency once there are any', () => {
  const totals = new Totals();
  totals.add([counts({ codes: [200, 1] })], 1);
  assert.deepEqual(totals.of('web', 'v1')?.summary(), { requests: 1, errors: 0 });
  totals.add([counts({ latency: [bucketOf(2), 94, bucketOf(20), 4, bucketOf(200), 2] })], 1);
  const { p50, p95, p99 } = totals.of('web', 'v1')!.summary();
  for (const [got, wanted] of [
    [p50, 2],
    [p95, 20],
    [p99, 200],
  ] as const)
    assert.ok(Math.abs(got! / wanted - 1) < 0.03, `${got} is not about ${wanted}`);
});

test('versions that are no more are let go', () => {
  const totals = new Totals();
  totals.add([counts(), counts({ version: 'v2' }), counts({ service: 'api' })], 1);
  totals.retain((service, version) => service === 'web' && version === 'v2');
  assert.deepEqual(
    Array.from(totals.all(), ({ service, version }) => [service, version]),
    [['web', 'v2']],
  );
});

test('the longest duration has its bucket too', () => {
  const totals = new Totals();
  totals.add([counts({ duration: [BUCKETS - 1, 1] })], 1);
  assert.equal(totals.of('web', 'v1')?.duration[BUCKETS - 1], 1);
});
