import { h2flood } from '../h2load.ts';
import { makeKeyPair } from '../keypair.ts';
import { cpuSeconds } from '../proc.ts';
import { haproxy } from '../rivals/haproxy.ts';
import { nginx } from '../rivals/nginx.ts';
import { spillway } from '../rivals/spillway.ts';
import { handshakes } from '../stime.ts';
import { wrk } from '../wrk.ts';
import { SMALL } from './load.ts';
import { type Contender, type Ground, type Row, type Standing, stand } from './row.ts';

/** How clients come, and what they then do at a port for so many seconds. */
interface Way {
  readonly http2: boolean;
  readonly tls: boolean;
  readonly work: (port: number, seconds: number) => Promise<Result>;
}

interface Result {
  readonly requests: number;
  readonly rate: number;
  readonly errors: number;
}

const streams =
  (secure: boolean): Way['work'] =>
  (port, seconds) =>
    h2flood({ path: SMALL.path, connections: 16, streams: 10, port, secure, seconds });

const requests: Way['work'] = async (port, seconds) => {
  const result = await wrk({ ...SMALL, port, secure: true, seconds });
  return { ...result, rate: result.requests / result.seconds };
};

const connections =
  (kind: 'new' | 'reuse'): Way['work'] =>
  (port, seconds) =>
    handshakes({ path: SMALL.path, kind, port, seconds });

/** Small GETs by other ways than the main row's, to those who split. */
export const ways: Readonly<Record<string, (ground: Ground) => Promise<Row>>> = {
  http2: row('Small GET over HTTP/2', { http2: true, tls: false, work: streams(false) }),
  tls: row('Small GET over TLS', { http2: false, tls: true, work: requests }),
  'tls-http2': row('Small GET over TLS and HTTP/2', { http2: true, tls: true, work: streams(true) }),
  'tls-connect': row('Small GET, a new TLS connection with a whole handshake each', {
    http2: false,
    tls: true,
    work: connections('new'),
  }),
  'tls-resume': row('Small GET, a new TLS connection that resumes a session each', {
    http2: false,
    tls: true,
    work: connections('reuse'),
  }),
};

function row(title: string, { http2, tls, work }: Way) {
  return async (ground: Ground): Promise<Row> => {
    const contenders: Contender[] = [];
    const how = { http2, ...(tls && { tls: makeKeyPair(ground.directory) }) };
    for (const rival of [spillway('spillway'), nginx, haproxy]) {
      if (rival.version() !== undefined)
        contenders.push(timed(rival.name, await stand(rival, ground, how), work, ground.seconds));
    }
    return {
      title: `${title}, sticky split`,
      columns: [
        { key: 'cpu', title: 'CPU µs/request', digits: 1 },
        { key: 'rate', title: 'requests/s', digits: 0 },
      ],
      contenders,
    };
  };
}

function timed(name: string, { port, pid }: Standing, work: Way['work'], seconds: number): Contender {
  let warm = false;
  return {
    name,
    async measure() {
      if (!warm) await work(port, 1);
      warm = true;
      const before = cpuSeconds(pid);
      const { requests, rate, errors } = await work(port, seconds);
      return { cpu: ((cpuSeconds(pid) - before) * 1e6) / requests, rate, errors };
    },
  };
}
