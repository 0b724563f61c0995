import { Ledger } from '../metrics/ledger.ts';

/**
 * What became of the requests of one version in this process. It belongs to the version's name and outlives
 * tables, so that nothing is counted twice or forgotten at a swap.
 */
export class Traffic {
  readonly service: string;
  readonly version: string;
  /** Monotonic ms of the last request sent; -1 before the first. */
  lastSentAt = -1;
  /** Requests that this version answers for others at this moment, less those that others answer for it. */
  guests = 0;
  #ledger: Ledger | undefined;
  #settled: (() => void)[] = [];

  constructor(service: string, version: string) {
    this.service = service;
    this.version = version;
  }

  /** Made with the first request: of ten thousand services most are quiet. */
  get ledger(): Ledger {
    this.#ledger ??= new Ledger(this.service, this.version);
    return this.#ledger;
  }

  /** Requests that it has to answer at this moment. */
  get inFlight(): number {
    return this.ledger.inFlight + this.guests;
  }

  /** Requests that cannot be sent yet. */
  get pending(): number {
    return this.#ledger?.pending ?? 0;
  }

  /** The ledger, if there was a request. */
  get counted(): Ledger | undefined {
    return this.#ledger;
  }

  /** A request was given to this version and cannot be sent yet: no connection, or one still connecting. */
  hold(): void {
    this.ledger.hold(1);
  }

  /** That request was sent, or never will be. */
  unhold(): void {
    this.ledger.hold(-1);
    if (this.pending > 0) return;
    const settled = this.#settled;
    this.#settled = [];
    for (const tell of settled) tell();
  }

  /** Resolves when every request given to this version so far has been sent or given up. */
  settled(): Promise<void> {
    if (this.pending === 0) return Promise.resolve();
    return new Promise((resolve) => this.#settled.push(resolve));
  }
}
