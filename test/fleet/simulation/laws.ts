import assert from 'node:assert/strict';
import type { Split, State } from '../../../src/model/state.ts';
import type { Deed, People } from './deeds.ts';
import type { Accepted, SimulatedRedis } from './redis.ts';
import { LEASE, type Replica, type Watcher } from './replica.ts';
import { EPOCH, type World } from './world.ts';

/** What must hold of a fleet, whatever happens to it. Throws an AssertionError when it does not. */
export class Laws implements Watcher {
  readonly #world: World;
  readonly #redis: SimulatedRedis;
  readonly #people: People;
  readonly #replicas: readonly Replica[];
  /** What each process serves. */
  readonly #served = new WeakMap<object, number>();
  /** When Redis last lost something. */
  lost = Number.NEGATIVE_INFINITY;
  /** What was broken where nobody could be told. */
  #broken: unknown;
  leader = '';
  takeovers = 0;

  constructor(world: World, redis: SimulatedRedis, people: People, replicas: readonly Replica[]) {
    this.#world = world;
    this.#redis = redis;
    this.#people = people;
    this.#replicas = replicas;
  }

  announced(replica: Replica, state: State): void {
    try {
      const { host } = replica;
      assert.ok(
        state.revision > (this.#served.get(host) ?? 0),
        `${replica.name} serves an older truth again`,
      );
      this.#served.set(host, state.revision);
      const back = this.#people.deeds.findLast((deed) => deed.type === 'rollback' && isDone(deed));
      // A process that begins anew knows what its disk knows, until it hears more.
      if (back?.to === undefined || back.host !== host || !this.#stands(back)) return;
      const { split } = state.services['web']!;
      if (isLater(split, back)) return;
      assert.equal(
        split.weights[back.to],
        100,
        `${replica.name} serves a promotion that is older than ${back.id}`,
      );
    } catch (error) {
      this.#broken ??= error;
    }
  }

  /** Whether a rollback is what people want last, for all to see. */
  #stands(back: Deed): boolean {
    const { deeds } = this.#people;
    // An abort that was served alone goes back too, if perhaps to another version.
    if (deeds.some(({ type, heard }) => type === 'abort' && heard === 'local')) return false;
    return (
      this.lost < back.invoked &&
      deeds.every((deed) => deed === back || (deed.returned ?? Number.POSITIVE_INFINITY) < back.invoked)
    );
  }

  /** After each event. */
  always(): void {
    if (this.#broken !== undefined) throw this.#broken;
    const leaders = this.#replicas.filter(
      ({ fleet, host }) => fleet !== undefined && !host.frozen && fleet.stand().at === 'leads',
    );
    // A lease that was lost with Redis is known to be over only when its time is.
    if (this.#world.now > this.lost + LEASE + 100)
      assert.ok(leaders.length <= 1, `${leaders.map(({ name }) => name).join(' and ')} both lead`);
    const [leader] = leaders;
    if (leader === undefined || leader.name === this.leader) return;
    if (this.leader !== '') this.takeovers++;
    this.leader = leader.name;
  }

  /** When everything is well again, and nothing happens any more. */
  finally(): void {
    const chain = chainOf(this.#redis.newest);
    this.#isOneChain(chain);
    this.#isDecidedOnce(chain);
    this.#areFenced();
    this.#areKept(chain);
    const truth = JSON.parse(this.#redis.truth ?? '{}') as State;
    for (const { name, control } of this.#replicas)
      assert.deepEqual(
        { ...control?.state(), revision: 0 },
        { ...truth, revision: 0 },
        `${name} has another truth than Redis`,
      );
    for (const { name, control } of this.#replicas)
      assert.equal(
        control?.state().revision,
        this.#redis.newest?.revision,
        `${name} is not at the newest revision`,
      );
    const leaders = this.#replicas.filter(({ fleet }) => fleet?.stand().at === 'leads');
    assert.equal(leaders.length, 1, `${leaders.length} replicas lead`);
    const back = this.#people.deeds.findLast((deed) => deed.type === 'rollback' && isDone(deed));
    if (back?.to === undefined || !this.#stands(back)) return;
    // What was served alone, and died with its replica before it could be written, is lost, as it was said.
    const isWritten = chain.some(({ entry }) => entry?.reason === back.id);
    if (back.heard === 'local' && !isWritten && back.replica.host !== back.host) return;
    const { split } = truth.services['web']!;
    if (isLater(split, back)) return;
    assert.equal(split.weights[back.to], 100, `${back.id} was overruled`);
  }

  #isOneChain(chain: readonly Accepted[]): void {
    for (const [i, { revision }] of chain.entries())
      if (this.lost < 0) assert.equal(revision, i + 1, 'a revision is missing');
      else assert.ok(revision > (chain[i - 1]?.revision ?? 0), 'a revision comes twice');
    if (this.lost < 0)
      assert.equal(chain.length, this.#redis.accepted.size, 'what was accepted is not one chain');
  }

  #isDecidedOnce(chain: readonly Accepted[]): void {
    const decided = new Set<string>();
    const moved = new Map<string, number>();
    for (const { entry, revision } of chain) {
      for (const { id } of entry?.decisions ?? []) {
        assert.ok(!decided.has(id), `${id} is decided twice, again in revision ${revision}`);
        decided.add(id);
      }
      for (const { seq } of entry?.transitions ?? []) {
        const last = moved.get(entry!.rollout!) ?? 0;
        assert.equal(
          seq,
          last + 1,
          `move ${seq} of ${entry!.rollout} comes after ${last} in revision ${revision}`,
        );
        moved.set(entry!.rollout!, seq);
      }
    }
  }

  /** What the controller wrote was written in its own term, or took traffic back while nobody led. */
  #areFenced(): void {
    for (const { entry, fence, term } of this.#redis.accepted.values()) {
      if (entry?.actor.name !== 'controller') continue;
      if (fence !== '') assert.equal(fence, term, 'a write of an earlier term was accepted');
    }
  }

  /** What was acknowledged is there, and what was not is there once at most. */
  #areKept(chain: readonly Accepted[]): void {
    const written = new Map<string, Accepted[]>();
    for (const each of this.#redis.accepted.values()) {
      const reason = each.entry?.reason ?? '';
      written.set(reason, [...(written.get(reason) ?? []), each]);
    }
    for (const { id, heard } of this.#people.deeds) {
      const places = written.get(id) ?? [];
      if (heard === 'durable') assert.ok(places.length > 0, `${id} was acknowledged, but is nowhere`);
      if (heard === 'durable' && this.lost < 0)
        assert.ok(
          places.some((each) => chain.includes(each)),
          `${id} was acknowledged, but is lost`,
        );
      // What was served before it was written takes a revision of its own if it is found to have been written late.
      if (heard !== 'local') assert.ok(places.length <= 1, `${id} has come true twice`);
    }
  }
}

function isDone({ heard }: Deed): boolean {
  return heard === 'durable' || heard === 'local' || heard === 'same';
}

/** The judge has taken traffic back since: people may go back to a candidate that is then found to be worse. */
function isLater({ cause, since }: Split, back: Deed): boolean {
  return cause === 'rollback' && Date.parse(since) - EPOCH > back.invoked;
}

/** Oldest first. */
function chainOf(last: Accepted | undefined): readonly Accepted[] {
  const chain: Accepted[] = [];
  for (let each = last; each !== undefined; each = each.from) chain.push(each);
  return chain.reverse();
}
