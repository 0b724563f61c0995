import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import type { Change } from '../../src/model/record.ts';
import { connect, type Peer } from '../support/peer.ts';
import { origin, shop, startSite } from './site.ts';

/** Connections that always have a request under way. */
const CLIENTS = 16;
const SHIFTS = 100;

test('a hundred shifts and a rollback under load: no request fails, none reaches the version left after the receipt', async (t) => {
  const served = { stable: 0, canary: 0 };
  const count = (version: keyof typeof served) =>
    origin(t, (request, response) => {
      served[version]++;
      request.resume();
      response.end(version);
    });
  const site = await startSite(t, shop(await count('stable'), await count('canary')));
  const load = new Load(site.proxy);
  t.after(() => load.stop());
  await load.start();

  const put = async (canary: number) => {
    const answer = await fetch(`${site.admin}/v1/services/shop/weights`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ weights: { stable: 100 - canary, canary } }),
    });
    assert.equal(answer.status, 200);
    assert.equal(((await answer.json()) as Change).receipt?.live, true);
  };
  for (let shift = 1; shift <= SHIFTS; shift++) await put((shift * 37) % 100);
  await put(50);
  await load.answered(load.total + 200);
  assert.ok(served.canary > 0);

  const answer = await fetch(`${site.admin}/v1/services/shop/rollback`, { method: 'POST' });
  const receiptAt = Date.now();
  const { receipt, to } = (await answer.json()) as Change;
  assert.equal(to, 'stable');
  assert.equal(receipt?.live, true);
  assert.equal(receipt.missing.length, 0);
  assert.ok(Date.parse(receipt.lastRequestAt!) <= receiptAt);

  // Whatever was under way at the receipt is answered; from then on the canary hears nothing.
  await load.answered(load.total + 2 * CLIENTS);
  const before = served.canary;
  load.versions.clear();
  await load.answered(load.total + 1000);
  assert.equal(served.canary, before, 'requests to the canary after the receipt');
  assert.deepEqual([...load.versions.keys()], ['stable']);
  await load.stop();
  assert.deepEqual(load.failures, []);
  t.diagnostic(`${load.total} requests, ${SHIFTS + 1} shifts, 0 failed`);
});

/** Keep-alive clients with a new key for every request. */
class Load {
  total = 0;
  readonly versions = new Map<string, number>();
  readonly failures: string[] = [];
  readonly #url: URL;
  #stopped = false;
  #running: Promise<void>[] = [];

  constructor(url: string) {
    this.#url = new URL(url);
  }

  async start(): Promise<void> {
    const peers = await Promise.all(
      Array.from({ length: CLIENTS }, () => connect(`${this.#url.hostname}:${this.#url.port}`)),
    );
    this.#running = peers.map((peer, client) => this.#ask(peer, client));
  }

  async answered(count: number): Promise<void> {
    while (this.total < count && this.failures.length === 0)
      await new Promise((resolve) => setTimeout(resolve, 10));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#running);
  }

  async #ask(peer: Peer, client: number): Promise<void> {
    for (let turn = 0; !this.#stopped; turn++) {
      peer.say(`GET / HTTP/1.1\r\nhost: shop\r\ncookie: spillway_key=user-${client}-${turn}\r\n\r\n`);
      try {
        const { line, body, field } = await peer.message();
        if (!line.includes(' 200 ')) this.failures.push(line);
        const version = field('x-spillway-version') ?? body;
        this.versions.set(version, (this.versions.get(version) ?? 0) + 1);
      } catch (fault) {
        this.failures.push(String(fault));
        break;
      }
      this.total++;
    }
    peer.socket.destroy();
    if (!peer.socket.closed) await once(peer.socket, 'close');
  }
}
