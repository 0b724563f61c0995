import { h2flood } from '../h2load.ts';
import { cpuSeconds } from '../proc.ts';
import { haproxy } from '../rivals/haproxy.ts';
import { nginx } from '../rivals/nginx.ts';
import { spillway } from '../rivals/spillway.ts';
import { type Contender, type Ground, type Row, type Standing, stand } from './row.ts';

const WORK = { path: '/api/v1/items', connections: 16, streams: 10 };

/** What a request over HTTP/2 costs, where those who split speak it with their clients without TLS. */
export async function http2(ground: Ground): Promise<Row> {
  const contenders: Contender[] = [];
  for (const rival of [spillway('spillway'), nginx, haproxy]) {
    if (rival.version() !== undefined)
      contenders.push(flooded(rival.name, await stand(rival, ground, true), ground.seconds));
  }
  return {
    title: 'Small GET over HTTP/2, sticky split',
    columns: [
      { key: 'cpu', title: 'CPU µs/request', digits: 1 },
      { key: 'rate', title: 'requests/s', digits: 0 },
    ],
    contenders,
  };
}

function flooded(name: string, { port, pid }: Standing, seconds: number): Contender {
  let warm = false;
  return {
    name,
    async measure() {
      if (!warm) await h2flood({ ...WORK, port, seconds: 1 });
      warm = true;
      const before = cpuSeconds(pid);
      const { requests, rate, errors } = await h2flood({ ...WORK, port, seconds });
      return { cpu: ((cpuSeconds(pid) - before) * 1e6) / requests, rate, errors };
    },
  };
}
