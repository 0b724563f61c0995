import { Ledger } from '../metrics/ledger.ts';
import type { Balancer } from '../upstream/balancer.ts';
import type { UpstreamTerms } from '../upstream/connection.ts';

/**
 * What the requests of one version go through in this process: where to, on what terms, and who counts. It
 * belongs to the version's name and outlives tables, so nothing is counted twice or forgotten at a swap.
 */
export class Lane {
  readonly service: string;
  readonly version: string;
  /** The lines that tell endpoints and clients the version. */
  readonly line: string;
  balancer: Balancer;
  terms: UpstreamTerms;
  /** Largest request body, bytes; 0 is no limit. */
  maxBodyBytes: number;
  /** Monotonic ms of the last request sent here; -1 before the first. */
  lastSentAt = -1;
  #ledger: Ledger | undefined;
  #unsent = 0;
  #settled: (() => void)[] = [];

  constructor(
    service: string,
    version: string,
    balancer: Balancer,
    terms: UpstreamTerms,
    maxBodyBytes: number,
  ) {
    this.service = service;
    this.version = version;
    this.line = `x-spillway-version: ${version}\r\n`;
    this.balancer = balancer;
    this.terms = terms;
    this.maxBodyBytes = maxBodyBytes;
  }

  /** Made with the first request: of ten thousand services most are quiet. */
  get ledger(): Ledger {
    this.#ledger ??= new Ledger(this.service, this.version);
    return this.#ledger;
  }

  get counted(): Ledger | undefined {
    return this.#ledger;
  }

  /** A request was given to this version and cannot be sent yet: no connection, or one still connecting. */
  hold(): void {
    this.#unsent++;
  }

  /** That request was sent, or never will be. */
  unhold(): void {
    if (--this.#unsent > 0) return;
    const settled = this.#settled;
    this.#settled = [];
    for (const tell of settled) tell();
  }

  /** Resolves when every request given to this version so far has been sent or given up. */
  settled(): Promise<void> {
    if (this.#unsent === 0) return Promise.resolve();
    return new Promise((resolve) => this.#settled.push(resolve));
  }
}
