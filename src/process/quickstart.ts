import { loadConfig } from '../config/load.ts';
import { parseAddress } from '../model/address.ts';
import { type Running, runSpillway } from './run.ts';
import { type Sample, startSample } from './sample.ts';

/**
 * Runs Spillway by this config with a sample server behind every endpoint of every version, so that it can
 * be tried out with nothing else at hand.
 */
export async function quickstart(configPath: string): Promise<Running> {
  const samples: Sample[] = [];
  const close = () => Promise.all(samples.map((sample) => sample.close()));
  try {
    const { services } = await loadConfig(configPath);
    for (const { versions } of Object.values(services)) {
      for (const [index, [version, { endpoints }]] of Object.entries(versions).entries()) {
        for (const endpoint of endpoints) {
          const address = parseAddress(endpoint);
          if (typeof address === 'string') throw new Error(`${endpoint}: ${address}`);
          samples.push(await startSample(`${version} (v${index + 1})`, address));
        }
      }
    }
    const running = await runSpillway({ configPath });
    return {
      ...running,
      async stop() {
        await running.stop();
        await close();
      },
    };
  } catch (fault) {
    await close();
    throw fault;
  }
}

/** What to try, as commands that can be copied into a shell. `proxy` and `admin` are URLs. */
export function guide(proxy: string, admin: string, service: string): string {
  const at = `${admin}/v1/services/${service}`;
  return `Spillway is running, with two sample versions of the service "${service}" behind it.

  traffic    ${proxy}
  admin API  ${admin}

1. See the split: twenty new visitors, counted by the version that answered.

  for i in $(seq 20); do curl -s ${proxy}/; done | sort | uniq -c

2. Shift half of the traffic to the canary, then see the split again.

  curl -s -X PUT ${at}/weights -H 'content-type: application/json' -d '{"weights":{"stable":50,"canary":50}}'

3. Roll back, and see it once more.

  curl -s -X POST '${at}/rollback?wait=all'

Ctrl-C ends it all.
`;
}
