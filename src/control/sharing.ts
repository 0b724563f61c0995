import type { Log } from '../base/log.ts';
import { Rounds } from '../base/rounds.ts';
import type { Timers } from '../base/timers.ts';
import type { TrialCounts } from '../model/evidence.ts';
import type { Link } from '../store/link.ts';
import type { Evidence } from './evidence.ts';

/** Milliseconds between two posts. */
const PERIOD = 250;
/** Posts that wait for Redis; of more the oldest are lost, and lost counts are never counted twice. */
const WAITING = 400;

/** What one source counted in one of its lives. */
interface Post {
  readonly source: string;
  readonly life: number;
  readonly counts: readonly TrialCounts[];
}

/** What one replica posts. */
interface Parcel {
  readonly from: string;
  readonly posts: readonly Post[];
}

export interface SharingParts {
  readonly link: Link;
  readonly evidence: Pick<Evidence, 'share' | 'hear' | 'join' | 'leave' | 'gathers'>;
  /** Whether this replica leads: then it takes in what others post. */
  leads(): boolean;
  readonly timers: Timers;
  readonly log: Log;
}

/**
 * Evidence on its way to whoever leads. What the sources here told is posted several times a second while others
 * lead, and what others posted is taken in while this replica leads. A post that comes twice, or after one that
 * was sent later, counts nothing: that is kept by the numbers in it, as it is between workers.
 */
export class Sharing {
  readonly #parts: SharingParts;
  /** The sources of others. */
  readonly #others = new Set<string>();
  #outbox: Post[] = [];
  readonly #rounds: Rounds;

  constructor(parts: SharingParts) {
    this.#parts = parts;
    parts.evidence.share({
      told: (counts, source, life) => {
        if (parts.leads()) return;
        this.#outbox.push({ source, life, counts });
        if (this.#outbox.length > WAITING) this.#outbox.shift();
      },
    });
    this.#rounds = new Rounds(parts.timers, PERIOD, () => this.exchange());
  }

  /** Posts what there is, and takes in what others posted. Never rejects. */
  async exchange(): Promise<void> {
    const { link, evidence, leads, log } = this.#parts;
    try {
      if (leads()) {
        this.#outbox = [];
        if (evidence.gathers)
          for (const words of await link.gather('evidence')) this.#take(JSON.parse(words) as Parcel);
        return;
      }
      const posts = this.#outbox;
      if (posts.length === 0) return;
      await link.post('evidence', JSON.stringify({ from: link.self, posts } satisfies Parcel));
      this.#outbox = this.#outbox.filter((post) => !posts.includes(post));
    } catch (err) {
      // Redis is away: it is known and told elsewhere, and what was not posted is posted later.
      log.debug({ err }, 'evidence cannot be shared');
    }
  }

  /** Of these sources, those that count here. */
  ownSources(sources: readonly string[]): readonly string[] {
    return sources.filter((source) => !this.#others.has(source));
  }

  /** The sources that others have, as they say it themselves: those that stay silent are missing. */
  expect(sources: readonly string[]): void {
    const { evidence } = this.#parts;
    const wanted = new Set(sources);
    for (const source of this.#others) {
      if (wanted.has(source)) continue;
      this.#others.delete(source);
      evidence.leave(source);
    }
    for (const source of wanted) this.#known(source);
  }

  async close(): Promise<void> {
    this.#parts.evidence.share(undefined);
    this.expect([]);
    await this.#rounds.close();
  }

  #take({ from, posts }: Parcel): void {
    const { link, evidence } = this.#parts;
    if (from === link.self) return;
    for (const { source: name, life, counts } of posts) {
      const source = remoteSource(from, name);
      this.#known(source);
      evidence.hear(counts, source, life);
    }
  }

  #known(source: string): void {
    if (this.#others.has(source)) return;
    this.#others.add(source);
    this.#parts.evidence.join(source);
  }
}

/** By what name the evidence knows a source of another replica. */
export function remoteSource(replica: string, source: string): string {
  return `${source} of ${replica}`;
}
