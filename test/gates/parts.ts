import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import type { Circumstances } from '../../src/gates/circumstances.ts';
import type { Environment, World } from '../../src/gates/world.ts';
import type { Rollout } from '../../src/model/rollout.ts';
import { HandClock } from '../support/clock.ts';
import { atEnd } from '../support/end.ts';
import { eventually, patiently } from '../support/patience.ts';
import { stateOf } from '../support/site.ts';

interface Pause {
  readonly ms: number;
  readonly until: number;
  readonly end: () => void;
}

/** A world whose time is wound by hand and whose names lead where a test says. */
export class HandWorld implements World {
  readonly clock = new HandClock();
  readonly environment: Environment;
  /** Names that were looked up, in order. */
  readonly asked: string[] = [];
  readonly #hosts: Readonly<Record<string, readonly string[]>>;
  readonly #pauses = new Set<Pause>();

  constructor(environment: Environment = {}, hosts: Readonly<Record<string, readonly string[]>> = {}) {
    this.environment = environment;
    this.#hosts = hosts;
  }

  async resolve(host: string) {
    this.asked.push(host);
    const addresses = this.#hosts[host];
    if (addresses === undefined) throw new Error(`getaddrinfo ENOTFOUND ${host}`);
    return addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
  }

  pause(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const pause: Pause = { ms, until: this.clock.monotonic() + ms, end: resolve };
      this.#pauses.add(pause);
      signal.addEventListener('abort', () => {
        this.#pauses.delete(pause);
        reject(signal.reason);
      });
    });
  }

  /** How long the pauses are that are being made. */
  get pauses(): readonly number[] {
    return [...this.#pauses].map(({ ms }) => ms);
  }

  /** Waits until somebody makes a pause of this length. */
  pausing(ms: number): Promise<void> {
    return eventually(`a pause of ${ms} ms`, () => this.pauses.includes(ms));
  }

  /** The same, and then lets it pass. */
  async pass(ms: number): Promise<void> {
    await this.pausing(ms);
    this.wind(ms);
  }

  wind(ms: number): void {
    this.clock.wind(ms);
    for (const pause of this.#pauses) {
      if (pause.until > this.clock.monotonic()) continue;
      this.#pauses.delete(pause);
      pause.end();
    }
  }
}

export interface Received {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly response: ServerResponse;
}

/** What a receiver does with a request: a status to answer with, or its own doing. */
export type Manner = number | ((received: Received) => void);

/** An HTTP server that keeps what it is sent. */
export class Receiver {
  readonly received: Received[] = [];
  /** host:port, or unix:/path. */
  address = '';
  manner: Manner;
  readonly #waiting: ((received: Received) => void)[] = [];
  #seen = 0;

  private constructor(manner: Manner) {
    this.manner = manner;
  }

  /** Listens until the test is over: on a port of `host`, or at the path of a Unix socket. */
  static async open(t: TestContext, manner: Manner = 200, at: string = '127.0.0.1'): Promise<Receiver> {
    const receiver = new Receiver(manner);
    const server = createServer(async (request, response) => {
      request.setEncoding('utf8');
      let body = '';
      for await (const part of request) body += part;
      const { method = '', url = '', headers } = request;
      receiver.#take({ method, url, headers, body, response });
    });
    const isPath = at.startsWith('/');
    await new Promise<void>((resolve) =>
      server.listen(isPath ? { path: at } : { host: at, port: 0 }, resolve),
    );
    atEnd(t, () => {
      server.close();
      server.closeAllConnections();
    });
    const port = isPath ? 0 : (server.address() as AddressInfo).port;
    receiver.address = isPath ? `unix:${at}` : at.includes(':') ? `[${at}]:${port}` : `${at}:${port}`;
    return receiver;
  }

  /** The next request that no test has been given yet. */
  async next(): Promise<Received> {
    const known = this.received[this.#seen++];
    return known ?? patiently('a request', (resolve) => this.#waiting.push(resolve));
  }

  #take(received: Received): void {
    this.received.push(received);
    this.#waiting.shift()?.(received);
    if (typeof this.manner === 'function') this.manner(received);
    else received.response.writeHead(this.manner).end();
  }
}

/** Answers with JSON. */
export function json(document: unknown, status = 200): Manner {
  return ({ response }) =>
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(document));
}

/** Answers nothing, and keeps the connection. */
export const mute: Manner = () => {};

/** Breaks the connection off before any answer. */
export const broken: Manner = ({ response }) => {
  response.socket?.destroy();
};

export const ROLLOUT: Rollout = {
  id: 'r1',
  service: 'shop',
  baseline: 'v1',
  candidate: 'v2',
  build: 'sha-2',
  share: 100,
  plan: { strategy: 'canary', steps: [], gates: [], bake: { for: 0, keepWarm: 0 } },
  policy: {
    name: 'usual',
    mode: 'sticky',
    alpha: 0.01,
    beta: 0.05,
    errorCeiling: 0.5,
    latencyTolerance: 0.1,
    latencySlack: 1,
    metrics: [{ name: 'errors', kind: 'errorRatio' }],
    thresholds: [],
    onWorse: 'rollback',
    dryRun: false,
  },
  created: { at: '2026-01-01T12:00:00.000Z', by: 'ada' },
  phase: { at: 'waiting', door: 'start', passed: [], since: 0 },
  weight: 5,
  epoch: 1,
  seq: 1,
  noted: [],
  history: [],
  errands: [],
};

/** What gates are asked about, with the candidate at these endpoints. */
export function circumstancesOf(...endpoints: readonly string[]): Circumstances {
  const { services } = stateOf(1, {
    shop: {
      match: [{ host: '*.example.com' }, { host: 'shop.example' }],
      versions: { v1: ['127.0.0.1:1'], v2: endpoints },
      weights: { v1: 95, v2: 5 },
    },
  });
  return { errand: 'r1.1.gate', rollout: ROLLOUT, service: services['shop']! };
}

/** A signal that nobody aborts. */
export function untroubled(): AbortSignal {
  return new AbortController().signal;
}
