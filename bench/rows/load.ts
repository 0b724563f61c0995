import { cpuSeconds } from '../proc.ts';
import { type Load, wrk } from '../wrk.ts';
import type { Column, Contender, Ground, Row, Sample, Standing } from './row.ts';

type Work = Pick<Load, 'kind' | 'path' | 'connections'>;

export const SMALL: Work = { kind: 'get', path: '/api/v1/items', connections: 64 };

const COLUMNS: readonly Column[] = [
  { key: 'cpu', title: 'CPU µs/request', digits: 1 },
  { key: 'rate', title: 'requests/s', digits: 0 },
  { key: 'p50', title: 'p50 ms', digits: 2 },
  { key: 'p99', title: 'p99 ms', digits: 2 },
];
const BYTES: Column = { key: 'megabytes', title: 'MB/s', digits: 0 };

/** The rows of wrk: as many requests as the proxy core can bear, and what each of them cost. */
export const loads: Readonly<Record<string, (ground: Ground) => Promise<Row>>> = {
  small: load('Small GET, browser-like head, sticky split', SMALL),
  '10k': load('GET of 10 KB', { kind: 'get', path: '/objects/10k', connections: 64 }, BYTES),
  '1m': load('GET of 1 MB', { kind: 'get', path: '/objects/1m', connections: 16 }, BYTES),
  post: load('POST of 10 KB', { kind: 'post', path: '/sink', connections: 64 }),
  connect: load('Small GET, a new connection each', { ...SMALL, kind: 'close' }),
};

function load(title: string, work: Work, ...more: readonly Column[]) {
  return async (ground: Ground): Promise<Row> => ({
    title,
    columns: [...COLUMNS, ...more],
    contenders: ground.standing.map((standing) => loaded(standing.name, standing, work, ground.seconds)),
  });
}

/** Measures one proxy under full load. A run-up before the first measurement lets compilers settle. */
export function loaded(name: string, proxy: Standing, work: Work, seconds: number): Contender {
  let warm = false;
  return {
    name,
    async measure(): Promise<Sample> {
      if (!warm) await wrk({ ...work, port: proxy.port, seconds: 1 });
      warm = true;
      const before = cpuSeconds(proxy.pid);
      const result = await wrk({ ...work, port: proxy.port, seconds });
      const cpu = cpuSeconds(proxy.pid) - before;
      return {
        cpu: (cpu * 1e6) / result.requests,
        rate: result.requests / result.seconds,
        megabytes: result.bytes / result.seconds / 1e6,
        p50: result.p50,
        p99: result.p99,
        errors: result.errors,
      };
    },
  };
}
