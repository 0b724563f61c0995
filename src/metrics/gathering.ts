import { dispersionIndex, SLOTS } from '../analysis/dispersion.ts';
import type { Batch, Marked, Pair, Tick, Trials } from '../analysis/evidence.ts';
import { countUnit, noUnits, type Units } from '../analysis/units.ts';
import type { SeenSoFar } from '../model/event.ts';
import { type ByArm, businessKind, type Tally, type TrialCounts } from '../model/evidence.ts';
import type { Harm } from '../model/harm.ts';
import type { Trial } from '../model/trial.ts';
import { Row } from './row.ts';
import { Usual } from './usual.ts';

/** Counts of one kind of event, [candidate, all] by mark. */
type Sums = Map<number, [candidate: number, all: number]>;

const NOBODY: Pair = [0, 0];
export const NO_HARM: Harm = {
  requests: 0,
  failures: 0,
  baselineRequests: 0,
  baselineFailures: 0,
  keys: 0,
};

/**
 * What all workers counted of one epoch of a trial, as one recorder that had seen everything would have: their
 * counts are added, and of the slots that they took each counts for whoever told of it first. So a key that
 * errs in two workers is one unit, in whatever order their posts come in.
 */
export class Gathering {
  readonly trial: Trial;
  /** Keys that met a failure of the candidate, in this epoch or before. */
  readonly #harmed: Units;
  readonly #units = new Map<string, Units>();
  /** The numbers of the posts that have come, by source. */
  readonly #heard = new Map<string, Row>();
  /** The baseline's requests of this epoch, by the slot of their key's dispersion. */
  readonly #slots = { requests: zeros(), failures: zeros(), slow: zeros() };
  /** Where units may be told of later: which of the `#odds` each was assigned with, from 1, by its slot. */
  readonly #coins: Uint8Array | undefined;
  readonly #odds: number[] = [];
  /** By name of a business value. */
  readonly #usual: ReadonlyMap<string, Usual>;
  /** By propensity, then by kind of event. */
  #batches = new Map<number, Map<string, Sums>>();
  #requests: Pair = NOBODY;
  #failures: Pair = NOBODY;
  #slow: Pair = NOBODY;
  readonly #seen = { requests: 0, keys: 0 };
  readonly #harm: { -readonly [K in keyof Harm]: Harm[K] };

  /** `before`: the epoch of the same rollout before this one, whose harm is added to. */
  constructor(trial: Trial, before?: Gathering) {
    this.trial = trial;
    this.#harmed = before === undefined ? noUnits() : before.#harmed;
    const isPosted = trial.sticky && (trial.business ?? []).some(({ when }) => when === undefined);
    this.#coins = isPosted ? new Uint8Array(2 ** 20) : undefined;
    this.#usual = new Map(
      (trial.business ?? []).flatMap(({ name, worse }) =>
        worse === undefined
          ? []
          : [[name, new Usual(worse, before === undefined ? undefined : before.#usual.get(name))]],
      ),
    );
    this.#harm = { ...(before === undefined ? NO_HARM : before.#harm) };
  }

  /** How far the candidate has come in this epoch. */
  get seen(): SeenSoFar {
    return { ...this.#seen };
  }

  /** What the candidate has cost since the rollout began. */
  get harm(): Harm {
    return { ...this.#harm };
  }

  /** What the candidate has cost is at least this: somebody else has seen more of it. */
  inherit(harm: Harm): void {
    for (const name of Object.keys(this.#harm) as (keyof Harm)[])
      this.#harm[name] = Math.max(this.#harm[name], harm[name]);
  }

  /**
   * Takes in what a source counted. False if it is of another epoch, or was taken in before. Whoever begins to count
   * posts from 1 again is another source.
   */
  add(counts: TrialCounts, source: string): boolean {
    const { rollout, epoch } = this.trial;
    if (counts.rollout !== rollout || counts.epoch !== epoch) return false;
    const heard = this.#heard.get(source) ?? new Row();
    this.#heard.set(source, heard);
    if (!heard.take(counts.seq)) return false;
    for (const { w, tallies } of counts.batches) {
      const batch = this.#batches.get(w) ?? new Map<string, Sums>();
      this.#batches.set(w, batch);
      for (const tally of tallies) this.#tally(batch, w, tally);
    }
    this.#requests = plus(this.#requests, counts.requests);
    this.#failures = plus(this.#failures, counts.failures);
    this.#slow = plus(this.#slow, counts.slow);
    const { dispersed } = counts;
    for (let i = 0; i + 3 < dispersed.length; i += 4) {
      const slot = dispersed[i]!;
      this.#slots.requests[slot]! += dispersed[i + 1]!;
      this.#slots.failures[slot]! += dispersed[i + 2]!;
      this.#slots.slow[slot]! += dispersed[i + 3]!;
    }
    this.#weigh(counts);
    return true;
  }

  /** What was chosen for a key in this epoch, at first and with which odds; undefined: it was not seen. */
  unit(slot: number): { readonly candidate: boolean; readonly w: number } | undefined {
    const w = this.#odds[(this.#coins?.[slot] ?? 0) - 1];
    if (w === undefined) return undefined;
    const candidate = (this.#units.get('seen')!.canary[slot >>> 3]! & (1 << (slot & 7))) !== 0;
    return { candidate, w };
  }

  /** What came since the last call, as the judge wants it. `t`: seconds since the rollout began. */
  take(t: number): Tick {
    const { sticky, latency } = this.trial;
    // Whoever told first must not decide in which order numbers are added up.
    const batches = Array.from(this.#batches, ([w, kinds]) => this.#batch(w, kinds)).sort(
      (a, b) => a.w - b.w,
    );
    for (const kinds of this.#batches.values()) this.#learn(kinds);
    const tried = [...this.#batches.values()].map((kinds) => kinds.get('tried'));
    const [trials, stableTrials] = outcomes(tried);
    const tick: Tick = {
      t,
      batches,
      trials,
      stableTrials,
      ...(sticky && {
        requests: this.#requests,
        requestErrors: this.#failures,
        phi: dispersionIndex({ bad: this.#slots.failures, requests: this.#slots.requests }),
        ...(latency?.p95 !== undefined && {
          requestSlow95: this.#slow,
          phiLatency: dispersionIndex({ bad: this.#slots.slow, requests: this.#slots.requests }),
        }),
      }),
    };
    this.#batches = new Map();
    this.#requests = NOBODY;
    this.#failures = NOBODY;
    this.#slow = NOBODY;
    return tick;
  }

  #tally(batch: Map<string, Sums>, w: number, { kind, counts, keys }: Tally): void {
    const sums: Sums = batch.get(kind) ?? new Map();
    batch.set(kind, sums);
    for (let i = 0; i + 2 < counts.length; i += 3) add(sums, counts[i]!, counts[i + 1]!, counts[i + 2]!);
    if (keys.length === 0) return;
    const units = this.#units.get(kind) ?? noUnits();
    this.#units.set(kind, units);
    for (let i = 0; i + 1 < keys.length; i += 2) {
      const slot = keys[i]! >>> 1;
      const candidate = (keys[i]! & 1) === 1;
      if (!countUnit(units, slot, candidate)) continue;
      add(sums, keys[i + 1]!, candidate ? 0 : 1, candidate ? 1 : 0);
      if (candidate) this.#notice(kind, slot);
      if (kind === 'seen' && this.#coins) this.#coins[slot] = this.#coin(w);
    }
  }

  /** The number of a propensity. Weights do not change so often in an epoch that 255 were not enough. */
  #coin(w: number): number {
    const known = this.#odds.indexOf(w);
    if (known >= 0) return known + 1;
    return this.#odds.length < 255 ? this.#odds.push(w) : 0;
  }

  /** Something happened to a key of the candidate for the first time in this epoch. */
  #notice(kind: string, slot: number): void {
    if (kind === 'seen') this.#seen.keys++;
    if (kind === 'erred' && countUnit(this.#harmed, slot, true)) this.#harm.keys++;
  }

  #weigh({ requests, failures }: TrialCounts): void {
    this.#seen.requests += requests[1];
    this.#harm.requests += requests[1];
    this.#harm.failures += failures[1];
    this.#harm.baselineRequests += requests[0];
    this.#harm.baselineFailures += failures[0];
  }

  #batch(w: number, kinds: ReadonlyMap<string, Sums>): Batch {
    const { latency, business = [] } = this.trial;
    const counted = business.filter(({ worse }) => worse === undefined);
    const measured = business.filter(({ worse }) => worse !== undefined);
    const pair = (kind: string) => total(kinds.get(kind));
    return {
      w,
      units: pair('seen'),
      errors: pair('erred'),
      latency: marked(kinds.get('timed')),
      ...(latency?.p95 !== undefined && { slow95: pair('slow95') }),
      ...(latency?.p99 !== undefined && { slow99: pair('slow99') }),
      ...(counted.length > 0 && {
        conversions: Object.fromEntries(counted.map((each) => [each.name, pair(businessKind(each))])),
      }),
      ...(measured.length > 0 && {
        values: Object.fromEntries(
          measured.map((each) => [
            each.name,
            this.#usual.get(each.name)!.mark(marked(kinds.get(businessKind(each)))),
          ]),
        ),
      }),
    };
  }

  #learn(kinds: ReadonlyMap<string, Sums>): void {
    for (const each of this.trial.business ?? [])
      this.#usual.get(each.name)?.learn(marked(kinds.get(businessKind(each))));
  }
}

function zeros(): number[] {
  return new Array<number>(SLOTS).fill(0);
}

/** Counts by version join those of the candidate and of both. */
function plus([canary, all]: Pair, [baseline, candidate]: ByArm): Pair {
  return [canary + candidate, all + baseline + candidate];
}

function add(sums: Sums, mark: number, baseline: number, candidate: number): void {
  const sum = sums.get(mark);
  if (sum === undefined) {
    sums.set(mark, [candidate, baseline + candidate]);
  } else {
    sum[0] += candidate;
    sum[1] += baseline + candidate;
  }
}

function total(sums: Sums | undefined): Pair {
  let [canary, all] = NOBODY;
  for (const [c, n] of sums?.values() ?? []) {
    canary += c;
    all += n;
  }
  return [canary, all];
}

function marked(sums: Sums | undefined): Marked {
  return Array.from(sums ?? [], ([mark, [canary, all]]) => [mark, canary, all] as const).sort(
    ([a], [b]) => a - b,
  );
}

/** First results, of the candidate and of the baseline: mark 1 is bad. */
function outcomes(tried: readonly (Sums | undefined)[]): readonly [candidate: Trials, baseline: Trials] {
  let [bad, trials, stableBad, stableTrials] = [0, 0, 0, 0];
  for (const sums of tried) {
    for (const [mark, [canary, all]] of sums ?? []) {
      trials += canary;
      stableTrials += all - canary;
      if (mark === 0) continue;
      bad += canary;
      stableBad += all - canary;
    }
  }
  return [
    [bad, trials],
    [stableBad, stableTrials],
  ];
}
