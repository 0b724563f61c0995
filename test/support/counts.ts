import type { LedgerCounts } from '../../src/model/counts.ts';

/** What a ledger sends up that counted nothing but what is said. */
export function counts(over: Partial<LedgerCounts> = {}): LedgerCounts {
  return {
    service: 'web',
    version: 'v1',
    codes: [],
    errors: 0,
    faults: [],
    retries: 0,
    retriesRefused: 0,
    rescues: 0,
    rescuesRefused: 0,
    latency: [],
    duration: [],
    latencySum: 0,
    durationSum: 0,
    bytesIn: 0,
    bytesOut: 0,
    streamDuration: [],
    streamDurationSum: 0,
    streams: 0,
    inFlight: 0,
    pending: 0,
    ...over,
  };
}
