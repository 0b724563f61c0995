import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { bucketOf } from '../../src/base/histogram.ts';
import { runPrometheus } from '../metrics/prometheus.ts';
import { counts } from '../support/counts.ts';
import { need } from '../support/need.ts';
import { openHouse, token } from './house.ts';

/** One series of a query's answer. */
interface Sample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [number, string];
}

test('a real Prometheus scrapes the API, and its own API returns the series', {
  timeout: 120_000,
}, async (t) => {
  if (!need(t, 'prometheus')) return;
  const { address, totals } = await openHouse(t, { tokens: [token('root', 'admin')] });
  totals.add(
    [
      counts({
        service: 'checkout',
        version: 'canary',
        codes: [200, 41, 502, 1],
        latency: [bucketOf(3), 42],
        duration: [bucketOf(4), 42],
        latencySum: 126,
        durationSum: 168,
      }),
    ],
    1,
  );

  const prometheus = await runPrometheus(t, address);

  /** The values of a query by their version and code, as soon as there are any. */
  async function ask(query: string): Promise<Record<string, number>> {
    for (;;) {
      const answer = await fetch(`${prometheus}/api/v1/query?query=${encodeURIComponent(query)}`)
        .then((response) => response.json() as Promise<{ data?: { result: Sample[] } }>)
        .catch(() => undefined);
      const found = answer?.data?.result ?? [];
      if (found.length > 0)
        return Object.fromEntries(
          found.map(({ metric, value }) => [
            [metric['version'], metric['code']].filter(Boolean).join(' '),
            Number(value[1]),
          ]),
        );
      await pause(100);
    }
  }

  assert.deepEqual(await ask('spillway_requests_total{service="checkout"}'), {
    'canary 200': 41,
    'canary 502': 1,
  });
  assert.deepEqual(await ask('spillway_version_weight'), { stable: 100, canary: 0 });
  assert.deepEqual(await ask('spillway_upstream_latency_seconds_bucket{le="0.005"}'), { canary: 42 });
  assert.deepEqual(await ask('spillway_state_revision'), { '': 1 });
  const quantile = 'histogram_quantile(0.5, spillway_upstream_latency_seconds_bucket)';
  const { canary } = await ask(quantile);
  assert.ok(canary! > 0.0025 && canary! <= 0.005, `${canary}`);
});
