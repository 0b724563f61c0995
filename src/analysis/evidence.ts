import type { LatencyCounts } from './latency.ts';

/**
 * What the judge is fed. The rules of counting are the ingest contract: the label of
 * a unit is the version chosen first, whatever a retry did; its propensity is the one of that decision, even
 * if the event comes later; with more than two versions only candidate and baseline count, w being the
 * candidate's share of the two; overridden requests count nowhere. Workers and replicas are added up before,
 * never their wealth.
 */

/** How many of the canary, and how many of both. */
export type Pair = readonly [canary: number, all: number];

/** How many of so many trials were bad. */
export type Trials = readonly [bad: number, trials: number];

/** Units with one mark: a latency bucket, or a standardised value. */
export type Marked = readonly (readonly [mark: number, canary: number, all: number])[];

/**
 * Units that were assigned with one propensity. In sticky mode a unit is a key, and each field counts a key
 * once a step: at its first request, first error, first slow request, first conversion.
 */
export interface Batch {
  /** The probability, 0 to 1, with which the canary was chosen. */
  readonly w: number;
  /** Units assigned. */
  readonly units?: Pair;
  /** Units that failed: 5xx, connection lost, timeout. */
  readonly errors?: Pair;
  /** Answers that were good, by latency bucket; the canary's after its head start. Warm-up left out. */
  readonly latency?: Marked;
  /**
   * Units slower than the frozen p95, counted when their age crosses it. In request mode they may be left
   * out, and are then read off `latency`.
   */
  readonly slow95?: Pair;
  /** The same for the p99. */
  readonly slow99?: Pair;
  /** Conversions, by name of their metric. */
  readonly conversions?: Readonly<Record<string, Pair>>;
  /** Standardised values (`valueMark`), by name of their metric. */
  readonly values?: Readonly<Record<string, Marked>>;
}

/** What one tick saw. */
export interface Tick {
  /** Seconds since the rollout began. */
  readonly t: number;
  readonly batches: readonly Batch[];
  /** The canary's units (request mode: requests; sticky: first requests of a key in this step). */
  readonly trials?: Trials;
  /** Stable's. */
  readonly stableTrials?: Trials;
  /** Sticky mode: plain requests, not only the first of a key. */
  readonly requests?: Pair;
  readonly requestErrors?: Pair;
  readonly requestSlow95?: Pair;
  /** Dispersion index of stable's bad requests; the last one told holds. */
  readonly phi?: number;
  /** Dispersion index of stable's slow requests. */
  readonly phiLatency?: number;
  /** External series, by name of their metric: canary above tolerance, not above, or null if missing. */
  readonly samples?: Readonly<Record<string, boolean | null>>;
}

/**
 * The probability with which the candidate was chosen, given that it or the baseline was: what w is when
 * there are more than two versions. Any unit of weight will do.
 */
export function propensity(candidate: number, baseline: number): number {
  return candidate + baseline === 0 ? 0 : candidate / (candidate + baseline);
}

/** Whether every number in it is one. */
function sound(value: unknown): boolean {
  if (typeof value === 'number') return Number.isFinite(value);
  return typeof value !== 'object' || value === null || Object.values(value).every(sound);
}

/** The tick without its parts that hold a number which is none, and how many those were. */
export function soundPart(tick: Tick): { readonly tick: Tick; readonly ignored: number } {
  const batches = tick.batches.filter(sound);
  const fields = Object.entries(tick).filter(([name, value]) => name === 'batches' || sound(value));
  const ignored = tick.batches.length - batches.length + Object.keys(tick).length - fields.length;
  return ignored === 0
    ? { tick, ignored }
    : { tick: { ...Object.fromEntries(fields), t: tick.t, batches }, ignored };
}

/** The sum of marked counts, mark by mark, in ascending order. */
export function addMarked(a: Marked, b: Marked): Marked {
  const sum = new Map<number, readonly [number, number]>();
  for (const [mark, canary, all] of [...a, ...b]) {
    const [c, n] = sum.get(mark) ?? [0, 0];
    sum.set(mark, [c + canary, n + all]);
  }
  return Array.from(sum, ([mark, [c, n]]) => [mark, c, n] as const).sort(([x], [y]) => x - y);
}

/** Stable's part of latencies, as a scale is made from. */
export function stablePart(latency: Marked): LatencyCounts {
  return latency.map(([bucket, canary, all]) => [bucket, all - canary]);
}
