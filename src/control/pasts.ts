import type { Log } from '../base/log.ts';
import { Rounds } from '../base/rounds.ts';
import type { Timers } from '../base/timers.ts';
import type { MinuteCounts } from '../model/counts.ts';
import type { Link } from '../store/link.ts';
import type { Evidence } from './evidence.ts';

/** Milliseconds between two posts, of five minutes that are told of. */
const PERIOD = 2_000;

/** What one replica posts. */
interface Parcel {
  /** Whose minutes these are. */
  readonly from: string;
  readonly minutes: readonly MinuteCounts[];
}

export interface PastsParts {
  readonly link: Link;
  readonly evidence: Pick<Evidence, 'news' | 'learn'>;
  readonly timers: Timers;
  readonly log: Log;
}

/**
 * What versions did in the last minutes, told to all replicas by all, since any of them may begin an epoch and has
 * to know what the baseline was like: how slow is slow stands in the trial from then on.
 */
export class Pasts {
  readonly #parts: PastsParts;
  readonly #rounds: Rounds;

  constructor(parts: PastsParts) {
    this.#parts = parts;
    this.#rounds = new Rounds(parts.timers, PERIOD, () => this.exchange());
  }

  /** Tells what is new, and hears what others tell. Never rejects. */
  async exchange(): Promise<void> {
    const { link, evidence, log } = this.#parts;
    const { from, minutes, lost } = evidence.news();
    try {
      if (minutes.length > 0) await link.post('past', JSON.stringify({ from, minutes } satisfies Parcel));
      for (const words of await link.gather('past')) {
        const told = JSON.parse(words) as Parcel;
        evidence.learn(told.from, told.minutes);
      }
    } catch (err) {
      // What was told all the same is no harm when it is told again.
      lost();
      log.debug({ err }, 'what versions did cannot be shared');
    }
  }

  close(): Promise<void> {
    return this.#rounds.close();
  }
}
