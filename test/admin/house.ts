import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { type AddressInfo, createServer } from 'node:net';
import type { TestContext } from 'node:test';
import { type AdminOptions, createAdmin } from '../../src/admin/admin.ts';
import type { Clock } from '../../src/base/clock.ts';
import { silent } from '../../src/base/log.ts';
import { createControl } from '../../src/control/control.ts';
import { Evidence } from '../../src/control/evidence.ts';
import { aloneView } from '../../src/control/fleet.ts';
import type { Insight } from '../../src/control/insight.ts';
import { Observations } from '../../src/control/observations.ts';
import { ApprovalLinks } from '../../src/gates/links.ts';
import { Totals } from '../../src/metrics/totals.ts';
import { formatAddress, parseAddress } from '../../src/model/address.ts';
import type { Receipt } from '../../src/model/record.ts';
import type { LinkSettings, Role, Token } from '../../src/model/settings.ts';
import type { ServiceConfig, State } from '../../src/model/state.ts';
import { type Catalogue, NO_CATALOGUE } from '../../src/rollout/catalogue.ts';
import { memoryStore } from '../../src/store/memory.ts';
import { memoryRecordings } from '../../src/store/recordings.ts';
import type { Store } from '../../src/store/store.ts';
import { atEnd } from '../support/end.ts';
import { once } from '../support/patience.ts';

/** Time that stands still until it is wound. */
export class HandClock implements Clock {
  #time = Date.parse('2026-01-02T03:04:05Z');
  now = (): number => this.#time;
  monotonic = (): number => this.#time;
  wind(ms: number): void {
    this.#time += ms;
  }
}

/** Nothing has been seen of any rollout. */
export const BLIND: Insight = {
  verdict: () => undefined,
  missing: () => [],
  samples: () => [],
  gates: () => ({}),
  traffic: () => ({ perSecond: 0, errorRate: 0, latency: [] }),
  outcomes: { rollbacks: new Map(), decisions: { count: 0, seconds: 0 } },
};

/** Serves whatever is announced, at once, with two workers; the second can be made to hang. */
class Workers {
  announced: State | undefined;
  readonly waits: number[] = [];
  hanging = false;

  announce(state: State): void {
    this.announced = state;
  }

  async receipt(
    revision: number,
    wait: number,
    _service?: string,
    left: readonly string[] = [],
  ): Promise<Receipt> {
    this.waits.push(wait);
    const lastRequestAt = left.length > 0 ? { lastRequestAt: '2026-01-02T03:04:05.000Z' } : {};
    const all = [1, 2].map((worker) => ({ worker, revision, ...lastRequestAt }));
    return this.hanging
      ? { revision, live: false, workers: all.slice(0, 1), missing: [2] }
      : { revision, live: true, workers: all, missing: [], ...lastRequestAt };
  }
}

export const CHECKOUT: ServiceConfig = {
  match: [{ path: '/checkout' }],
  override: { secret: 'not to be shown to anybody', addresses: ['10.0.0.0/8'] },
  versions: { stable: { endpoints: ['127.0.0.1:9001'] }, canary: { endpoints: ['127.0.0.1:9002'] } },
  weights: { stable: 100, canary: 0 },
};

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body as JSON; its shape is what the test is about. */
  // biome-ignore lint/suspicious/noExplicitAny: a test reads what it expects
  readonly json: any;
}

export interface AskOptions {
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
  readonly token?: string;
}

export interface HouseOptions {
  readonly tokens?: readonly Token[];
  readonly requestsPerMinute?: number;
  readonly address?: string;
  readonly heartbeat?: number;
  readonly store?: Store;
  readonly catalogue?: Catalogue;
  readonly links?: LinkSettings;
  readonly log?: AdminOptions['log'];
  /** Who leads, if this is one of a fleet. */
  readonly leader?: string;
}

/** The admin API over a real control plane and a memory store, on a real socket. */
export async function openHouse(t: TestContext, options: HouseOptions = {}) {
  const clock = new HandClock();
  const workers = new Workers();
  const totals = new Totals();
  const health: { notLive?: string; notReady?: string } = {};
  let salts = 0;
  const control = await createControl({
    store: options.store ?? memoryStore(),
    serving: workers,
    clock,
    newSalt: () => `salt-${++salts}`,
    log: silent,
  });
  await control.reload({ checkout: CHECKOUT }, { actor: { name: 'test', role: 'admin' }, wait: 0 });

  const recordings = memoryRecordings(silent);
  const links = new ApprovalLinks(() => options.links, {}, clock);
  const admin = createAdmin({
    commands: control,
    links,
    totals,
    insight: BLIND,
    recordings,
    observations: new Observations({ state: () => control.state(), evidence: new Evidence(clock), clock }),
    catalogue: () => options.catalogue ?? NO_CATALOGUE,
    clock,
    log: options.log ?? silent,
    version: '1.2.3',
    status: {
      notLive: () => health.notLive,
      notReady: () => health.notReady,
      fleet: () => ({
        ...aloneView('here', '1.2.3', 1, 2, 0),
        ...(options.leader !== undefined && { leader: options.leader }),
      }),
      workers: () =>
        [1, 2].map((worker) => ({ worker, pid: 1000 + worker, revision: control.state().revision })),
      unrouted: () => ({ 404: 7 }),
      handshakes: () => ({}),
      connections: () => ({}),
      pressures: () => [],
      shed: () => ({}),
      certificates: () => [],
      standing: (_service, version) => [
        {
          endpoint: CHECKOUT.versions[version]?.endpoints[0] ?? 'none',
          state: 'up',
          used: true,
          says: 'it answers 200',
          since: '2026-01-01T12:00:00.000Z',
        },
      ],
      endpoints: () => [],
    },
    settings: {
      address: options.address ?? '127.0.0.1:0',
      tokens: options.tokens ?? [],
      requestsPerMinute: options.requestsPerMinute ?? 10_000,
    },
    ...(options.heartbeat !== undefined && { heartbeat: options.heartbeat }),
  });
  await admin.ready();
  const door = createServer({ pauseOnConnect: true, allowHalfOpen: true }, (socket) => admin.accept(socket));
  const at = parseAddress(options.address ?? '127.0.0.1:0');
  assert.ok(typeof at !== 'string');
  door.listen(at);
  await once(door, 'listening');
  const bound = door.address() as AddressInfo | string;
  const address =
    typeof bound === 'string' ? `unix:${bound}` : formatAddress({ ...bound, host: bound.address });
  atEnd(t, async () => {
    door.close();
    await admin.close();
    await control.close();
  });
  const url = `http://${address}`;

  async function ask(
    method: string,
    path: string,
    { body, headers, token }: AskOptions = {},
  ): Promise<Answer> {
    const response = await fetch(url + path, {
      method,
      headers: {
        connection: 'close',
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...headers,
      },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    const json =
      /json/.test(response.headers.get('content-type') ?? '') && text !== '' ? JSON.parse(text) : undefined;
    return { status: response.status, headers: response.headers, text, json };
  }

  return { admin, address, ask, clock, control, health, links, recordings, totals, url, workers };
}

export function token(name: string, role: Role): Token {
  return { name, role, sha256: createHash('sha256').update(`secret-of-${name}`).digest('hex') };
}
