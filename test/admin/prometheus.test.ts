import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { bucketOf } from '../../src/base/histogram.ts';
import { needPrometheus } from '../metrics/prometheus.ts';
import { openHouse, token } from './house.ts';

/** One series of a query's answer. */
interface Sample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [number, string];
}

/** Prometheus takes no port 0, so one is asked for and given back just before. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address !== null ? address.port : 0;
}

test('a real Prometheus scrapes the API, and its own API returns the series', {
  timeout: 120_000,
}, async (t) => {
  if (!needPrometheus(t)) return;
  const { address, totals } = await openHouse(t, { tokens: [token('root', 'admin')] });
  totals.add(
    [
      {
        service: 'checkout',
        version: 'canary',
        codes: [200, 41, 502, 1],
        errors: 0,
        faults: [],
        latency: [bucketOf(3), 42],
        duration: [bucketOf(4), 42],
        latencySum: 126,
        durationSum: 168,
        bytesIn: 0,
        bytesOut: 0,
        inFlight: 0,
      },
    ],
    1,
  );

  const folder = await mkdtemp(join(tmpdir(), 'spillway-prometheus-'));
  const config = join(folder, 'prometheus.yml');
  await writeFile(
    config,
    JSON.stringify({
      global: { scrape_interval: '1s' },
      scrape_configs: [{ job_name: 'spillway', static_configs: [{ targets: [address] }] }],
    }),
  );
  const port = await freePort();
  const prometheus = spawn(
    'prometheus',
    [
      `--config.file=${config}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--log.level=error',
    ],
    { stdio: 'ignore' },
  );
  const exited = once(prometheus, 'exit');
  t.after(async () => {
    prometheus.kill('SIGKILL');
    await exited;
    await rm(folder, { recursive: true });
  });

  /** The values of a query by their version and code, as soon as there are any. */
  async function ask(query: string): Promise<Record<string, number>> {
    for (;;) {
      assert.equal(prometheus.exitCode, null, 'prometheus has ended');
      const answer = await fetch(`http://127.0.0.1:${port}/api/v1/query?query=${encodeURIComponent(query)}`)
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
