import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';

/** A real Prometheus that scrapes these addresses each second, until the test is over. Resolves with its URL once it answers. */
export async function runPrometheus(t: TestContext, ...targets: readonly string[]): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'spillway-prometheus-'));
  const config = join(folder, 'prometheus.yml');
  await writeFile(
    config,
    JSON.stringify({
      global: { scrape_interval: '1s' },
      scrape_configs: [{ job_name: 'spillway', static_configs: [{ targets }] }],
    }),
  );
  const address = `127.0.0.1:${await freePort()}`;
  const prometheus = spawn(
    'prometheus',
    [
      `--config.file=${config}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=${address}`,
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
  for (;;) {
    assert.equal(prometheus.exitCode, null, 'prometheus has ended');
    const ready = await fetch(`http://${address}/-/ready`).catch(() => undefined);
    if (ready?.ok) return `http://${address}`;
    await pause(50);
  }
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
