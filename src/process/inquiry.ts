import type { Receipt, WorkerReceipt } from '../model/record.ts';
import type { Up } from './messages.ts';

type Settled = Extract<Up, { type: 'settled' }>;

/**
 * One question to every worker: do you serve this revision, and have the versions left had their last
 * request? It ends when all have answered or the time is up, and never fails: whoever is silent is missing.
 */
export class Inquiry {
  readonly receipt: Promise<Receipt>;
  readonly #revision: number;
  readonly #workers: readonly number[];
  readonly #answers = new Map<number, Settled>();
  #timer: NodeJS.Timeout | undefined;
  #resolve!: (receipt: Receipt) => void;

  /** `wait` is in milliseconds. */
  constructor(revision: number, workers: readonly number[], wait: number) {
    this.#revision = revision;
    this.#workers = workers;
    this.receipt = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    this.#timer = setTimeout(() => this.close(), wait);
  }

  answer(worker: number, settled: Settled): void {
    this.#answers.set(worker, settled);
    if (this.#workers.every((each) => this.#answers.has(each))) this.close();
  }

  /** Makes the receipt of what is known by now. */
  close(): void {
    clearTimeout(this.#timer);
    this.#resolve(receiptOf(this.#revision, this.#workers, this.#answers));
  }
}

/** A worker confirms by serving the revision or a later one. */
function receiptOf(
  revision: number,
  workers: readonly number[],
  answers: ReadonlyMap<number, Settled>,
): Receipt {
  const confirmed: WorkerReceipt[] = [];
  const missing: number[] = [];
  let last: number | undefined;
  for (const worker of workers) {
    const answer = answers.get(worker);
    if (answer === undefined || answer.revision < revision) {
      missing.push(worker);
      continue;
    }
    const at = answer.lastRequestAt;
    confirmed.push({ worker, revision: answer.revision, ...lastRequest(at) });
    if (at !== undefined && (last === undefined || at > last)) last = at;
  }
  return { revision, live: missing.length === 0, workers: confirmed, missing, ...lastRequest(last) };
}

function lastRequest(at: number | undefined): { lastRequestAt?: string } {
  return at === undefined ? {} : { lastRequestAt: new Date(at).toISOString() };
}
