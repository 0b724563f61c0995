import { fileURLToPath } from 'node:url';
import { run } from './crew.ts';
import { root } from './machine.ts';

/** One run of wrk: as many requests as the other side answers, over a fixed number of connections. */
export interface Load {
  readonly port: number;
  readonly secure?: boolean;
  readonly kind: 'get' | 'post' | 'close';
  readonly path: string;
  readonly connections: number;
  readonly seconds: number;
}

export interface LoadResult {
  readonly seconds: number;
  readonly requests: number;
  /** Heads and bodies received. */
  readonly bytes: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
  /** Refused or broken connections, time-outs, and answers of status 400 or more. */
  readonly errors: number;
}

export async function wrk(load: Load): Promise<LoadResult> {
  const url = `http${load.secure ? 's' : ''}://127.0.0.1:${load.port}/`;
  const size = ['-t', '1', '-c', String(load.connections), '-d', `${load.seconds}s`] as const;
  const script = fileURLToPath(new URL('bench/load.lua', root));
  return parseWrk(await run(['wrk', ...size, '-s', script, url, '--', load.kind, load.path]));
}

/** Reads the line that `done` in load.lua prints below wrk's own report. */
export function parseWrk(printed: string): LoadResult {
  const line = /^done (\{.*\})$/m.exec(printed)?.[1];
  if (line === undefined) throw new Error(`wrk printed no result: ${printed}`);
  const told = JSON.parse(line) as Record<'microseconds' | keyof LoadResult, number>;
  return {
    seconds: told.microseconds / 1e6,
    requests: told.requests,
    bytes: told.bytes,
    p50: told.p50 / 1e3,
    p99: told.p99 / 1e3,
    errors: told.errors,
  };
}
