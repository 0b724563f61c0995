import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import fc from 'fast-check';
import { BUCKETS, bucketOf, upperBound } from '../../src/base/histogram.ts';
import { BOUNDS, createExposition, cumulate } from '../../src/metrics/exposition.ts';
import { Totals } from '../../src/metrics/totals.ts';
import { FAULTS, faultIndex } from '../../src/model/fault.ts';
import type { EndpointNumbers } from '../../src/model/health.ts';
import type { State } from '../../src/model/state.ts';
import { counts } from '../support/counts.ts';
import { need } from '../support/need.ts';

const STATE: State = {
  revision: 12,
  services: {
    web: {
      match: [{ path: '/' }],
      versions: { v1: { endpoints: [] }, v2: { endpoints: [] }, constructor: { endpoints: [] } },
      split: {
        weights: { v1: 99.5, v2: 0.5 },
        salt: '',
        hashVersion: 1,
        cause: 'seed',
        since: '2026-01-02T03:04:05Z',
      },
      wholes: ['v1'],
    },
  },
};

function filled(): Totals {
  const totals = new Totals();
  for (const worker of [1, 2])
    totals.add(
      [
        counts({
          codes: [200, 90, 499, 3, 502, 1],
          errors: 8,
          retries: 7,
          rescues: 2,
          retriesRefused: 4,
          rescuesRefused: 5,
          pending: 2,
          streams: 3,
          streamDuration: [bucketOf(2000), 1],
          streamDurationSum: 2000,
          faults: [faultIndex(FAULTS.reset), 1],
          latency: [bucketOf(0.2), 50, bucketOf(7), 40, bucketOf(120_000), 1],
          duration: [bucketOf(8), 94],
          latencySum: 120_290,
          durationSum: 752,
          bytesIn: 1000,
          bytesOut: 5000,
          inFlight: worker,
        }),
      ],
      worker,
    );
  return totals;
}

const ENDPOINT: EndpointNumbers = {
  service: 'web',
  version: 'v1',
  endpoint: '127.0.0.1:9001',
  healthy: false,
  ejections: 3,
  probes: { sound: 40, failed: 2 },
};

function render(totals = filled(), endpoints = [ENDPOINT]): Promise<string> {
  return createExposition({
    totals,
    state: () => STATE,
    workers: () => 2,
    unrouted: () => ({ 400: 4, 404: 5 }),
    handshakes: () => ({ full: 3, resumed: 2 }),
    connections: () => ({ '127.0.0.1:443': { 'http/1.1': 3, h2: 2, opening: 1 } }),
    overload: {
      pressures: () => [{ worker: 2, pressure: { loop: 0.25, memory: 0.5, descriptors: 1.5 } }],
      shed: () => ({ descriptors: 6 }),
    },
    certificates: () => [{ file: '/etc/shop.pem', notAfter: 1_800_000_000 }],
    endpoints: () => endpoints,
    version: '1.2.3',
  }).render();
}

test('every number is shown under the name that dashboards rely on', async () => {
  const text = await render();
  const lines = new Set(text.split('\n'));
  const at = '{service="web",version="v1"';
  for (const line of [
    'spillway_open_connections{listener="127.0.0.1:443",protocol="http/1.1"} 3',
    'spillway_open_connections{listener="127.0.0.1:443",protocol="opening"} 1',
    'spillway_handshakes_total{result="resumed"} 2',
    'spillway_tls_certificate_not_after_seconds{file="/etc/shop.pem"} 1800000000',
    `spillway_requests_total${at},code="200"} 180`,
    `spillway_requests_total${at},code="499"} 6`,
    `spillway_errors_total${at}} 16`,
    `spillway_faults_total${at},kind="reset"} 2`,
    `spillway_retries_total${at}} 14`,
    `spillway_open_streams${at}} 6`,
    `spillway_stream_duration_seconds_bucket${at},le="1"} 0`,
    `spillway_stream_duration_seconds_bucket${at},le="5"} 2`,
    `spillway_stream_duration_seconds_sum${at}} 4`,
    `spillway_rescues_total${at}} 4`,
    `spillway_retries_refused_total${at}} 8`,
    `spillway_rescues_refused_total${at}} 10`,
    `spillway_pending_requests${at}} 4`,
    `spillway_upstream_latency_seconds_bucket${at},le="0.0005"} 100`,
    `spillway_upstream_latency_seconds_bucket${at},le="0.005"} 100`,
    `spillway_upstream_latency_seconds_bucket${at},le="0.01"} 180`,
    `spillway_upstream_latency_seconds_bucket${at},le="60"} 180`,
    `spillway_upstream_latency_seconds_bucket${at},le="+Inf"} 182`,
    `spillway_upstream_latency_seconds_sum${at}} 240.58`,
    `spillway_upstream_latency_seconds_count${at}} 182`,
    `spillway_request_duration_seconds_count${at}} 188`,
    `spillway_in_flight_requests${at}} 3`,
    `spillway_received_bytes_total${at}} 2000`,
    `spillway_sent_bytes_total${at}} 10000`,
    `spillway_version_weight${at}} 99.5`,
    'spillway_version_weight{service="web",version="v2"} 0.5',
    'spillway_version_weight{service="web",version="constructor"} 0',
    `spillway_endpoint_healthy${at},endpoint="127.0.0.1:9001"} 0`,
    `spillway_endpoint_ejections_total${at},endpoint="127.0.0.1:9001"} 3`,
    `spillway_endpoint_probes_total${at},endpoint="127.0.0.1:9001",result="failed"} 2`,
    'spillway_overload_pressure{worker="2",resource="descriptors"} 1.5',
    'spillway_connections_shed_total{reason="descriptors"} 6',
    'spillway_state_revision 12',
    'spillway_workers 2',
    'spillway_unrouted_requests_total{code="400"} 4',
    'spillway_unrouted_requests_total{code="404"} 5',
    'spillway_build_info{version="1.2.3"} 1',
  ])
    assert.ok(lines.has(line), line);
  assert.match(text, /^process_resident_memory_bytes \d+/m);
  assert.match(text, /^# TYPE spillway_upstream_latency_seconds histogram$/m);
});

test('an address that several names lead to is one series, as Prometheus takes a second one for an error', async () => {
  const text = await render(filled(), [
    ENDPOINT,
    { ...ENDPOINT, healthy: true, ejections: 1, probes: { sound: 1, failed: 0 } },
    { ...ENDPOINT, version: 'v2', healthy: true },
  ]);
  const at = (version: string) => `{service="web",version="${version}",endpoint="127.0.0.1:9001"`;
  assert.deepEqual(text.match(/^spillway_endpoint.*$/gm), [
    `spillway_endpoint_healthy${at('v1')}} 0`,
    `spillway_endpoint_healthy${at('v2')}} 1`,
    `spillway_endpoint_ejections_total${at('v1')}} 4`,
    `spillway_endpoint_ejections_total${at('v2')}} 3`,
    `spillway_endpoint_probes_total${at('v1')},result="sound"} 41`,
    `spillway_endpoint_probes_total${at('v1')},result="failed"} 2`,
    `spillway_endpoint_probes_total${at('v2')},result="sound"} 40`,
    `spillway_endpoint_probes_total${at('v2')},result="failed"} 2`,
  ]);
});

test('no counter goes back when a worker is replaced', async () => {
  const totals = filled();
  const before = counters(await render(totals));
  totals.forget(1);
  totals.add([counts({ codes: [200, 1] })], 1);
  const after = counters(await render(totals));
  for (const [name, value] of before) assert.ok(after.get(name)! >= value, name);
  assert.equal(after.get('spillway_requests_total{service="web",version="v1",code="200"}'), 181);
});

function counters(text: string): Map<string, number> {
  const samples = text.matchAll(/^(spillway_\w*(?:_total|_bucket|_sum|_count){.*}) (.*)$/gm);
  return new Map(Array.from(samples, ([, name, value]) => [name!, Number(value)]));
}

test('cumulated counts never fall, end in the total, and claim no duration below a bound that was not', () => {
  const durations = fc.array(fc.double({ min: 0, max: 2e6, noNaN: true }), { maxLength: 50 });
  fc.assert(
    fc.property(durations, (milliseconds) => {
      const counts = new Float64Array(BUCKETS);
      for (const ms of milliseconds) counts[bucketOf(ms)]!++;
      const cumulated = cumulate(counts);
      assert.equal(cumulated.at(-1), milliseconds.length);
      for (const [index, bound] of BOUNDS.entries()) {
        const ms = bound * 1000;
        const truly = (limit: number) => milliseconds.filter((each) => each < limit).length;
        assert.ok(cumulated[index]! <= truly(ms));
        assert.ok(cumulated[index]! >= truly(ms * (1 - 1 / 32)));
        assert.ok(cumulated[index]! <= cumulated[index + 1]!);
      }
    }),
  );
});

test('where a fine bucket ends below a bound, its count is below it to the last one', () => {
  for (const [index, bound] of BOUNDS.entries()) {
    const border = bucketOf(bound * 1000);
    assert.ok(upperBound(border - 1) <= bound * 1000 && upperBound(border) > bound * 1000);
    const below = new Float64Array(BUCKETS);
    below[border - 1] = 7;
    assert.equal(cumulate(below)[index], 7);
    const above = new Float64Array(BUCKETS);
    above[border] = 7;
    assert.equal(cumulate(above)[index], 0);
  }
});

test('promtool finds nothing to complain of', async (t) => {
  if (!need(t, 'promtool')) return;
  const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], {
    input: await render(),
    encoding: 'utf8',
  });
  assert.equal(stdout + stderr, '');
  assert.equal(status, 0);
});
