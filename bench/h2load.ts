import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from './crew.ts';
import { quantile } from './statistics.ts';

/** One run of h2load: requests at a fixed rate, as far as the other side keeps up. */
export interface PacedLoad {
  readonly port: number;
  readonly path: string;
  /** Requests per second over all connections. */
  readonly rate: number;
  readonly seconds: number;
  /** Where the log of the run may be kept meanwhile. */
  readonly directory: string;
}

export interface PacedResult {
  /** Answers per second; less than was asked for when the other side did not keep up. */
  readonly rate: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
  /** Answers that were no 2xx. */
  readonly errors: number;
}

/** h2load's clock for `--rps` ticks every 10 ms, so a connection can be asked once a tick at most. */
const RATE_OF_ONE = 100;
/** Before this nothing is counted: connections are being made. */
const RUN_UP_SECONDS = 1;

/**
 * With `-D`, h2load opens all connections at once and then sends on all of them at the same tick: bursts of
 * hundreds of requests, whose latency is their own queue. So each connection gets one request a tick, and
 * connections are opened over a tenth of a second (`-r`, which excludes `-D`), which spreads the ticks.
 */
export async function h2load(load: PacedLoad): Promise<PacedResult> {
  const log = join(load.directory, `h2load-${load.port}.log`);
  const connections = Math.max(1, Math.round(load.rate / RATE_OF_ONE));
  const requests = connections * RATE_OF_ONE * (load.seconds + RUN_UP_SECONDS);
  await run([
    'h2load',
    '--h1',
    ...['-t', '1', '-m', '1', '-c', String(connections), '-n', String(requests)],
    ...['--rps', String(RATE_OF_ONE), '-r', String(Math.ceil(connections / 100)), '--rate-period', '1ms'],
    ...['-H', 'user-agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36', '-H', 'accept: */*'],
    ...['-H', 'cookie: theme=dark; uid=user17; session=0123456789abcdef0123456789abcdef'],
    ...['--log-file', log, '--connect-to', `127.0.0.1:${load.port}`, `http://shop.example.com${load.path}`],
  ]);
  const result = parseRequestLog(await readFile(log, 'latin1'), RUN_UP_SECONDS);
  await rm(log);
  return result;
}

/** As many requests over HTTP/2 as the other side answers, so many at once on each connection. */
export async function h2flood(load: {
  readonly port: number;
  readonly secure: boolean;
  readonly path: string;
  readonly connections: number;
  readonly streams: number;
  readonly seconds: number;
}): Promise<{ readonly requests: number; readonly rate: number; readonly errors: number }> {
  const printed = await run([
    'h2load',
    ...['-t', '1', '-c', String(load.connections), '-m', String(load.streams), '-D', String(load.seconds)],
    ...['-H', 'user-agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36', '-H', 'accept: */*'],
    ...['-H', 'cookie: theme=dark; uid=user17; session=0123456789abcdef0123456789abcdef'],
    ...['--connect-to', `127.0.0.1:${load.port}`],
    `http${load.secure ? 's' : ''}://shop.example.com${load.path}`,
  ]);
  const [, good, failed, errored] =
    /(\d+) succeeded, (\d+) failed, (\d+) errored/.exec(printed)?.map(Number) ?? [];
  if (!good) throw new Error(`h2load got no answer: ${printed}`);
  return { requests: good, rate: good / load.seconds, errors: failed! + errored! };
}

/** Reads h2load's `--log-file`: start in µs, status, µs to the end of the answer; tabs between. */
export function parseRequestLog(text: string, runUpSeconds: number): PacedResult {
  const rows = text.split('\n').filter((line) => line !== '');
  const all = rows.map((line) => line.split('\t').map(Number) as [number, number, number]);
  const first = all.reduce((least, [start]) => Math.min(least, start), Number.POSITIVE_INFINITY);
  const from = first + runUpSeconds * 1e6;
  const counted = all.filter(([start]) => start >= from);
  const to = counted.reduce((most, [start, , duration]) => Math.max(most, start + duration), from);
  const durations = counted.map(([, , microseconds]) => microseconds / 1e3);
  return {
    rate: (counted.length / (to - from)) * 1e6,
    p50: quantile(durations, 0.5),
    p99: quantile(durations, 0.99),
    errors: counted.filter(([, status]) => status < 200 || status > 299).length,
  };
}
