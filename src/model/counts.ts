/**
 * What one ledger counted since it was last read, as it travels from a worker to the primary: sparse, since
 * most buckets of most versions are empty. Every number is an increase, so counts add up by addition.
 */
export interface LedgerCounts {
  readonly service: string;
  readonly version: string;
  /** [status code, count] pairs, flat. A client that left counts as 499. */
  readonly codes: readonly number[];
  /** Exchanges that failed by the version's doing: 5xx answers, and faults of its endpoints that reached the client. */
  readonly errors: number;
  /** [index in FAULT_KINDS, count] pairs, flat. */
  readonly faults: readonly number[];
  /** Attempts after the first, at this version. */
  readonly retries: number;
  /** Those that were not made, since the budget was spent. */
  readonly retriesRefused: number;
  /** Exchanges that failed here and were given to another version. */
  readonly rescues: number;
  /** Those that were not, since the budget was spent. */
  readonly rescuesRefused: number;
  /** [bucket, count] pairs, flat: last byte of the request sent → response head. */
  readonly latency: readonly number[];
  /** [bucket, count] pairs, flat: first byte of the request → exchange over. */
  readonly duration: readonly number[];
  /** Sum of the upstream latencies, in milliseconds. */
  readonly latencySum: number;
  /** Sum of the durations, in milliseconds. */
  readonly durationSum: number;
  /** Body bytes from clients. */
  readonly bytesIn: number;
  /** Body bytes to clients. */
  readonly bytesOut: number;
  /** [bucket, count] pairs, flat: how long streams lasted that have ended. */
  readonly streamDuration: readonly number[];
  /** Sum of them, in milliseconds. */
  readonly streamDurationSum: number;
  /** Streams open at this moment: not an increase, the number itself. */
  readonly streams: number;
  /** In flight at this moment: not an increase, the number itself. */
  readonly inFlight: number;
  /** Those of them that cannot be sent yet, and of those given here by another version. */
  readonly pending: number;
}

/** What a version did at one replica in one minute, by now: a later one of the same minute takes its place. */
export interface MinuteCounts {
  readonly service: string;
  readonly version: string;
  /** Its number on the clock of the fleet. */
  readonly minute: number;
  readonly requests: number;
  readonly failures: number;
  /** [the judge's bucket, count] pairs, flat. */
  readonly latency: readonly number[];
}
