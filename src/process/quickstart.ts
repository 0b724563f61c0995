import { loadConfig } from '../config/load.ts';
import type { Config } from '../model/settings.ts';
import { type Running, runSpillway } from './run.ts';
import { type Sample, startSample } from './sample.ts';

/** What to try it with, and the Spillway to try. */
export interface Quickstart {
  readonly running: Running;
  /** Commands that can be copied into a shell. */
  readonly guide: string;
}

/**
 * Runs Spillway by this config with a sample server behind every endpoint of every version, so that it can
 * be tried out with nothing else at hand. Stopping it stops the samples as well.
 */
export async function quickstart(configPath: string): Promise<Quickstart> {
  const samples: Sample[] = [];
  const close = () => Promise.all(samples.map((sample) => sample.close()));
  try {
    const { services } = await loadConfig(configPath);
    for (const { versions } of Object.values(services)) {
      for (const [index, [version, { endpoints }]] of Object.entries(versions).entries()) {
        for (const endpoint of endpoints)
          samples.push(await startSample(`${version} (v${index + 1})`, endpoint));
      }
    }
    const running = await runSpillway({ configPath });
    const stop = async () => {
      await running.stop();
      await close();
    };
    return { running: { ...running, stop }, guide: guideTo(running, services) };
  } catch (fault) {
    await close();
    throw fault;
  }
}

function guideTo({ addresses, admin }: Running, services: Config['services']): string {
  const [[service, { versions }] = ['', { versions: {} }]] = Object.entries(services);
  const [before, after] = Object.keys(versions);
  const proxy = `http://${addresses[0]}`;
  const api = `http://${admin}/v1/services/${service}`;
  return `Spillway is running, with a sample server behind each version of the service "${service}".

  traffic    ${proxy}
  admin API  http://${admin}

1. See the split: twenty new visitors, counted by the version that answered.

  for i in $(seq 20); do curl -s ${proxy}/; done | sort | uniq -c

2. Shift half of the traffic to ${after}, then look at the split again.

  curl -s -X PUT ${api}/weights -H 'content-type: application/json' -d '{"weights":{"${before}":50,"${after}":50}}'

3. Roll back, and look once more.

  curl -s -X POST ${api}/rollback

Ctrl-C ends it all.
`;
}
