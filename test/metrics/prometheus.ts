import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { freeEndpoints } from '../process/site.ts';
import { atEnd } from '../support/end.ts';
import { once, until } from '../support/patience.ts';

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
  const [address] = await freeEndpoints(1);
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
  atEnd(t, async () => {
    if (prometheus.kill('SIGKILL')) await once(prometheus, 'exit');
    await rm(folder, { recursive: true });
  });
  await until(async () => {
    assert.equal(prometheus.exitCode, null, 'prometheus has ended');
    return (await fetch(`http://${address}/-/ready`).catch(() => undefined))?.ok;
  });
  return `http://${address}`;
}
