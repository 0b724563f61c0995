/**
 * What replicas that share a store have in common besides the truth. Nothing of it is ever needed to serve: every
 * call may fail with StoreUnavailable, and what is lost with Redis is told anew.
 */
export interface Link {
  /** This process among all there ever were: the name of its replica, and a mark of its own. */
  readonly self: string;
  /** What the fleet, and this replica, are called. */
  readonly names: { readonly fleet: string; readonly replica: string };
  /** What is heard at each sign of life, several times a lease. */
  follow(plane: Plane): void;
  /** Whether the store is reached, as last tried. */
  readonly health: Health;
  /** Tells everybody of something, at once, if they happen to listen. */
  say(topic: Topic, words: string): Promise<void>;
  hear(topic: Topic, listener: (words: string) => void): void;
  /** Leaves something for others to gather; kept for some minutes, and not more than so much of it. */
  post(subject: Subject, words: string): Promise<void>;
  /** What was left since the last call, by whoever it was; at the first call, in the last minutes. */
  gather(subject: Subject): Promise<readonly string[]>;
}

/** `evidence`: for whoever leads. `past`: what versions did before, for everybody. */
export type Subject = 'evidence' | 'past';

export type Topic = 'ask' | 'answer';

export interface Health {
  readonly up: boolean;
  /** Since when, wall-clock ms. */
  readonly since: number;
  /** Why it is not up. */
  readonly why?: string;
  /** Milliseconds that the last sign of life took. */
  readonly lag?: number;
}

/** Whoever looks after the fleet; told by the store, which keeps the time. */
export interface Plane {
  /** What others are to know of this replica. */
  card(): object;
  /** Whether this replica would lead. */
  readonly willing: boolean;
  beat(beat: Beat): void;
  /** Redis has not answered. */
  missed(): void;
}

/** What a sign of life brought back. */
export interface Beat {
  /** The token of the term if this replica leads: what is written with it is refused once anybody else has led. */
  readonly token: string | undefined;
  /** Monotonic ms until when nobody else leads for certain. */
  readonly until: number;
  /** What time it is by Redis, ms since 1970, and when that was, monotonic ms. */
  readonly now: number;
  readonly at: number;
  /** The clock of this machine less that of Redis, ms. */
  readonly offset: number;
  readonly revision: number;
  /** All that were heard in the last while, this one too. */
  readonly replicas: readonly Sighting[];
}

export interface Sighting {
  readonly self: string;
  readonly leads: boolean;
  /** Milliseconds since it was last seen. */
  readonly age: number;
  readonly card: unknown;
}
