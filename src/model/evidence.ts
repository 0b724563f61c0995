/**
 * What one worker counted of a trial since it last told, as it travels to the primary: sparse, and every
 * number an increase. It names its epoch, so that what comes late is recognised, and its place in the row, so
 * that what comes twice is.
 */
export interface TrialCounts {
  readonly rollout: string;
  readonly epoch: number;
  /** Counts up by one with every post that a worker makes in an epoch. */
  readonly seq: number;
  /** Exchanges that ended, but for those that the client broke off. */
  readonly requests: ByArm;
  /** Those of them that failed by the version's doing. */
  readonly failures: ByArm;
  /** Requests slower than the frozen p95. */
  readonly slow: ByArm;
  /** Sticky: the baseline's requests, as [slot, requests, failures, slow] by the third hash of their key, flat. */
  readonly dispersed: readonly number[];
  readonly batches: readonly TrialBatch[];
}

export type ByArm = readonly [baseline: number, candidate: number];

/** Units that were assigned with one propensity. */
export interface TrialBatch {
  /** The candidate's share of what it and the baseline held together when the units were assigned. */
  readonly w: number;
  readonly tallies: readonly Tally[];
}

/**
 * One kind of event. `seen`: a unit was assigned. `tried`: it had its first result, mark 1 if that was bad.
 * `erred`, `slow95`, `slow99`, or `conversion:` and a name: it happened to the unit. `timed`: an answer that
 * was good, its latency bucket as mark. `value:` and a name: its bucket of values as mark.
 */
export interface Tally {
  readonly kind: string;
  /** [mark, baseline, candidate] of what is its own unit: a request, or in sticky mode one without a key. */
  readonly counts: readonly number[];
  /** [2 x slot + 1 if of the candidate, mark] of keys whose slot was still free in this worker, flat. */
  readonly keys: readonly number[];
}

/** The kind of event that is counted for a business metric, or measured. */
export function businessKind({ name, worse }: { readonly name: string; readonly worse?: unknown }): string {
  return `${worse === undefined ? 'conversion' : 'value'}:${name}`;
}
