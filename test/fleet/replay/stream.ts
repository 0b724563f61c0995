import { shuffled } from '../../../bench/statistics.ts';
import type { Link, Subject } from '../../../src/store/link.ts';
import { StoreUnavailable } from '../../../src/store/store.ts';

/** What becomes of a post. */
export type Weather = 'fair' | 'lost' | 'unheard';

/**
 * What replicas leave for each other, in worse than any Redis would do to it: posts get lost, or arrive and nobody says
 * so; they come in any order, and again.
 */
export class Stream {
  readonly #posts: Record<Subject, string[]> = { evidence: [], past: [] };
  readonly #random: () => number;
  /** By replica. */
  readonly weather = new Map<string, Weather>();
  /** Whether posts come again, and in another order. */
  mixed = true;
  /** Characters posted. */
  written = 0;

  constructor(random: () => number) {
    this.#random = random;
  }

  link(self: string): Link {
    const read: Record<Subject, number> = { evidence: 0, past: 0 };
    const link: Link = {
      self,
      names: { fleet: 'fleet', replica: self },
      health: { up: true, since: 0 },
      follow() {},
      hear() {},
      say: async () => {},
      post: async (subject, words) => {
        const weather = this.weather.get(self) ?? 'fair';
        if (weather !== 'lost') this.#posts[subject].push(words);
        if (weather !== 'fair') throw new StoreUnavailable('no answer');
        this.written += words.length;
      },
      gather: async (subject) => {
        if (this.weather.get(self) === 'lost') throw new StoreUnavailable('no answer');
        const posts = this.#posts[subject];
        const fresh = posts.slice(read[subject]);
        read[subject] = posts.length;
        if (!this.mixed) return fresh;
        const again = posts.filter(() => this.#random() < 0.1);
        return shuffled([...fresh, ...again], this.#random);
      },
    };
    return link;
  }
}
