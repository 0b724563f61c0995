import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { own } from '../base/own.ts';
import type { Timers } from '../base/timers.ts';
import type { FleetView, ReplicaView } from '../model/api.ts';
import type { Harm } from '../model/harm.ts';
import type { State } from '../model/state.ts';
import type { Verdict } from '../model/verdict.ts';
import type { Beat, Health, Link, Plane, Sighting } from '../store/link.ts';
import { nodeTimers } from '../store/timers.ts';
import type { Serving } from './commands.ts';
import type { Evidence } from './evidence.ts';
import type { Lead, Stand } from './lead.ts';
import type { Messenger, Posting } from './observations.ts';
import { Pasts } from './pasts.ts';
import { type Neighbour, Receipts } from './receipts.ts';
import { remoteSource, Sharing } from './sharing.ts';

/** What a replica says of itself at each sign of life. */
interface Card {
  readonly name: string;
  /** Of Spillway. */
  readonly version: string;
  readonly revision: number;
  readonly workers: number;
  /** Who counts evidence there. */
  readonly sources: readonly string[];
  /** Its clock less that of Redis, ms. */
  readonly offset: number;
  /** What each rollout has cost the fleet; said by whoever leads. */
  readonly harm?: Readonly<Record<string, Harm>>;
  /** What each rollout is judged to be; said by whoever leads. */
  readonly verdicts?: Readonly<Record<string, Verdict>>;
}

export interface FleetParts {
  readonly link: Link;
  readonly version: string;
  /** Whoever serves here. */
  readonly serving: Serving;
  readonly evidence: Evidence;
  workers(): number;
  readonly clock: Clock;
  /** Default: those of Node. */
  readonly timers?: Timers;
  readonly log: Log;
}

/** A replica that gave no sign of life for so long is called silent, ms. */
const SILENT = 3_000;
/** One that was seen so lately cannot have seen much that is not known, ms. */
const FRESH = 1_500;

/**
 * The fleet as this replica knows it: who is there, who leads, and what time it is. It is told at each sign of
 * life, and what it was told last it holds on to while Redis is away.
 */
export class Fleet implements Plane, Lead, Messenger {
  readonly serving: Receipts;
  /** Runs with this machine's time and is set by Redis, so that all replicas write the same times. */
  readonly clock: Clock;
  readonly #parts: FleetParts;
  readonly #sharing: Sharing;
  readonly #pasts: Pasts;
  #state: () => State = () => ({ revision: 0, services: {} });
  #willing = false;
  #beat: Beat | undefined;
  /** What Redis's clock is ahead of the monotonic one here, ms. */
  #ahead: number | undefined;
  #observed: (posting: Posting) => void = () => {};
  #verdictHere: (rollout: string) => Verdict | undefined = () => undefined;
  #verdicts: Readonly<Record<string, Verdict>> = {};
  /** What the fleet knew of each rollout's cost, by its leader. */
  #costs: Readonly<Record<string, Harm>> = {};
  /** The same when Redis was last reached, and what was known here then; undefined while it is. */
  #cut: Map<string, { readonly fleet: Harm; readonly here: Harm }> | undefined;
  /** What each rollout had cost when every replica had been heard of a moment ago, in the present term. */
  readonly #whole = new Map<string, Harm>();
  #onceUp: (() => void)[] = [];

  constructor(parts: FleetParts) {
    this.#parts = parts;
    const { link, serving, evidence, clock, timers = nodeTimers, log } = parts;
    this.serving = new Receipts({
      link,
      serving,
      name: link.names.replica,
      others: () => this.#others().map((each) => neighbour(each)),
      clock,
      timers,
      log,
    });
    this.#sharing = new Sharing({
      link,
      evidence,
      observed: (posting) => this.#observed(posting),
      leads: () => this.leads,
      timers,
      log,
    });
    this.clock = {
      now: () => (this.#ahead === undefined ? clock.now() : Math.round(this.#ahead + clock.monotonic())),
      monotonic: () => clock.monotonic(),
    };
    evidence.keepTime(this.clock);
    this.#pasts = new Pasts({ link, evidence, timers, log });
  }

  /** Begins to give signs of life. */
  join(state: () => State): void {
    this.#state = state;
    this.#parts.link.follow(this);
  }

  /** What is thought of a rollout here is told to the others while this replica leads. */
  tell(verdict: (rollout: string) => Verdict | undefined): void {
    this.#verdictHere = verdict;
  }

  /** What was posted elsewhere is taken so while this replica leads. */
  observe(take: (posting: Posting) => void): void {
    this.#observed = take;
  }

  pass(posting: Posting): boolean {
    return this.#sharing.pass(posting);
  }

  get leads(): boolean {
    return this.stand().at === 'leads';
  }

  /** Is ready to lead, or is so no more. */
  set willing(willing: boolean) {
    this.#willing = willing;
    if (this.#beat !== undefined) this.#parts.link.follow(this);
  }

  get willing(): boolean {
    return this.#willing;
  }

  get health(): Health {
    return this.#parts.link.health;
  }

  /** Does something as soon as Redis is reached again. */
  onceUp(task: () => void): void {
    this.#onceUp.push(task);
  }

  card(): Card {
    const { link, version, evidence, workers } = this.#parts;
    const { rollouts = {} } = this.#state();
    const { leads } = this;
    const ids = leads ? Object.keys(rollouts) : [];
    const harms = ids.flatMap((id) => named(id, evidence.harm(id)?.harm));
    const verdicts = ids.flatMap((id) => named(id, this.#verdictHere(id)));
    return {
      name: link.names.replica,
      version,
      revision: this.#state().revision,
      workers: workers(),
      sources: this.#sharing.ownSources(evidence.sources()),
      offset: this.#beat?.offset ?? 0,
      ...(leads && { harm: Object.fromEntries(harms), verdicts: Object.fromEntries(verdicts) }),
    };
  }

  beat(beat: Beat): void {
    const { log } = this.#parts;
    const led = this.#beat?.token;
    this.#beat = beat;
    this.#ahead = beat.now - beat.at;
    this.#cut = undefined;
    // What this replica says itself is no news, and would hide what the leader before it had seen.
    const leader = beat.replicas.find(({ self, leads }) => leads && self !== this.#parts.link.self);
    const { harm, verdicts } = (leader?.card ?? {}) as Partial<Card>;
    if (harm !== undefined) this.#costs = harm;
    if (verdicts !== undefined) this.#verdicts = verdicts;
    if (led === undefined && beat.token !== undefined) log.info({}, 'this replica leads the fleet');
    if (led !== undefined && beat.token === undefined) log.info({}, 'this replica leads no more');
    if (led !== beat.token) this.#whole.clear();
    if (beat.replicas.every(({ age }) => age < FRESH))
      for (const id of this.#whole.keys()) {
        const harm = this.#parts.evidence.harm(id)?.harm;
        if (harm === undefined) this.#whole.delete(id);
        else this.#whole.set(id, harm);
      }
    this.#sharing.expect(
      beat.token === undefined
        ? []
        : this.#others().flatMap(({ self, card }) =>
            ((card as Partial<Card>).sources ?? []).map((source) => remoteSource(self, source)),
          ),
    );
    for (const task of this.#onceUp.splice(0)) task();
  }

  missed(): void {
    if (this.stand().at !== 'cutOff' || this.#cut !== undefined) return;
    const { evidence } = this.#parts;
    const known = Object.keys(this.#state().rollouts ?? {}).flatMap((id) => {
      const here = evidence.harm(id)?.harm;
      return here === undefined ? [] : [[id, { fleet: most(own(this.#costs, id), here), here }] as const];
    });
    this.#cut = new Map(known);
  }

  stand(): Stand {
    const { clock, link } = this.#parts;
    const { token, until = 0 } = this.#beat ?? {};
    if (token !== undefined && clock.monotonic() < until) return { at: 'leads', token };
    return link.health.up ? { at: 'follows' } : { at: 'cutOff' };
  }

  verdict(rollout: string): Verdict | undefined {
    return this.leads ? undefined : own(this.#verdicts, rollout);
  }

  inherited(rollout: string): Harm | undefined {
    return own(this.#costs, rollout);
  }

  presumed(rollout: string): { readonly harm: Harm; readonly lately: Harm } | undefined {
    const now = this.#parts.evidence.harm(rollout);
    if (now === undefined) return undefined;
    const replicas = this.#beat?.replicas ?? [];
    if (this.leads) {
      const before = this.#whole.get(rollout) ?? now.harm;
      this.#whole.set(rollout, before);
      const heard = replicas.filter(({ age }) => age < SILENT).length;
      const share = heard === 0 ? 1 : replicas.length / heard;
      return { harm: grown(before, before, now.harm, share), lately: now.lately };
    }
    const { fleet, here } = this.#cut?.get(rollout) ?? { fleet: now.harm, here: now.harm };
    return { harm: grown(fleet, here, now.harm, Math.max(1, replicas.length)), lately: now.lately };
  }

  view(): FleetView {
    const { link, version, workers, clock } = this.#parts;
    const { fleet, replica } = link.names;
    const { up, since, why, lag } = link.health;
    const { revision } = this.#state();
    const newest = Math.max(revision, this.#beat?.revision ?? 0);
    const ago = this.#beat === undefined ? 0 : clock.monotonic() - this.#beat.at;
    const now = this.clock.now();
    const me: ReplicaView = {
      replica,
      id: link.self,
      leads: this.leads,
      version,
      revision,
      behind: newest - revision,
      workers: workers(),
      seen: new Date(now).toISOString(),
      silent: false,
      clockOffset: this.#beat?.offset ?? 0,
    };
    const others = this.#others().map((each) => replicaView(each, each.age + ago, newest, now));
    // Who leads is told by the last word of Redis, but whether it is this replica is known better here.
    const leader = me.leads ? replica : others.find(({ leads }) => leads)?.replica;
    return {
      fleet,
      replica,
      store: {
        up,
        since: new Date(since).toISOString(),
        ...(why !== undefined && !up && { why }),
        ...(lag !== undefined && { lag: Math.round(lag * 10) / 10 }),
      },
      ...(leader !== undefined && { leader }),
      revision: newest,
      replicas: [me, ...others].sort((a, b) => (a.id < b.id ? -1 : 1)),
    };
  }

  async close(): Promise<void> {
    await this.#sharing.close();
    await this.#pasts.close();
  }

  #others(): readonly Sighting[] {
    const { self } = this.#parts.link;
    return (this.#beat?.replicas ?? []).filter((each) => each.self !== self);
  }
}

function neighbour({ self, card }: Sighting): Neighbour {
  return { self, name: (card as Partial<Card>).name ?? self };
}

/** `quiet`: ms since it was last heard of. */
function replicaView(
  { self, leads, card }: Sighting,
  quiet: number,
  newest: number,
  now: number,
): ReplicaView {
  const { name = self, version = '?', revision = 0, workers = 0, offset = 0 } = card as Partial<Card>;
  return {
    replica: name,
    id: self,
    leads,
    version,
    revision,
    behind: newest - revision,
    workers,
    seen: new Date(now - quiet).toISOString(),
    silent: quiet >= SILENT,
    clockOffset: offset,
  };
}

/** A fleet of one, whose store is its own. */
export function aloneView(
  replica: string,
  version: string,
  revision: number,
  workers: number,
  now: number,
): FleetView {
  const at = new Date(now).toISOString();
  const me: ReplicaView = {
    replica,
    id: replica,
    leads: true,
    version,
    revision,
    behind: 0,
    workers,
    seen: at,
    silent: false,
    clockOffset: 0,
  };
  return {
    fleet: replica,
    replica,
    store: { up: true, since: at },
    leader: replica,
    revision,
    replicas: [me],
  };
}

function named<T>(name: string, value: T | undefined): readonly (readonly [string, T])[] {
  return value === undefined ? [] : [[name, value]];
}

function most(a: Harm | undefined, b: Harm): Harm {
  return a === undefined ? b : eachOf((name) => Math.max(a[name], b[name]));
}

/** What it was, and so many times what came from `then` to `now`. */
function grown(was: Harm, then: Harm, now: Harm, times: number): Harm {
  return eachOf((name) => was[name] + Math.round(times * (now[name] - then[name])));
}

function eachOf(value: (name: keyof Harm) => number): Harm {
  return {
    requests: value('requests'),
    failures: value('failures'),
    baselineRequests: value('baselineRequests'),
    baselineFailures: value('baselineFailures'),
    keys: value('keys'),
  };
}
