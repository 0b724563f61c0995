import type { Tick } from '../analysis/evidence.ts';
import { type LatencyCounts, latencyScale } from '../analysis/latency.ts';
import { DEFAULT_POLICY } from '../analysis/policy.ts';
import type { Clock } from '../base/clock.ts';
import { own } from '../base/own.ts';
import { Gathering, NO_HARM } from '../metrics/gathering.ts';
import { Recent } from '../metrics/recent.ts';
import type { LedgerCounts, MinuteCounts } from '../model/counts.ts';
import type { SeenSoFar } from '../model/event.ts';
import type { TrialCounts } from '../model/evidence.ts';
import type { Harm } from '../model/harm.ts';
import type { State } from '../model/state.ts';
import { isEnded } from '../rollout/move.ts';
import type { Marks } from './rollouts.ts';

/** A worker tells several times a second; after so many ms without a word it is missing. */
const SILENCE = 2_000;
/** Over so many ms harm counts as recent. */
const LATELY = 10_000;

/** So long, ms, a post waits for the epoch that it is of, and so many of them do: others may know of it earlier. */
const PATIENCE = 5_000;
const MOST_EARLY = 2_000;

/** Whoever passes on what sources here tell. */
export interface Passing {
  told(posts: readonly TrialCounts[], source: string, life: number): void;
}

/** A post, and when it came. */
interface Told {
  readonly post: TrialCounts;
  readonly source: string;
  readonly life: number;
  readonly at: number;
}

/** What is gathered of a rollout in its present epoch. Moments are monotonic ms. */
interface Ongoing {
  readonly gathering: Gathering;
  readonly since: number;
  /** When each source was last heard. */
  readonly heard: Map<string, number>;
  /** What the rollout had cost when it was looked at in the last seconds, oldest first. */
  readonly costs: { readonly at: number; readonly harm: Harm }[];
}

/**
 * The evidence of every rollout under way: what all sources have told, merged. A source is whoever counts, by
 * a name that nobody else has. Evidence is kept in memory alone, so a primary that starts anew has lost it.
 */
export class Evidence {
  readonly #clock: Clock;
  /** What minutes are told apart by, in ms: one clock for all whose minutes are added up. */
  #time: () => number;
  readonly #recent = new Recent();
  /** By rollout. */
  #ongoing = new Map<string, Ongoing>();
  /** Since when each source has been there, monotonic ms. */
  readonly #sources = new Map<string, number>();
  /** How often whoever bears a name began anew, and the numbers of its posts from 1. */
  readonly #lives = new Map<string, number>();
  #early: Told[] = [];
  #passing: Passing | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#time = () => clock.monotonic();
  }

  /** What is remembered is added to what others do, so minutes are told apart by this clock from now on. */
  keepTime(clock: Pick<Clock, 'now'>): void {
    this.#time = () => clock.now();
  }

  /** Gathers for the trials of this state from now on. To be called before a source can hear of them. */
  follow({ services, rollouts = {} }: State): void {
    const since = this.#clock.monotonic();
    // At a door a rollout has no trial, and what it has cost is not forgotten.
    const ongoing = new Map(
      [...this.#ongoing].filter(([id]) => Object.hasOwn(rollouts, id) && !isEnded(rollouts[id]!.phase)),
    );
    for (const { trial } of Object.values(services)) {
      if (trial === undefined) continue;
      const before = this.#ongoing.get(trial.rollout);
      const goesOn = before?.gathering.trial.epoch === trial.epoch;
      ongoing.set(
        trial.rollout,
        goesOn
          ? before
          : {
              gathering: new Gathering(trial, before?.gathering),
              since,
              heard: new Map(),
              costs: before?.costs ?? [],
            },
      );
    }
    this.#ongoing = ongoing;
    for (const early of this.#early.splice(0)) this.#hear(early);
    this.#recent.retain((service, version) => Object.hasOwn(own(services, service)?.versions ?? {}, version));
  }

  /** A source begins to serve. */
  join(source: string): void {
    this.#sources.set(source, this.#clock.monotonic());
  }

  /** A source serves no more. What it has told stays; another of its name counts posts from the beginning. */
  leave(source: string): void {
    this.#sources.delete(source);
    this.#lives.set(source, this.#lifeOf(source) + 1);
  }

  /** Who shall hear of what sources here tell, from now on. */
  share(passing: Passing | undefined): void {
    this.#passing = passing;
  }

  /** Whether there is anything to be gathered. */
  get gathers(): boolean {
    return this.#ongoing.size > 0;
  }

  /** All that serve, by name. */
  sources(): readonly string[] {
    return [...this.#sources.keys()];
  }

  /** What a source here counted of trials. */
  add(posts: readonly TrialCounts[], source: string): void {
    const life = this.#lifeOf(source);
    this.hear(posts, source, life);
    this.#passing?.told(posts, source, life);
  }

  /**
   * What a source anywhere counted in one of its lives. What is of an earlier epoch, or comes again, counts nothing;
   * what is of one that somebody else began a moment ago is kept until that is heard of.
   */
  hear(posts: readonly TrialCounts[], source: string, life: number): void {
    const at = this.#clock.monotonic();
    for (const post of posts) this.#hear({ post, source, life, at });
  }

  /** What a source counted of all its traffic; it is remembered for some minutes. */
  remember(ledgers: readonly LedgerCounts[]): void {
    this.#recent.add(ledgers, this.#time());
  }

  /** What versions did here, as far as others do not know it yet. */
  news(): ReturnType<Recent['news']> {
    return this.#recent.news(this.#time());
  }

  /** What versions did elsewhere. */
  learn(from: string, minutes: readonly MinuteCounts[]): void {
    this.#recent.learn(from, minutes);
  }

  /** What has come of a rollout since the last call; undefined if it gathers nothing. `t`: seconds, passed on. */
  take(rollout: string, t: number): Tick | undefined {
    const ongoing = this.#ongoing.get(rollout);
    if (ongoing === undefined) return undefined;
    this.note(rollout);
    return ongoing.gathering.take(t);
  }

  /** Remembers what a rollout has cost by now, so that it is known later what is new. */
  note(rollout: string): void {
    const ongoing = this.#ongoing.get(rollout);
    if (ongoing === undefined) return;
    const { gathering, costs } = ongoing;
    const now = this.#clock.monotonic();
    costs.push({ at: now, harm: gathering.harm });
    // The newest of those that are old enough is what the last seconds began with.
    while (costs.length > 1 && costs[1]!.at <= now - LATELY) costs.shift();
  }

  /** Somebody else has gathered before: what a rollout has cost is at least this. */
  inherit(rollout: string, harm: Harm): void {
    this.#ongoing.get(rollout)?.gathering.inherit(harm);
  }

  /**
   * The sources that serve, and have told nothing of a rollout for two seconds: what they see is not nothing,
   * but unknown.
   */
  missing(rollout: string): readonly string[] {
    const ongoing = this.#ongoing.get(rollout);
    if (ongoing === undefined) return [];
    const late = this.#clock.monotonic() - SILENCE;
    return Array.from(this.#sources).flatMap(([source, joined]) =>
      (ongoing.heard.get(source) ?? Math.max(joined, ongoing.since)) < late ? [source] : [],
    );
  }

  /** What was first chosen in this epoch for the key that has this slot; undefined: it was not seen. */
  unit(rollout: string, slot: number): ReturnType<Gathering['unit']> {
    return this.#ongoing.get(rollout)?.gathering.unit(slot);
  }

  /** How far the candidate has come in this epoch. */
  seen(rollout: string): SeenSoFar | undefined {
    return this.#ongoing.get(rollout)?.gathering.seen;
  }

  /** What the candidate has cost since the rollout began, and of that in the last ten seconds or so. */
  harm(rollout: string): { readonly harm: Harm; readonly lately: Harm } | undefined {
    const ongoing = this.#ongoing.get(rollout);
    if (ongoing === undefined) return undefined;
    const { harm } = ongoing.gathering;
    const before = this.#clock.monotonic() - LATELY;
    const then = ongoing.costs.findLast(({ at }) => at <= before)?.harm ?? NO_HARM;
    return { harm, lately: less(harm, then) };
  }

  /** A version's latencies in the last five minutes, by the judge's buckets. */
  baseline(service: string, version: string): LatencyCounts {
    return this.#recent.latency(service, version, this.#time());
  }

  /** What a version did in the last five minutes, and what of it is slow; that is left out if it answered too few. */
  marks(service: string, version: string): Marks {
    const counts = this.baseline(service, version);
    const total = counts.reduce((sum, [, count]) => sum + count, 0);
    const scale = total < DEFAULT_POLICY.minBaseline ? undefined : latencyScale(counts);
    const past = this.#recent.requests(service, version, this.#time());
    return { past, ...(scale && { slow: { p95: scale.b95, p99: scale.b99 } }) };
  }

  #lifeOf(source: string): number {
    return this.#lives.get(source) ?? 0;
  }

  #hear(told: Told): void {
    const { post, source, life, at } = told;
    const ongoing = this.#ongoing.get(post.rollout);
    if (ongoing === undefined || ongoing.gathering.trial.epoch < post.epoch) {
      const late = this.#clock.monotonic() - PATIENCE;
      this.#early = [...this.#early, told].filter((each) => each.at >= late).slice(-MOST_EARLY);
    } else if (ongoing.gathering.add(post, `${source} ${life}`)) ongoing.heard.set(source, at);
  }
}

function less(a: Harm, b: Harm): Harm {
  return {
    requests: a.requests - b.requests,
    failures: a.failures - b.failures,
    baselineRequests: a.baselineRequests - b.baselineRequests,
    baselineFailures: a.baselineFailures - b.baselineFailures,
    keys: a.keys - b.keys,
  };
}
