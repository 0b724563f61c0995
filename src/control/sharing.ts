import type { Log } from '../base/log.ts';
import { Rounds } from '../base/rounds.ts';
import type { Timers } from '../base/timers.ts';
import { Row } from '../metrics/row.ts';
import type { TrialCounts } from '../model/evidence.ts';
import type { Link } from '../store/link.ts';
import type { Evidence } from './evidence.ts';
import type { Posting } from './observations.ts';

/** Milliseconds between two parcels. */
const PERIOD = 250;
/** Counts that wait for Redis; of more the oldest are lost, and lost counts are never counted twice. */
const MOST_COUNTS = 400;
/** Observations that wait for it; more are refused. */
const MOST_OBSERVATIONS = 10_000;
/** Characters of one parcel; what is longer goes alone. */
const PARCEL = 256 * 1024;

/** What one source counted in one of its lives, or what was posted here for whoever leads. */
type Post =
  | { readonly source: string; readonly life: number; readonly counts: readonly TrialCounts[] }
  | { readonly seq: number; readonly posting: Posting };

/** What one replica sends. */
interface Parcel {
  readonly from: string;
  readonly posts: readonly Post[];
}

/** A post that waits, as it will be sent. */
interface Waiting {
  readonly words: string;
  readonly posting?: Posting;
}

export interface SharingParts {
  readonly link: Link;
  readonly evidence: Pick<Evidence, 'share' | 'hear' | 'join' | 'leave' | 'gathers'>;
  /** Takes what was posted at others. */
  observed(posting: Posting): void;
  /** Whether this replica leads: then it takes in what others post. */
  leads(): boolean;
  readonly timers: Timers;
  readonly log: Log;
}

/**
 * Evidence on its way to whoever leads. What the sources here told is posted several times a second while others
 * lead, and what others posted is taken in while this replica leads. A post that comes twice counts once: that is
 * kept by the numbers in it, as it is between workers.
 */
export class Sharing {
  readonly #parts: SharingParts;
  /** The sources of others. */
  readonly #others = new Set<string>();
  /** Which observations of each replica have come. */
  readonly #observed = new Map<string, Row>();
  #outbox: Waiting[] = [];
  #seq = 0;
  #losing = false;
  readonly #rounds: Rounds;

  constructor(parts: SharingParts) {
    this.#parts = parts;
    parts.evidence.share({
      told: (counts, source, life) => {
        if (!parts.leads()) this.#wait({ source, life, counts });
      },
    });
    this.#rounds = new Rounds(parts.timers, PERIOD, () => this.exchange());
  }

  /** Has whoever leads take observations. False if more wait already than can be kept. */
  pass(posting: Posting): boolean {
    const waiting = this.#outbox.reduce((sum, each) => sum + (each.posting?.observations.length ?? 0), 0);
    if (waiting + posting.observations.length > MOST_OBSERVATIONS) return false;
    this.#wait({ seq: ++this.#seq, posting });
    return true;
  }

  /** Posts what there is, and takes in what others posted. Never rejects. */
  async exchange(): Promise<void> {
    const { link, evidence, observed, leads, log } = this.#parts;
    try {
      if (leads()) {
        for (const { posting } of this.#outbox.splice(0)) if (posting) observed(posting);
        if (evidence.gathers)
          for (const words of await link.gather('evidence')) this.#take(JSON.parse(words) as Parcel);
        return;
      }
      while (this.#outbox.length > 0 && !leads()) {
        const some = parcelOf(this.#outbox);
        const posts = some.map(({ words }) => words).join(',');
        await link.post('evidence', `{"from":${JSON.stringify(link.self)},"posts":[${posts}]}`);
        this.#outbox = this.#outbox.filter((each) => !some.includes(each));
        this.#losing = false;
      }
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

  #wait(post: Post): void {
    const words = JSON.stringify(post);
    this.#outbox.push('posting' in post ? { words, posting: post.posting } : { words });
    const counts = this.#outbox.filter(({ posting }) => posting === undefined);
    if (counts.length <= MOST_COUNTS) return;
    this.#outbox.splice(this.#outbox.indexOf(counts[0]!), 1);
    if (!this.#losing) this.#parts.log.warn({}, 'Redis is away for so long that evidence is lost');
    this.#losing = true;
  }

  #take({ from, posts }: Parcel): void {
    const { link, evidence, observed } = this.#parts;
    if (from === link.self) return;
    for (const post of posts) {
      if ('posting' in post) {
        const row = this.#observed.get(from) ?? new Row();
        this.#observed.set(from, row);
        if (row.take(post.seq)) observed(post.posting);
      } else {
        const source = remoteSource(from, post.source);
        this.#known(source);
        evidence.hear(post.counts, source, post.life);
      }
    }
  }

  #known(source: string): void {
    if (this.#others.has(source)) return;
    this.#others.add(source);
    this.#parts.evidence.join(source);
  }
}

/** Those that go first, and together. */
function parcelOf(outbox: readonly Waiting[]): readonly Waiting[] {
  let length = 0;
  const end = outbox.findIndex(({ words }, i) => {
    length += words.length;
    return i > 0 && length > PARCEL;
  });
  return end < 0 ? outbox : outbox.slice(0, end);
}

/** By what name the evidence knows a source of another replica. */
export function remoteSource(replica: string, source: string): string {
  return `${source} of ${replica}`;
}
