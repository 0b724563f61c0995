import { FAULTS, type Fault } from '../model/fault.ts';
import type { Rescue, Retries } from '../model/retry.ts';
import type { Service } from '../model/state.ts';
import { Budget, type BudgetTerms } from './budget.ts';

/** What an attempt may come to, in the words of the settings. */
export type Occasion = NonNullable<Rescue['on']>[number];

/** What a fault is an occasion for. Those that are not here happen after an answer has begun, or are no endpoint's. */
const OCCASIONS = new Map<Fault, Occasion>([
  [FAULTS.refused, 'connect'],
  [FAULTS.connectTimeout, 'connect'],
  [FAULTS.noEndpoint, 'connect'],
  [FAULTS.reset, 'reset'],
  [FAULTS.badResponse, 'reset'],
  [FAULTS.headTimeout, 'timeout'],
  [FAULTS.overloaded, 503],
  [FAULTS.full, 503],
]);

/** Of these no endpoint can have read any of the request: another may be asked, whatever the method. */
export const UNREAD: ReadonlySet<Fault> = new Set([FAULTS.noEndpoint, FAULTS.overloaded, FAULTS.full]);

/** When one kind of further attempt is made. */
export class Repeats {
  readonly budget: Budget;
  readonly #on: ReadonlySet<Occasion>;

  constructor(on: Iterable<Occasion>, budget: Budget) {
    this.#on = new Set(on);
    this.budget = budget;
  }

  afterFault(fault: Fault): boolean {
    const occasion = OCCASIONS.get(fault);
    return occasion !== undefined && this.#on.has(occasion);
  }

  /** `status`: an answer, from 500 on. */
  afterAnswer(status: number): boolean {
    return this.#on.has('5xx') || this.#on.has(status as Occasion);
  }
}

/** What a service does for a request of one version whose attempt failed. */
export interface Again {
  readonly retries: Repeats | undefined;
  /** Further attempts at the version. */
  readonly attempts: number;
  readonly rescue: Repeats | undefined;
  /** The version that rescues. */
  readonly to: string | undefined;
  /** Bytes of a request's body that are kept. */
  readonly bodyBytes: number;
  readonly budgets: Budgets;
}

/** What was spent of one service's budgets in this process. It belongs to the service, and outlives tables. */
export class Budgets {
  readonly #retries = new Budget({ share: 0, minPerSecond: 0 });
  readonly #rescue = new Budget({ share: 0, minPerSecond: 0 });

  /** A request has come for the service. */
  count(now: number): void {
    this.#retries.count(now);
    this.#rescue.count(now);
  }

  /** What the service's settings say for one of its versions; undefined if they say nothing. */
  againOf(service: Service, version: string): Again | undefined {
    const { retries, rescue } = service;
    if (retries === undefined && rescue === undefined) return undefined;
    const to = rescue?.to ?? service.trial?.baseline ?? service.wholes.at(-1);
    // The version that rescues is not rescued.
    const rescuing = to === version ? undefined : rescue;
    return {
      retries:
        retries && new Repeats(retries.on ?? ['reset', 'timeout'], within(this.#retries, 0.2, retries)),
      attempts: retries?.attempts ?? 2,
      rescue:
        rescuing &&
        new Repeats(
          rescuing.on ?? ['connect', 'reset', 'timeout', 502, 503, 504],
          within(this.#rescue, 0.5, rescuing),
        ),
      to,
      bodyBytes: Math.max(kept(retries), kept(rescuing)),
      budgets: this,
    };
  }
}

function within(
  budget: Budget,
  share: number,
  { budget: terms }: { readonly budget?: Partial<BudgetTerms> },
): Budget {
  budget.terms = { share, minPerSecond: 10, ...terms };
  return budget;
}

function kept(terms: Retries | Rescue | undefined): number {
  return terms === undefined ? 0 : (terms.bodyBytes ?? 65_536);
}
