import { type ChildProcess, spawn } from 'node:child_process';
import { once as hear } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import { type AddressInfo, createServer as createNetServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';
import type { ServiceList } from '../../src/model/api.ts';
import type { Config } from '../../src/model/settings.ts';
import { atEnd } from '../support/end.ts';
import { eventually, once, within } from '../support/patience.ts';
import { CLI } from './command.ts';

/** A directory that is gone after the test. */
export async function scratch(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'spillway-test-'));
  atEnd(t, () => rm(directory, { recursive: true, force: true }));
  return directory;
}

/** Endpoints that nothing listened on a moment ago. */
export async function freeEndpoints(count: number): Promise<string[]> {
  const servers = Array.from({ length: count }, () => createNetServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const endpoints = servers.map((server) => `127.0.0.1:${(server.address() as AddressInfo).port}`);
  await Promise.all(
    servers.map((server) => {
      server.close();
      return once(server, 'close');
    }),
  );
  return endpoints;
}

/** A server for one version, closed after the test. Returns its endpoint. */
export async function origin(t: TestContext, listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  atEnd(t, () => {
    server.close();
    server.closeAllConnections();
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** An origin that answers with its name. */
export function named(t: TestContext, name: string): Promise<string> {
  return origin(t, (_request, response) => void response.end(name));
}

/** A config for one service `shop` on ports that the system chooses. */
export function shop(stable: string, canary: string, more: Partial<Config> = {}): Config {
  return {
    listen: [{ address: '127.0.0.1:0' }],
    admin: { address: '127.0.0.1:0', requestsPerMinute: 10_000 },
    store: 'memory:',
    workers: 2,
    services: {
      shop: {
        match: [{ path: '/' }],
        versions: { stable: { endpoints: [stable] }, canary: { endpoints: [canary] } },
        weights: { stable: 100, canary: 0 },
      },
    },
    ...more,
  };
}

interface Line {
  readonly msg: string;
  readonly [field: string]: unknown;
}

/** `spillway run` in a process of its own, with everything it logs. */
export class Site {
  readonly child: ChildProcess;
  readonly configPath: string;
  readonly lines: Line[] = [];
  #over = false;
  readonly #closed: Promise<number | null>;
  proxy = '';
  admin = '';

  constructor(child: ChildProcess, configPath: string) {
    this.child = child;
    this.configPath = configPath;
    createInterface({ input: child.stdout! }).on('line', (text) => this.lines.push(JSON.parse(text)));
    this.#closed = hear(child, 'close').then(([code]) => {
      this.#over = true;
      return code;
    });
  }

  /** The exit code, once the process and all of its workers have let go of the output. */
  ended(): Promise<number | null> {
    return within('the end of the process', this.#closed);
  }

  /** The first line with this message from line `from` on, as soon as there is one. */
  async logged(msg: string, from = 0): Promise<Line> {
    const found = () => this.lines.slice(from).find((each) => each.msg === msg);
    await eventually(`"${msg}" in the log`, () => found() !== undefined || this.#over);
    const line = found();
    if (line === undefined) throw new Error(`it ended without saying "${msg}"`);
    return line;
  }

  /** Where it says it listens. */
  async url(msg: 'listening' | 'admin listening'): Promise<string> {
    return `http://${(await this.logged(msg))['address']}`;
  }

  /** Writes another config and has it read; resolves with the line that tells what came of it. */
  async reload(config: object | string, outcome: string): Promise<Line> {
    await writeFile(this.configPath, typeof config === 'string' ? config : JSON.stringify(config));
    const from = this.lines.length;
    this.child.kill('SIGHUP');
    return this.logged(outcome, from);
  }

  async get(path = '/'): Promise<{ status: number; text: string }> {
    const answer = await fetch(`${this.proxy}${path}`);
    return { status: answer.status, text: await answer.text() };
  }

  async status(): Promise<ServiceList> {
    const answer = await fetch(`${this.admin}/v1/services`);
    return (await answer.json()) as ServiceList;
  }
}

function end(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It is gone already.
  }
}

/** Starts `spillway run` by this config. It is killed, if it still is there, after the test. */
export async function startSite(
  t: TestContext,
  config: Config,
  env: Readonly<Record<string, string>> = {},
): Promise<Site> {
  const configPath = join(await scratch(t), 'spillway.json');
  await writeFile(configPath, JSON.stringify(config));
  return resumeSite(t, configPath, env);
}

/** The same with a config that is there already. */
export async function resumeSite(
  t: TestContext,
  configPath: string,
  env: Readonly<Record<string, string>> = {},
): Promise<Site> {
  const child = spawn(process.execPath, [CLI, 'run', '--config', configPath], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const site = new Site(child, configPath);
  atEnd(t, async () => {
    site.child.kill('SIGKILL');
    // Successors outlive it, and share its output.
    for (const { msg, pid } of site.lines) if (msg === 'a successor is started') end(pid as number);
    await site.ended();
  });
  site.admin = await site.url('admin listening');
  site.proxy = await site.url('listening');
  return site;
}
