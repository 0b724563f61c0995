/** How many of something there may be for the requests there are. */
export interface BudgetTerms {
  /** For each request. */
  readonly share: number;
  /** Besides, whether there are requests or not. */
  readonly minPerSecond: number;
}

/** What is counted is forgotten at this rate, so it stands for so many seconds' worth. */
const SECONDS = 10;
const KEPT_BY_SECOND = 1 - 1 / SECONDS;

/**
 * A share of live traffic: of what came in the last ten seconds or so, and of as much as was spent in them. So a
 * sudden outage finds some seconds' worth saved up, and one that lasts gets the share and no more. `now` is in
 * monotonic ms.
 */
export class Budget {
  terms: BudgetTerms;
  #at = Number.NEGATIVE_INFINITY;
  #requests = 0;
  #spent = 0;

  constructor(terms: BudgetTerms) {
    this.terms = terms;
  }

  /** A request has come. */
  count(now: number): void {
    if (now - this.#at >= 1000) this.#forget(now);
    this.#requests++;
  }

  /** Spends one, if there is one left. */
  spend(now: number): boolean {
    if (now - this.#at >= 1000) this.#forget(now);
    const { share, minPerSecond } = this.terms;
    if (this.#spent + 1 > share * this.#requests + minPerSecond * SECONDS) return false;
    this.#spent++;
    return true;
  }

  #forget(now: number): void {
    const seconds = Math.floor((now - this.#at) / 1000);
    const kept = KEPT_BY_SECOND ** seconds;
    this.#requests *= kept;
    this.#spent *= kept;
    this.#at = Number.isFinite(this.#at) ? this.#at + seconds * 1000 : now;
  }
}
