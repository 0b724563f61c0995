import { randomUUID } from 'node:crypto';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Timers } from '../base/timers.ts';
import type { FleetReceipt, Receipt, ReplicaReceipt } from '../model/record.ts';
import type { State } from '../model/state.ts';
import type { Link } from '../store/link.ts';
import type { Serving } from './commands.ts';

/** A question to every other replica: do you serve this? */
interface Question {
  readonly id: string;
  readonly from: string;
  readonly revision: number;
  readonly wait: number;
  readonly service?: string;
  readonly left: readonly string[];
}

/** What a replica answers. */
interface Answer {
  readonly id: string;
  readonly from: string;
  readonly receipt: Receipt;
}

/** A replica as others know it. */
export interface Neighbour {
  readonly self: string;
  readonly name: string;
}

export interface ReceiptsParts {
  readonly link: Link;
  /** Whoever serves here. */
  readonly serving: Serving;
  readonly name: string;
  /** The other replicas that are there, as far as is known. */
  others(): readonly Neighbour[];
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Log;
}

/**
 * Serving, as a fleet does it: what is announced is announced here, since every replica follows the truth by
 * itself, but a receipt is of all replicas. They are asked at once and answer when they can; whoever has not in
 * time is missing.
 */
export class Receipts implements Serving {
  readonly #parts: ReceiptsParts;
  readonly #asked = new Map<string, (answer: Answer) => void>();
  #revision = 0;
  #waiting: { readonly revision: number; readonly go: () => void }[] = [];

  constructor(parts: ReceiptsParts) {
    this.#parts = parts;
    parts.link.hear('ask', (words) => {
      this.#answer(JSON.parse(words) as Question).catch((err: unknown) =>
        parts.log.debug({ err }, 'another replica is not told what is served here'),
      );
    });
    parts.link.hear('answer', (words) => {
      const answer = JSON.parse(words) as Answer;
      this.#asked.get(answer.id)?.(answer);
    });
  }

  announce(state: State): void {
    this.#parts.serving.announce(state);
    this.#revision = state.revision;
    const due = this.#waiting.filter(({ revision }) => revision <= state.revision);
    this.#waiting = this.#waiting.filter(({ revision }) => revision > state.revision);
    for (const { go } of due) go();
  }

  async receipt(
    revision: number,
    wait: number,
    service?: string,
    left: readonly string[] = [],
  ): Promise<Receipt> {
    const { serving, name } = this.#parts;
    const others = this.#parts.others();
    const [own, answers] = await Promise.all([
      serving.receipt(revision, wait, service, left),
      this.#ask({ revision, wait, left, ...(service !== undefined && { service }) }, others),
    ]);
    const confirmed = [
      { replica: name, receipt: own },
      ...others.flatMap(({ self, name: replica }) => {
        const receipt = answers.get(self);
        return receipt === undefined ? [] : [{ replica, receipt }];
      }),
    ];
    const missing = others.filter(({ self }) => !answers.has(self)).map((other) => other.name);
    const fleet = fleetReceipt(confirmed, missing);
    const last = fleet.replicas
      .flatMap(({ lastRequestAt }) => lastRequestAt ?? [])
      .sort()
      .at(-1);
    return {
      ...own,
      live: fleet.live === fleet.of,
      ...(last !== undefined && { lastRequestAt: last }),
      fleet,
    };
  }

  /** The answers that came in time, by who gave them. */
  async #ask(
    question: Omit<Question, 'id' | 'from'>,
    others: readonly Neighbour[],
  ): Promise<ReadonlyMap<string, Receipt>> {
    const answers = new Map<string, Receipt>();
    const { link, timers } = this.#parts;
    if (others.length === 0 || !link.health.up) return answers;
    const id = randomUUID();
    let stop = (): void => {};
    const over = new Promise<void>((resolve) => {
      stop = timers.after(question.wait, resolve);
      this.#asked.set(id, ({ from, receipt }) => {
        answers.set(from, receipt);
        if (others.every(({ self }) => answers.has(self))) resolve();
      });
    });
    try {
      const asked = link.say('ask', JSON.stringify({ ...question, id, from: link.self } satisfies Question));
      // Whom the question did not reach will not answer.
      await Promise.race([over, asked.then(() => over)]).catch(() => {});
    } finally {
      stop();
      this.#asked.delete(id);
    }
    return answers;
  }

  async #answer({ id, from, revision, wait, service, left }: Question): Promise<void> {
    const { link, serving, clock } = this.#parts;
    if (from === link.self) return;
    const began = clock.monotonic();
    await this.#reached(revision, wait);
    const rest = Math.max(0, wait - (clock.monotonic() - began));
    const receipt = await serving.receipt(revision, rest, service, left);
    await link.say('answer', JSON.stringify({ id, from: link.self, receipt } satisfies Answer));
  }

  /** Resolves when this revision is announced here, or the time is up. */
  async #reached(revision: number, wait: number): Promise<void> {
    if (this.#revision >= revision) return;
    await new Promise<void>((resolve) => {
      const stop = this.#parts.timers.after(wait, resolve);
      this.#waiting.push({
        revision,
        go: () => {
          stop();
          resolve();
        },
      });
    });
  }
}

function fleetReceipt(
  confirmed: readonly { readonly replica: string; readonly receipt: Receipt }[],
  missing: readonly string[],
): FleetReceipt {
  const replicas = confirmed.map(({ replica, receipt }): ReplicaReceipt => {
    const { live, lastRequestAt } = receipt;
    return { replica, live, ...(lastRequestAt !== undefined && { lastRequestAt }) };
  });
  return {
    of: replicas.length + missing.length,
    live: replicas.filter(({ live }) => live).length,
    replicas,
    missing: [...missing, ...replicas.filter(({ live }) => !live).map(({ replica }) => replica)],
  };
}
