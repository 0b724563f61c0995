import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { freePort } from '../crew.ts';
import { spillway } from '../rivals/spillway.ts';
import { wrk } from '../wrk.ts';
import { SMALL } from './load.ts';
import { type Ground, type Row, type Sample, stand } from './row.ts';

/** How long stragglers are waited for, in milliseconds: ten times the worst that the budget allows. */
const WATCH = 500;

/**
 * How long after the answer of the admin API a request still arrives at the version that was left. Both
 * versions are served by this process, so that arrivals and the answer are told by one clock; what waits in
 * its queue counts against Spillway.
 */
export async function change(ground: Ground): Promise<Row> {
  const stable = await listen(() => {});
  let last = 0;
  const canary = await listen(() => {
    last = performance.now();
  });
  const admin = await freePort();
  const origins = { stable: portOf(stable), canary: portOf(canary) };
  const proxy = await stand(spillway('spillway-change', { admin }), { ...ground, origins });
  const service = `http://127.0.0.1:${admin}/v1/services/shop`;
  const put = (share: number) =>
    ask('PUT', `${service}/weights`, { weights: { stable: 100 - share, canary: share } });

  const contender = (name: string, leave: () => Promise<void>) => ({
    name,
    async measure(): Promise<Sample> {
      // Long enough for both waits, with room for slow answers.
      const load = wrk({ ...SMALL, connections: 16, port: proxy.port, seconds: 3 });
      const changed = async () => {
        await put(50);
        await pause(WATCH);
        const asked = performance.now();
        if (last < asked - WATCH) throw new Error('the canary was given half the traffic and saw none of it');
        await leave();
        const answered = performance.now();
        await pause(WATCH);
        return { after: Math.max(0, last - answered), call: answered - asked };
      };
      // Both to their ends, so that a refused call leaves no load behind.
      const [sample, { errors }] = await both(changed(), load);
      return { ...sample, errors };
    },
  });
  return {
    title: 'Last request to the old version after the admin call was answered, under load',
    columns: [
      { key: 'after', title: 'ms after the answer', digits: 2 },
      { key: 'call', title: 'ms for the call', digits: 2 },
    ],
    contenders: [
      contender('weights', () => put(0)),
      contender('rollback', () => ask('POST', `${service}/rollback`)),
    ],
  };
}

async function both<A, B>(a: Promise<A>, b: Promise<B>): Promise<[A, B]> {
  await Promise.allSettled([a, b]);
  return Promise.all([a, b]);
}

async function listen(arrived: () => void): Promise<Server> {
  const server = createServer((_request, response) => {
    arrived();
    response.end('{}');
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  // The process ends when the run does, whether or not the proxy still holds connections.
  server.unref();
  return server;
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}

async function ask(method: string, url: string, body?: unknown): Promise<void> {
  const json = body !== undefined && {
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json' },
  };
  const response = await fetch(url, { method, ...json });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${url} was answered with ${response.status}: ${text}`);
}
