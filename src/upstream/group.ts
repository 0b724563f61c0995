import { setMaxListeners } from 'node:events';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { reasonOf } from '../base/reason.ts';
import { type Address, parseAddress } from '../model/address.ts';
import {
  DNS,
  EJECTION,
  type EjectionPolicy,
  type EndpointView,
  HEALTH,
  type Outcomes,
  type Seat,
  type Standing,
} from '../model/health.ts';
import type { Service } from '../model/state.ts';
import { jittered } from './checked.ts';
import { excess, mayEject, panics, type Seen } from './ejection.ts';
import type { Finding } from './inquiry.ts';
import { Member, NOTHING } from './member.ts';
import { ownerOf } from './pools.ts';
import type { Probed } from './probe.ts';
import { nameIn, type Resolver } from './resolver.ts';

/** What finding out about endpoints needs besides them. */
export interface Surroundings {
  readonly clock: Clock;
  readonly log: Log;
  readonly resolver: Pick<Resolver, 'addresses'>;
  /** From 0 to 1. */
  random(): number;
  /** Resolves after so many ms, or when the signal is aborted. */
  pause(ms: number, signal: AbortSignal): Promise<void>;
  /** Asks whether something serves there. Undefined if that could not be asked. */
  probe(at: Probed): Promise<Finding | undefined>;
}

/** An endpoint as it is configured, and those that serve it: one for each address of its name. */
interface Target {
  readonly endpoint: string;
  readonly at: Address;
  members: readonly Member[];
  /** Why its name could not be resolved the last time. */
  unresolved: string | undefined;
}

/** The endpoints of one version: finds out how they stand, and decides which of them are used. */
export class Group {
  readonly service: string;
  readonly version: string;
  readonly #world: Surroundings;
  readonly #changed: (group: Group) => void;
  #doc: Service;
  #targets: readonly Target[] = [];
  /** Ends what is going on about these targets. */
  #watching = new AbortController();
  /** What was last told of it. */
  #told: string;
  /** Since when probes say of every endpoint that it does not serve, monotonic ms. */
  #goneSince: number | undefined;
  /** Since when outcomes are compared, monotonic ms. */
  #windowSince = 0;
  /** Where each member came to, and when, ms since 1970. */
  readonly #states = new WeakMap<Member, { readonly state: EndpointView['state']; readonly since: number }>();

  /** `changed` is called whenever other endpoints are used, or other addresses. */
  constructor(
    service: string,
    version: string,
    doc: Service,
    world: Surroundings,
    changed: (group: Group) => void,
  ) {
    this.service = service;
    this.version = version;
    this.#world = world;
    this.#changed = changed;
    this.#doc = doc;
    this.#begin(doc, false);
    this.#told = this.#summary();
  }

  /** The document has changed. */
  follow(doc: Service): void {
    const again = watching(doc, this.version) !== watching(this.#doc, this.version);
    const unprobed = doc.health === undefined;
    this.#doc = doc;
    if (again) this.#begin(doc, true);
    if (unprobed) for (const member of this.members) member.unprobed();
    this.#settle();
  }

  close(): void {
    this.#watching.abort();
  }

  /** What workers have to be told; undefined if it is what they take for granted. */
  get standing(): Standing | undefined {
    const plain = this.members.every(
      ({ address, used, back }) => address === undefined && used && back === undefined,
    );
    if (plain) return undefined;
    const { slowStart = 0 } = this.#doc;
    const now = this.#world.clock.monotonic();
    const seat = ({ address, out, back }: Member): Seat => ({
      ...(address !== undefined && { address }),
      out,
      ...(back !== undefined && now - back < slowStart && { back: now - back }),
    });
    const { service, version } = this;
    const endpoints = Object.fromEntries(
      this.#targets.map(({ endpoint, members }) => [endpoint, members.map(seat)]),
    );
    return { service, version, endpoints };
  }

  /** For how many ms probes have said of every endpoint that it does not serve; undefined while one does. */
  get goneFor(): number | undefined {
    return this.#goneSince === undefined ? undefined : this.#world.clock.monotonic() - this.#goneSince;
  }

  get members(): readonly Member[] {
    return this.#targets.flatMap(({ members }) => members);
  }

  get endpoints(): readonly string[] {
    return this.#targets.map(({ endpoint }) => endpoint);
  }

  view(): EndpointView[] {
    return this.#targets.flatMap(({ members, unresolved }) =>
      members.map((member) => {
        const { endpoint, address, state, used } = member;
        // A name that never led anywhere is why, whatever else was found.
        const unknown = address === undefined && unresolved !== undefined;
        const says = unknown ? `its name cannot be resolved: ${unresolved}` : member.says;
        const since = new Date(this.#states.get(member)?.since ?? 0).toISOString();
        return { endpoint, ...(address !== undefined && { address }), state, used, says, since };
      }),
    );
  }

  /** What workers saw of one of its addresses. What came by connections that it does not use says nothing of them. */
  note({ endpoint, address, owner, streak, ...seen }: Outcomes): void {
    if (owner !== ownerOf(this.service, this.version, this.#doc)) return;
    const member = this.members.find((each) => each.endpoint === endpoint && each.address === address);
    if (member === undefined || member.down || member.ejected) return;
    if (this.#quiet) this.#windowSince = this.#world.clock.monotonic();
    member.noted(seen);
    const { consecutive } = this.#policy;
    if (consecutive === 0 || streak < consecutive) return;
    this.#eject(member, `it failed ${streak} times in a row`, this.#probesThatAnswer);
  }

  /** Whether nothing will come of time alone. */
  get #quiet(): boolean {
    return this.members.every(({ window, ejected }) => window === NOTHING && !ejected);
  }

  /** Time has passed. False if no more will come of it until there is something new. */
  review(): boolean {
    const now = this.#world.clock.monotonic();
    for (const member of this.members) member.release(now);
    if (now - this.#windowSince >= this.#policy.interval) this.#compare(now);
    this.#settle();
    return !this.#quiet;
  }

  get #policy(): EjectionPolicy {
    return { ...EJECTION, ...this.#doc.ejection };
  }

  /** Ejects, worst first, who fails much more often than the others. */
  #compare(now: number): void {
    const members = this.members.filter(({ used }) => used);
    const all = members.reduce((sum, { window }) => plus(sum, window), NOTHING);
    const worse = members
      .flatMap((member) => {
        const points = excess(member.window, less(all, member.window), this.#policy);
        return points === undefined ? [] : [{ member, points }];
      })
      .sort((a, b) => b.points - a.points);
    for (const { member, points } of worse)
      this.#eject(member, `it failed ${points.toFixed(0)} points more often than the others`);
    for (const member of members) member.window = NOTHING;
    this.#windowSince = now;
  }

  /**
   * How many probes in a row say that an endpoint that failed again and again does no more. Those that only
   * connect do not say so, as what is frozen accepts connections too.
   */
  get #probesThatAnswer(): number | undefined {
    const { health } = this.#doc;
    const answer = health?.path !== undefined || health?.grpc !== undefined;
    return answer ? (health.rise ?? HEALTH.rise) : undefined;
  }

  #eject(member: Member, says: string, probes?: number): void {
    const all = this.members;
    if (!mayEject(all.filter(({ ejected }) => ejected).length, all.length, this.#policy)) return;
    member.eject(says, this.#world.clock.monotonic(), this.#policy, probes);
    this.#settle();
  }

  /** Works out who is used, and tells of what has changed. */
  #settle(): void {
    const { clock } = this.#world;
    const now = clock.monotonic();
    const members = this.members;
    const sound = members.filter(({ down }) => !down);
    const free = sound.filter(({ ejected }) => !ejected);
    const panic = panics(free.length, members.length, this.#policy);
    for (const member of members) {
      member.use(!member.down && (panic || !member.ejected), now);
      this.#remark(member);
    }
    if (members.length === 0 || sound.length > 0) this.#goneSince = undefined;
    else this.#goneSince ??= now;
    const told = this.#summary();
    if (told === this.#told) return;
    this.#told = told;
    this.#changed(this);
  }

  /** Says so when a member has come to another state. */
  #remark(member: Member): void {
    const { endpoint, address, state, says } = member;
    const before = this.#states.get(member)?.state;
    if (before === state) return;
    this.#states.set(member, { state, since: this.#world.clock.now() });
    if (before === undefined && state === 'unknown') return;
    const { service, version } = this;
    const bad = state === 'down' || state === 'ejected';
    const fields = { service, version, endpoint, ...(address !== undefined && { address }), says };
    const is = state === 'unknown' ? 'is used again' : `is ${state}`;
    this.#world.log[bad ? 'warn' : 'info'](fields, `an endpoint ${is}`);
  }

  #summary(): string {
    return JSON.stringify(this.members.map(({ name, out }) => [name, out]));
  }

  /** Begins to find out about the endpoints of a document. What is known of those there were is kept. */
  #begin(doc: Service, late: boolean): void {
    const before = new Map(this.#targets.map((target) => [target.endpoint, target]));
    this.#watching.abort();
    this.#watching = new AbortController();
    const { signal } = this.#watching;
    // Every pause of every member listens to it.
    setMaxListeners(0, signal);
    this.#targets = doc.versions[this.version]!.endpoints.map(
      (endpoint) => before.get(endpoint) ?? this.#target(endpoint, late),
    );
    for (const target of this.#targets) {
      for (const member of target.members) void this.#probing(target, member, signal);
      void this.#resolving(target, signal);
    }
  }

  #target(endpoint: string, late: boolean): Target {
    const at = parseAddress(endpoint);
    if (typeof at === 'string') throw new RangeError(`endpoint "${endpoint}": ${at}`);
    return { endpoint, at, members: [this.#member({ endpoint }, late)], unresolved: undefined };
  }

  #member(where: { readonly endpoint: string; readonly address?: string }, late: boolean): Member {
    const member = new Member(where);
    if (late) member.back = this.#world.clock.monotonic();
    this.#remark(member);
    return member;
  }

  /** Probes a member for as long as it is one. */
  async #probing(target: Target, member: Member, signal: AbortSignal): Promise<void> {
    const { health } = this.#doc;
    if (health === undefined) return;
    const { clock, pause, random } = this.#world;
    const policy = { ...HEALTH, ...health };
    const { endpoint, at } = target;
    const address = member.address === undefined ? at : (parseAddress(member.address) as Address);
    // Soon, but not all at once.
    await pause((random() * policy.interval) / 4, signal);
    while (!signal.aborted && target.members.includes(member)) {
      const began = clock.monotonic();
      const { version } = this;
      const found = await this.#probe({ endpoint, address, policy, version, service: this.#doc });
      if (signal.aborted) return;
      if (found !== undefined) {
        member.found(found, clock.monotonic(), policy);
        this.#settle();
      }
      const wait = jittered(policy.interval, policy.jitter, random());
      await pause(Math.max(0, wait - (clock.monotonic() - began)), signal);
    }
  }

  /** Nothing that goes wrong with a probe is to be the end of probing. */
  async #probe(at: Probed): Promise<Finding | undefined> {
    try {
      return await this.#world.probe(at);
    } catch (cause) {
      return { sound: false, says: `it could not be probed: ${reasonOf(cause)}` };
    }
  }

  /** Resolves the name of a target again and again, if it has one. Its members are who is found. */
  async #resolving(target: Target, signal: AbortSignal): Promise<void> {
    const named = nameIn(target.at);
    if (named === undefined) return;
    const { resolver, pause } = this.#world;
    while (!signal.aborted) {
      const { interval, family } = { ...DNS, ...this.#doc.dns };
      const found = await resolver.addresses(named, family);
      if (signal.aborted) return;
      if (typeof found === 'string') this.#unresolved(target, found);
      else this.#resolved(target, found, signal);
      await pause(interval, signal);
    }
  }

  #unresolved(target: Target, says: string): void {
    if (target.unresolved === says) return;
    target.unresolved = says;
    const { service, version } = this;
    const { endpoint } = target;
    this.#world.log.warn(
      { service, version, endpoint, says },
      'a name cannot be resolved; it stays as it was',
    );
  }

  #resolved(target: Target, addresses: readonly string[], signal: AbortSignal): void {
    const { service, version } = this;
    const { endpoint, members, unresolved } = target;
    target.unresolved = undefined;
    const known = new Map(members.map((member) => [member.address, member]));
    if (addresses.length === known.size && addresses.every((address) => known.has(address))) {
      if (unresolved !== undefined)
        this.#world.log.info(
          { service, version, endpoint, addresses },
          'a name is resolved again, as it was',
        );
      return;
    }
    // Those found first have not come late.
    const late = !known.has(undefined);
    target.members = addresses.map(
      (address) => known.get(address) ?? this.#member({ endpoint, address }, late),
    );
    this.#world.log.info({ service, version, endpoint, addresses }, 'a name has other addresses');
    for (const member of target.members)
      if (!known.has(member.address)) void this.#probing(target, member, signal);
    this.#settle();
  }
}

/** What of a document it depends on whom to watch, and how. */
function watching({ health, dns, tls, versions }: Service, version: string): string {
  const { endpoints, tls: own } = versions[version]!;
  return JSON.stringify([health, dns, tls, own, endpoints]);
}

function plus(a: Seen, b: Seen): Seen {
  return { requests: a.requests + b.requests, errors: a.errors + b.errors };
}

function less(a: Seen, b: Seen): Seen {
  return { requests: a.requests - b.requests, errors: a.errors - b.errors };
}
