import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { bucketOf } from '../../src/base/histogram.ts';
import { Ledger } from '../../src/metrics/ledger.ts';
import type { LedgerCounts } from '../../src/model/counts.ts';
import { FAULT_KINDS, FAULTS, type Fault } from '../../src/model/fault.ts';

/** [index, count] pairs as a map. */
function pairs(flat: readonly number[]): Map<number, number> {
  const out = new Map<number, number>();
  for (let i = 0; i < flat.length; i += 2) out.set(flat[i]!, flat[i + 1]!);
  return out;
}

function kind(fault: Fault): number {
  return FAULT_KINDS.indexOf(fault.kind);
}

test('a ledger that nothing was written to has nothing to tell', () => {
  assert.equal(new Ledger('app', 'v').collect(), undefined);
});

test('every number of an exchange is told once', () => {
  const ledger = new Ledger('app', 'v');
  ledger.begin();
  ledger.fault(FAULTS.refused);
  ledger.fault(FAULTS.refused);
  ledger.fault(FAULTS.headTimeout);
  ledger.retry();
  ledger.retry();
  ledger.rescue();
  ledger.refuseRetry();
  for (let i = 0; i < 3; i++) ledger.refuseRescue();
  ledger.streamBegins();
  ledger.streamBegins();
  ledger.streamEnds(90);
  ledger.record(504, true, 12.5, 20.25, 100, 2000);
  assert.deepEqual(ledger.collect(), {
    service: 'app',
    version: 'v',
    codes: [504, 1],
    errors: 1,
    faults: [kind(FAULTS.refused), 2, kind(FAULTS.headTimeout), 1],
    retries: 2,
    retriesRefused: 1,
    rescues: 1,
    rescuesRefused: 3,
    latency: [bucketOf(12.5), 1],
    duration: [bucketOf(20.25), 1],
    latencySum: 12.5,
    durationSum: 20.25,
    bytesIn: 100,
    bytesOut: 2000,
    streamDuration: [bucketOf(90), 1],
    streamDurationSum: 90,
    streams: 1,
    inFlight: 0,
    pending: 0,
  });
  assert.equal(ledger.collect(), undefined);
});

test('what is in flight is told as it is, not as it changed', () => {
  const ledger = new Ledger('app', 'v');
  ledger.begin();
  ledger.begin();
  assert.equal(ledger.collect()?.inFlight, 2);
  ledger.record(200, false, 1, 1, 0, 0);
  const counts = ledger.collect();
  assert.equal(counts?.inFlight, 1);
  assert.deepEqual(counts?.codes, [200, 1]);
});

test('what waits to be sent is told as it is, and again when it was sent', () => {
  const ledger = new Ledger('app', 'v');
  ledger.begin();
  ledger.hold(1);
  assert.equal(ledger.collect()?.pending, 1);
  ledger.hold(-1);
  assert.equal(ledger.collect()?.pending, 0);
  assert.equal(ledger.collect(), undefined);
});

test('an exchange without an answer has a duration and no latency', () => {
  const ledger = new Ledger('app', 'v');
  ledger.begin();
  ledger.record(499, false, -1, 30, 0, 0);
  const counts = ledger.collect()!;
  assert.deepEqual(counts.latency, []);
  assert.equal(counts.latencySum, 0);
  assert.deepEqual(counts.duration, [bucketOf(30), 1]);
});

test('the first and the last status code have their places', () => {
  const ledger = new Ledger('app', 'v');
  for (const code of [100, 599]) {
    ledger.begin();
    ledger.record(code, false, 1, 1, 0, 0);
  }
  assert.deepEqual(ledger.collect()?.codes, [100, 1, 599, 1]);
});

test('however often it is read, the sums are those of what was written', () => {
  const exchange = fc.record({
    code: fc.constantFrom(101, 200, 404, 499, 503),
    latency: fc.oneof(fc.constant(-1), fc.double({ min: 0, max: 1e6, noNaN: true })),
    duration: fc.double({ min: 0, max: 1e6, noNaN: true }),
    bytes: fc.nat(),
    fault: fc.option(fc.constantFrom(...Object.values(FAULTS))),
    failed: fc.boolean(),
    read: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(exchange), (exchanges) => {
      const ledger = new Ledger('app', 'v');
      const told: LedgerCounts[] = [];
      const collect = () => told.push(...[ledger.collect() ?? []].flat());
      for (const { code, latency, duration, bytes, fault, failed, read } of exchanges) {
        ledger.begin();
        if (fault) ledger.fault(fault);
        ledger.record(code, failed, latency, duration, bytes, 2 * bytes);
        if (read) collect();
      }
      collect();
      const sum = (of: (counts: LedgerCounts) => number) => told.reduce((total, each) => total + of(each), 0);
      const count = (of: (counts: LedgerCounts) => readonly number[]) =>
        sum((each) => [...pairs(of(each)).values()].reduce((total, many) => total + many, 0));
      const answered = exchanges.filter(({ latency }) => latency >= 0);
      assert.equal(
        count((each) => each.codes),
        exchanges.length,
      );
      assert.equal(
        count((each) => each.duration),
        exchanges.length,
      );
      assert.equal(
        count((each) => each.latency),
        answered.length,
      );
      assert.equal(
        count((each) => each.faults),
        exchanges.filter(({ fault }) => fault !== null).length,
      );
      assert.equal(
        sum((each) => each.errors),
        exchanges.filter(({ failed }) => failed).length,
      );
      assert.equal(
        sum((each) => each.bytesOut),
        2 * sum((each) => each.bytesIn),
      );
      const latencies = answered.reduce((total, { latency }) => total + latency, 0);
      assert.ok(Math.abs(sum((each) => each.latencySum) - latencies) <= 1e-6 * latencies);
      for (const { codes } of told)
        assert.ok(
          [...pairs(codes).values()].every((many) => many > 0),
          'no zeros',
        );
    }),
  );
});
