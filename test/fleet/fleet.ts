import assert from 'node:assert/strict';
import type { RequestListener } from 'node:http';
import type { TestContext } from 'node:test';
import type { AuditEntry, Change } from '../../src/model/record.ts';
import { Load } from '../process/load.ts';
import { named, origin, type Site, scratch, shop, startSite } from '../process/site.ts';
import { atEnd } from '../support/end.ts';
import { atLast } from '../support/patience.ts';
import { RedisServer } from '../support/redis.ts';
import { Relay } from '../support/relay.ts';
import { type Asked, linearizable, type Operation, register, type Said } from './linear.ts';

/** Between two changes of one writer, ms. */
const PACE = 120;

/** One process, with a line to Redis of its own, and clients of its own. */
export interface Replica {
  readonly name: string;
  readonly site: Site;
  readonly line: Relay;
  readonly load: Load;
}

/** How the replicas of a test differ from what is usual. */
export interface Making {
  readonly replicas: number;
  /** Environment of a replica, by its place. */
  readonly env?: (index: number) => Record<string, string>;
  /** Default: answers with its name. The host that it is asked for is the name of the replica that was asked. */
  readonly canary?: RequestListener;
  /** Another Redis, and where a replica finds it, by its place; no line of the fleet's own leads there. */
  readonly redis?: { readonly server: RedisServer; address(index: number): string };
}

/**
 * Replicas of Spillway as real processes that share a real Redis, each over a line that can be cut, and each with
 * clients who must never notice. Ends with the test.
 */
export class Fleet {
  readonly redis: RedisServer;
  readonly replicas: Replica[] = [];
  /** What writers were told, for the checker. */
  readonly #history: Operation<Asked, Said>[] = [];
  /** Reasons of the changes that were acknowledged as written. */
  readonly #acknowledged: string[] = [];
  #refused = 0;
  #unheard = 0;
  #writers: Promise<void>[] = [];
  #writing = false;

  private constructor(redis: RedisServer) {
    this.redis = redis;
  }

  static async start(
    t: TestContext,
    { replicas, env, canary: listener, redis: other }: Making,
  ): Promise<Fleet> {
    const redis = other?.server ?? (await RedisServer.start());
    atEnd(t, () => redis.stop());
    const fleet = new Fleet(redis);
    atEnd(t, () => fleet.stopWriting());
    const [stable, canary] = [
      await named(t, 'stable'),
      await (listener === undefined ? named(t, 'canary') : origin(t, listener)),
    ];
    for (let i = 0; i < replicas; i++) {
      const name = 'abcdefgh'[i]!;
      const line = await Relay.open(t, redis.address);
      const config = shop(stable, canary, {
        workers: 1,
        store: `redis://${other?.address(i) ?? line.address}/0`,
        fleet: { name: 'proof', replica: name, lease: 1000, mirror: await scratch(t) },
      });
      const site = await startSite(t, config, env?.(i));
      const load = new Load(site.proxy, { clients: 2, pace: 15, host: name });
      atEnd(t, () => load.stop());
      await load.start();
      fleet.replicas.push({ name, site, line, load });
    }
    return fleet;
  }

  get lines(): readonly Relay[] {
    return this.replicas.map(({ line }) => line);
  }

  /** Whatever is asked of a replica, with its answer as JSON; status 0 if there was none in a minute. */
  async ask<T>({ site }: Replica, method: string, path: string, body?: object, ifMatch?: number) {
    try {
      const answer = await fetch(`${site.admin}${path}`, {
        method,
        signal: AbortSignal.timeout(60_000),
        headers: {
          ...(body && { 'content-type': 'application/json' }),
          ...(ifMatch !== undefined && { 'if-match': `"${ifMatch}"` }),
        },
        ...(body && { body: JSON.stringify(body) }),
      });
      return { status: answer.status, body: (await answer.json()) as T };
    } catch {
      return { status: 0, body: undefined as T };
    }
  }

  async weights(replica: Replica, canary: number, reason: string, ifMatch?: number) {
    const body = { weights: { stable: 100 - canary, canary }, reason };
    return this.ask<Change>(replica, 'PUT', '/v1/services/shop/weights?wait=none', body, ifMatch);
  }

  rollback(replica: Replica) {
    return this.ask<Change>(replica, 'POST', '/v1/services/shop/rollback');
  }

  async canaryOf(replica: Replica): Promise<number> {
    const { body } = await this.ask<Pick<Change, 'split'>>(replica, 'GET', '/v1/services/shop');
    return body.split.weights['canary'] ?? 0;
  }

  /**
   * Somebody at every replica who changes weights again and again, always of the revision seen there. Resolves when
   * the canary has some traffic at every replica, which it keeps: from then on there is something to roll back.
   */
  async write(): Promise<void> {
    this.#writing = true;
    this.#writers = this.replicas.map((replica) => this.#write(replica));
    for (const replica of this.replicas)
      await atLast(async () => assert.ok((await this.canaryOf(replica)) > 0));
  }

  async stopWriting(): Promise<void> {
    this.#writing = false;
    await Promise.all(this.#writers);
  }

  /** When all is well again: all replicas have come to one revision and one split, which is given back. */
  converged(): Promise<{ readonly revision: number; readonly canary: number }> {
    return atLast(async () => {
      const seen = await Promise.all(
        this.replicas.map(async (replica) => {
          const { body } = await this.ask<{ revision: number }>(replica, 'GET', '/v1/services');
          return { revision: body.revision, canary: await this.canaryOf(replica) };
        }),
      );
      for (const each of seen) assert.deepEqual(each, seen[0]);
      return seen[0]!;
    });
  }

  /**
   * No client noticed anything; what writers were told has one order; and the audit log is one chain, in which
   * every acknowledged change stands once.
   */
  async verify(t: TestContext): Promise<void> {
    await this.stopWriting();
    const { revision } = await this.converged();
    for (const { name, load } of this.replicas) {
      const before = load.total;
      await load.answered(before + 10);
      await load.stop();
      assert.deepEqual(load.failures, [], `requests to replica ${name} that failed`);
    }
    assert.ok(linearizable(this.#history, register(this.#first)), 'compare-and-set has an order');
    const entries = await this.audit();
    // A rollout that has ended may write once more.
    const [newest] = entries;
    assert.ok(newest !== undefined && newest.revision >= revision);
    assert.deepEqual(
      entries.map((entry) => entry.revision),
      entries.map((_, i) => newest.revision - i),
      'the audit log is one chain of revisions',
    );
    const times = new Map<string, number>();
    for (const { reason = '' } of entries) times.set(reason, (times.get(reason) ?? 0) + 1);
    const lost = this.#acknowledged.filter((reason) => times.get(reason) !== 1);
    assert.deepEqual(lost, [], 'acknowledged changes that are not in the audit log once');
    const served = this.replicas.reduce((sum, { load }) => sum + load.total, 0);
    t.diagnostic(
      `${served} requests, none failed; of ${this.#history.length} changes ${this.#acknowledged.length} acknowledged, ${this.#refused} refused, ${this.#unheard} unheard of; revision ${revision}`,
    );
  }

  /** The revision before the first of the writers' changes. */
  get #first(): number {
    const revisions = this.#history.map(({ input }) =>
      'from' in input ? input.from : Number.POSITIVE_INFINITY,
    );
    return Math.min(...revisions);
  }

  async #write(replica: Replica): Promise<void> {
    for (let count = 1; this.#writing; count++) {
      await new Promise((resolve) => setTimeout(resolve, PACE));
      const { status: read, body: list } = await this.ask<{ revision: number }>(
        replica,
        'GET',
        '/v1/services',
      );
      if (read !== 200) continue;
      const reason = `${replica.name}${count}`;
      const invoked = performance.now();
      const { status, body } = await this.weights(replica, 1 + (count % 90), reason, list.revision);
      const returned = performance.now();
      const input = { from: list.revision, to: list.revision + 1 };
      // What is as asked already is no change.
      if (status === 200 && !body.changed) continue;
      if (status === 200) {
        assert.equal(body.revision, input.to);
        this.#acknowledged.push(reason);
        this.#history.push({ input, output: true, invoked, returned });
      } else if (status === 412) {
        this.#refused++;
        this.#history.push({ input, output: false, invoked, returned });
      } else {
        this.#unheard++;
        this.#history.push({ input, output: undefined, invoked, returned: Number.POSITIVE_INFINITY });
      }
    }
  }

  /** The audit log, newest first. */
  async audit(): Promise<AuditEntry[]> {
    const entries: AuditEntry[] = [];
    for (;;) {
      const before = entries.at(-1)?.revision;
      const page = before === undefined ? '' : `&before=${before}`;
      const { body } = await this.ask<{ entries: AuditEntry[] }>(
        this.replicas[0]!,
        'GET',
        `/v1/audit?limit=100${page}`,
      );
      entries.push(...body.entries);
      if (body.entries.length < 100) return entries;
    }
  }
}
