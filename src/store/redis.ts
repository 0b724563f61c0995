import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../base/clock.ts';
import { Listeners } from '../base/listeners.ts';
import type { Log } from '../base/log.ts';
import { own } from '../base/own.ts';
import type { Timers } from '../base/timers.ts';
import { readState } from '../model/check.ts';
import { EMPTY } from '../model/empty.ts';
import type { Place } from '../model/place.ts';
import type { AuditEntry } from '../model/record.ts';
import type { State } from '../model/state.ts';
import { type Client, type Credentials, connect, run } from './connect.ts';
import type { Beat, Health, Link, Plane, Subject, Topic } from './link.ts';
import { Mirror, type Stamped } from './mirror.ts';
import { Reach } from './reach.ts';
import { BEAT, LEAVE, POST, READ, REPLACE, RESTORE, type Script } from './scripts.ts';
import { type AuditQuery, Fenced, type Store, StoreUnavailable } from './store.ts';
import { nodeTimers } from './timers.ts';

/** Milliseconds between two signs of life, each of which also looks whether the truth has changed. */
const PERIOD = 1_000;
/** Milliseconds during which replicas bring the newest truth they know to a Redis that has lost it. */
const RESTORING = 2_000;
/** Milliseconds after which a replica that gave no sign of life is forgotten. */
const FORGOTTEN = 30_000;
/** Milliseconds that a rollback waits to be written before it is served. */
const HURRY = 250;
/** Milliseconds between two looks for Redis at the start. */
const LOOK = 50;
/** How often it is looked for by one that could do without: a count, since a process that starts is busy. */
const FIRST = 60;
/**
 * How many posts are kept, and how long, ms. Whoever begins to lead begins the epoch anew, so evidence is of use for as
 * long as a lease; what was before, for the minutes that it is about.
 */
const KEPT = { evidence: [1_000, 60_000], past: [4_000, 360_000] } as const;
/** Entries of the audit log read at once. */
const PAGE = 500;

export interface RedisSettings {
  readonly place: Place;
  readonly credentials: Credentials;
  /** Replicas of one fleet share the truth; several fleets may share a Redis. */
  readonly fleet: string;
  readonly replica: string;
  /** Milliseconds. */
  readonly lease: number;
  /** How long one that knows nothing from before waits for Redis when it starts, ms. */
  readonly startTimeout: number;
  /** The directory of the mirror. */
  readonly mirror: string;
}

/**
 * A store in Redis, shared by the replicas of a fleet. Every change is one script that compares and sets, so
 * there is one chain of revisions as long as Redis keeps what it took. When it does not (a restart without its
 * data, a failover that lost some), each replica brings what it knows, and the highest revision stays.
 *
 * Throws an Error that says the cure when Redis cannot be reached and nothing is known from before.
 */
export async function redisStore(settings: RedisSettings, clock: Clock, log: Log): Promise<Store> {
  const { place, credentials, fleet } = settings;
  const [mirror, known] = await Mirror.open(settings.mirror, fleet, log);
  const dial = () => connect(place, credentials);
  return openStore(settings, { mirror, known, dial, clock, timers: nodeTimers, log });
}

/** What a store in Redis stands on, so that it can stand on a Redis that is simulated. */
export interface RedisParts {
  readonly mirror: Pick<Mirror, 'write' | 'close'>;
  /** What the mirror held. */
  readonly known: Stamped | undefined;
  dial(): Client;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Log;
}

/** The same on these parts. */
export async function openStore(settings: RedisSettings, parts: RedisParts): Promise<Store> {
  const { known, log } = parts;
  const store = new RedisStore(settings, parts);
  try {
    await store.start(known === undefined ? Math.ceil(settings.startTimeout / LOOK) : FIRST);
  } catch (cause) {
    if (cause instanceof StoreUnavailable && known !== undefined) {
      log.warn({ why: cause.message }, 'Redis is not reached; what was served last is served on');
      return store;
    }
    await store.close();
    throw cause instanceof StoreUnavailable
      ? new Error(
          `${cause.message}. Nothing is known from before of what fleet "${settings.fleet}" serves, so this replica cannot begin: start Redis, or correct store`,
          { cause },
        )
      : cause;
  }
  return store;
}

class RedisStore implements Store, Link {
  readonly self: string;
  readonly patience = HURRY;
  readonly #settings: RedisSettings;
  readonly #mirror: RedisParts['mirror'];
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #log: Log;
  readonly #client: Client;
  /** A connection that listens can do nothing else. */
  readonly #ear: Client;
  readonly #reach: Reach;
  readonly #listeners: Listeners<State>;
  readonly #hearers = new Map<string, (words: string) => void>();
  readonly #keys: Readonly<
    Record<'truth' | 'audit' | 'lease' | 'term' | 'replicas' | 'restoring' | Subject, string>
  >;
  #known: Stamped;
  #plane: Plane | undefined;
  /** Of the term in which this replica leads; empty if it does not. */
  #token = '';
  /** Of the term that it may begin. */
  #fresh: string;
  #stop = (): void => {};
  #beating: Promise<void> | undefined;
  /** The last of each subject that was gathered. */
  readonly #gathered: Record<Subject, string> = { evidence: '0', past: '0' };
  #closed = false;

  constructor(settings: RedisSettings, { mirror, known, dial, clock, timers, log }: RedisParts) {
    this.self = `${settings.replica}~${randomUUID().slice(0, 6)}`;
    this.#fresh = this.#newToken();
    this.#settings = settings;
    this.#mirror = mirror;
    this.#known = known ?? { state: EMPTY, stamp: '', entry: undefined };
    this.#clock = clock;
    this.#timers = timers;
    this.#log = log;
    this.#listeners = new Listeners(log);
    // One hash tag, so that a cluster keeps all of a fleet in one place.
    const key = (name: string): string => `spillway:{${settings.fleet}}:${name}`;
    this.#keys = {
      truth: key('truth'),
      audit: key('audit'),
      lease: key('lease'),
      term: key('term'),
      replicas: key('replicas'),
      restoring: key('restoring'),
      evidence: key('evidence'),
      past: key('past'),
    };
    this.#client = dial();
    this.#ear = dial();
    const address = settings.place.nodes.map(({ host, port }) => `${host}:${port}`).join(',');
    this.#reach = new Reach({ client: this.#client, ear: this.#ear, address, clock, timers, log });
    this.#client.on('ready', () => void this.#beat());
    this.#ear.on('ready', () => this.#listen());
    this.#ear.on('message', (channel: string, words: string) => this.#hearers.get(channel)?.(words));
    this.#hearers.set(this.#channel('news'), (revision) => {
      // Only hearsay: what is older than what is known here is no reason to do anything.
      if (Number(revision) > this.#known.state.revision) this.#refresh().catch(() => {});
    });
  }

  /** Throws StoreUnavailable when Redis is not reached after so many looks; goes on trying all the same. */
  async start(looks: number): Promise<void> {
    // What fails is heard of as an error, and tried again.
    this.#client.connect().catch(() => {});
    this.#ear.connect().catch(() => {});
    const period = Math.min(PERIOD, this.#settings.lease / 3);
    this.#stop = this.#timers.every(period, () => void this.#beat());
    for (let attempt = 0; ; attempt++) {
      try {
        if (this.#client.status === 'ready') {
          await this.#refresh();
          return;
        }
      } catch (error) {
        if (!(error instanceof StoreUnavailable)) throw error;
      }
      if (attempt === FIRST && looks > FIRST)
        this.#log.warn(
          { address: this.#reach.address, why: this.#reach.health.why },
          'Redis is not reached, and nothing is known from before: waiting for it',
        );
      if (attempt >= looks) throw this.#reach.unreached();
      await new Promise<void>((resolve) => void this.#timers.after(LOOK, resolve));
    }
  }

  get names(): Link['names'] {
    const { fleet, replica } = this.#settings;
    return { fleet, replica };
  }

  get link(): Link {
    return this;
  }

  get health(): Health {
    return this.#reach.health;
  }

  known(): State {
    return this.#known.state;
  }

  async read(): Promise<State> {
    await this.#refresh();
    return this.#known.state;
  }

  async replace(
    revision: number,
    next: Omit<State, 'revision'>,
    entry: Omit<AuditEntry, 'revision'>,
    fence = '',
  ): Promise<State | undefined> {
    const state: State = { ...next, revision: revision + 1 };
    const known = { state, stamp: randomUUID(), entry: { ...entry, revision: revision + 1 } };
    const { truth, audit, term, restoring } = this.#keys;
    const answer = await this.#run(
      REPLACE,
      [truth, audit, term, restoring],
      [
        revision,
        known.stamp,
        JSON.stringify(state),
        JSON.stringify(known.entry),
        fence,
        this.#channel('news'),
      ],
    );
    switch (answer) {
      case 'written':
        this.#learn(known);
        return state;
      case 'fenced':
        throw new Fenced('another replica leads by now');
      case 'restoring':
        throw new StoreUnavailable(
          'Redis has lost data, and is given it back by the replicas; ask again in two seconds',
        );
      default:
        return undefined;
    }
  }

  watch(listener: (state: State) => void): () => void {
    return this.#listeners.add(listener);
  }

  async audit({ service, limit, before = Number.POSITIVE_INFINITY }: AuditQuery): Promise<AuditEntry[]> {
    const found: AuditEntry[] = [];
    for (let start = 0; found.length < limit; start += PAGE) {
      const page = await this.#reach.try(() =>
        this.#client.lrange(this.#keys.audit, start, start + PAGE - 1),
      );
      for (const text of page) {
        const entry = JSON.parse(text) as AuditEntry;
        if (
          found.length < limit &&
          entry.revision < before &&
          (service === undefined || entry.service === service)
        )
          found.push(entry);
      }
      if (page.length < PAGE) break;
    }
    return found;
  }

  follow(plane: Plane): void {
    this.#plane = plane;
    void this.#beat();
  }

  async say(topic: Topic, words: string): Promise<void> {
    await this.#reach.try(() => this.#client.publish(this.#channel(topic), words));
  }

  hear(topic: Topic, listener: (words: string) => void): void {
    this.#hearers.set(this.#channel(topic), listener);
    if (this.#ear.status === 'ready') this.#listen();
  }

  async post(subject: Subject, words: string): Promise<void> {
    await this.#run(POST, [this.#keys[subject]], [words, ...KEPT[subject]]);
  }

  async gather(subject: Subject): Promise<readonly string[]> {
    const key = this.#keys[subject];
    const from = this.#gathered[subject];
    const [stream] = (await this.#reach.try(() =>
      this.#client.xread('COUNT', 1000, 'STREAMS', key, from),
    )) ?? [[key, []]];
    const posts = stream?.[1] ?? [];
    this.#gathered[subject] = posts.at(-1)?.[0] ?? from;
    return posts.map(([, fields]) => fields[1] ?? '');
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#reach.close();
    this.#stop();
    await this.#beating;
    if (this.#client.status === 'ready' && this.#plane !== undefined)
      await this.#run(LEAVE, [this.#keys.lease, this.#keys.replicas], [this.self, this.#token]).catch(
        () => {},
      );
    this.#client.disconnect();
    this.#ear.disconnect();
    await this.#mirror.close();
  }

  #beat(): Promise<void> {
    if (this.#closed) return Promise.resolve();
    this.#beating ??= this.#trip().finally(() => {
      this.#beating = undefined;
    });
    return this.#beating;
  }

  /** There and back: life is shown, and what has changed is seen. */
  async #trip(): Promise<void> {
    this.#reach.renew();
    const sent = this.#clock.monotonic();
    const at = this.#clock.now();
    try {
      // Even a store that was down is tried: this is how it is found to be up again.
      const reply = (await this.#reach.insist(() => this.#send())) as [
        string,
        string,
        string,
        string,
        string[],
      ];
      const took = this.#clock.monotonic() - sent;
      this.#reach.answered(took);
      const [now, revision, stamp, holder, cards] = reply;
      this.#token = holder === this.#fresh || holder === this.#token ? holder : '';
      if (holder === this.#fresh) this.#fresh = this.#newToken();
      this.#plane?.beat(this.#beatOf(Number(now), Number(revision), holder, cards, sent, took, at));
      if (stamp !== this.#known.stamp) await this.#refresh();
    } catch (error) {
      if (!(error instanceof StoreUnavailable))
        this.#log.error({ err: error }, 'the store cannot be followed');
      this.#plane?.missed();
    }
  }

  #send(): Promise<unknown> {
    const { truth, lease, term, replicas } = this.#keys;
    const plane = this.#plane;
    const card = JSON.stringify(plane?.card() ?? {});
    return plane === undefined
      ? this.#client.hmget(truth, 'revision', 'stamp').then(([r, s]) => ['0', r ?? '0', s ?? '', '', []])
      : run(
          this.#client,
          BEAT,
          [truth, lease, term, replicas],
          [this.self, this.#token, this.#fresh, plane.willing ? 1 : 0, card, this.#settings.lease, FORGOTTEN],
        );
  }

  #beatOf(
    now: number,
    revision: number,
    holder: string,
    cards: readonly string[],
    sent: number,
    took: number,
    wall: number,
  ): Beat {
    const replicas = [];
    for (let i = 0; i + 1 < cards.length; i += 2) {
      const text = cards[i + 1]!;
      const space = text.indexOf(' ');
      const self = cards[i]!;
      replicas.push({
        self,
        leads: holder.startsWith(`${self} `),
        age: Math.max(0, now - Number(text.slice(0, space))),
        card: JSON.parse(text.slice(space + 1)) as unknown,
      });
    }
    return {
      token: this.#token === '' ? undefined : this.#token,
      until: sent + this.#settings.lease,
      now,
      at: sent + took / 2,
      offset: Math.round(wall + took / 2 - now),
      revision,
      replicas,
    };
  }

  /** Takes over what is newer, and gives back what Redis has lost. */
  async #refresh(): Promise<void> {
    for (let attempt = 0; attempt < 3; attempt++) {
      const [revision, stamp, state, entry] = (await this.#run(
        READ,
        [this.#keys.truth],
        [this.#known.stamp],
      )) as (string | undefined)[];
      if (stamp === this.#known.stamp) return;
      if (Number(revision) > this.#known.state.revision && state !== undefined) {
        this.#learn(this.#parse(Number(revision), stamp ?? '', state, entry));
        return;
      }
      // Somebody has written in between, and that is known.
      if (this.#known.stamp === '' || !(await this.#restore())) return;
    }
  }

  /** Whether there is something newer to be read now. */
  async #restore(): Promise<boolean> {
    const { truth, audit, restoring } = this.#keys;
    const { state, stamp, entry } = this.#known;
    const answer = await this.#run(
      RESTORE,
      [truth, audit, restoring],
      [
        state.revision,
        stamp,
        JSON.stringify(state),
        entry === undefined ? '' : JSON.stringify(entry),
        this.#channel('news'),
        RESTORING,
        randomUUID(),
      ],
    );
    if (answer === 'restored')
      this.#log.warn({ revision: state.revision }, 'Redis had lost this revision, and is given it back');
    if (answer === 'parted')
      this.#log.warn(
        { revision: state.revision },
        'Redis has another truth under this revision; what it has is taken over',
      );
    return answer === 'older' || answer === 'parted';
  }

  #parse(revision: number, stamp: string, text: string, entry: string | undefined): Stamped {
    const state = readState({ ...(JSON.parse(text) as object), revision });
    if (typeof state === 'string')
      throw new StoreUnavailable(
        `revision ${revision} in Redis cannot be read by this version of Spillway: ${state}`,
      );
    return {
      state: shared(this.#known.state, state),
      stamp,
      entry: entry ? (JSON.parse(entry) as AuditEntry) : undefined,
    };
  }

  #learn(known: Stamped): void {
    if (known.state.revision <= this.#known.state.revision) return;
    this.#known = known;
    this.#mirror.write(known);
    this.#listeners.tell(known.state);
  }

  async #run(script: Script, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown> {
    return this.#reach.try(() => run(this.#client, script, keys, args));
  }

  #listen(): void {
    this.#ear.subscribe(...this.#hearers.keys()).catch(() => {});
    // What was said while nobody listened is looked up.
    void this.#beat();
  }

  /** A token says whose it is, and is never used twice. */
  #newToken(): string {
    return `${this.self} ${randomUUID()}`;
  }

  #channel(topic: 'news' | Topic): string {
    return `spillway:{${this.#settings.fleet}}:${topic}`;
  }
}

/** The same state, sharing with the one before every service that stayed as it was: workers compare by identity. */
function shared(before: State, state: State): State {
  const services = Object.entries(state.services).map(([name, service]) => {
    const was = own(before.services, name);
    return [name, was !== undefined && isDeepStrictEqual(was, service) ? was : service] as const;
  });
  return { ...state, services: Object.fromEntries(services) };
}
