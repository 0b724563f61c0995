import { h2load } from '../h2load.ts';
import { installed } from '../machine.ts';
import { median } from '../statistics.ts';
import { wrk } from '../wrk.ts';
import { SMALL } from './load.ts';
import type { Ground, Row } from './row.ts';

/** The name under which the origin itself, with no proxy before it, stands in the row. */
export const DIRECT = 'no proxy';

/**
 * Latency at a rate that all fast proxies bear with ease: half of what nginx can do at most. At full load a
 * latency says only how many connections the load generator had.
 */
export async function latency(ground: Ground): Promise<Row> {
  if (!installed('h2load')) throw new Error('h2load is missing; apt-get install nghttp2-client');
  const yardstick = ground.standing.find((each) => each.name === 'nginx');
  if (yardstick === undefined) throw new Error('its rate is half of what nginx can do, and nginx is missing');
  const most: number[] = [];
  for (let run = 0; run < 3; run++) {
    const { requests, seconds } = await wrk({ ...SMALL, port: yardstick.port, seconds: ground.seconds });
    most.push(requests / seconds);
  }
  const rate = Math.round(median(most) / 2);
  const ports = new Map([[DIRECT, ground.origins.stable]]);
  for (const { name, port } of ground.standing) ports.set(name, port);
  return {
    title: `Small GET at ${rate} requests a second, half of what nginx can do`,
    columns: [
      { key: 'p50', title: 'p50 ms', digits: 3 },
      { key: 'p99', title: 'p99 ms', digits: 3 },
      { key: 'rate', title: 'requests/s', digits: 0 },
    ],
    contenders: Array.from(ports, ([name, port]) => ({
      name,
      async measure() {
        const { seconds, directory } = ground;
        return { ...(await h2load({ port, rate, seconds, directory, path: SMALL.path })) };
      },
    })),
  };
}
