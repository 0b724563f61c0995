import type { Totals } from '../metrics/totals.ts';
import type { Flow } from './insight.ts';

/** Over so many looks, a second apart, traffic is measured. */
const LOOKS = 60;

interface Mark {
  /** Monotonic milliseconds. */
  readonly at: number;
  readonly requests: number;
  readonly errors: number;
}

/** How much traffic each service had in the last minute, for plans and for "about 40 min to a verdict". */
export class TrafficMeter {
  readonly #totals: Pick<Totals, 'all'>;
  readonly #marks = new Map<string, Mark[]>();

  constructor(totals: Pick<Totals, 'all'>) {
    this.#totals = totals;
  }

  /** Notes how far every service has come; to be called about once a second. */
  note(now: number): void {
    const sums = new Map<string, Mark>();
    for (const totals of this.#totals.all()) {
      let [requests, errors] = [0, 0];
      for (const [code, count] of totals.codes) {
        requests += count;
        if (code >= 500) errors += count;
      }
      const sum = sums.get(totals.service) ?? { at: now, requests: 0, errors: 0 };
      sums.set(totals.service, {
        at: now,
        requests: sum.requests + requests,
        errors: sum.errors + errors,
      });
    }
    for (const [service, mark] of sums)
      this.#marks.set(service, [...(this.#marks.get(service) ?? []), mark].slice(-LOOKS));
    for (const service of this.#marks.keys()) if (!sums.has(service)) this.#marks.delete(service);
  }

  of(service: string): Omit<Flow, 'latency'> {
    const marks = this.#marks.get(service) ?? [];
    const [first, last] = [marks[0], marks.at(-1)];
    if (first === undefined || last === undefined || last.at === first.at)
      return { perSecond: 0, errorRate: 0 };
    const requests = last.requests - first.requests;
    return {
      perSecond: (requests * 1000) / (last.at - first.at),
      errorRate: requests === 0 ? 0 : (last.errors - first.errors) / requests,
    };
  }
}
