import type { AuditEntry } from '../../../src/model/record.ts';
import { BEAT, LEAVE, POST, READ, REPLACE, RESTORE } from '../../../src/store/scripts.ts';

type Hash = Map<string, string>;
type Held = string | Hash | string[] | Posts;
/** A stream: [id, words] in order. */
interface Posts {
  readonly stream: (readonly [string, string])[];
}

/** A truth that Redis took, and the one that it was made of. */
export interface Accepted {
  readonly stamp: string;
  readonly revision: number;
  readonly entry: AuditEntry | undefined;
  readonly from: Accepted | undefined;
  readonly fence: string;
  /** The term that was when it was taken. */
  readonly term: string;
  readonly at: number;
}

export type Answer = string | number | null | readonly unknown[];

/** Of Redis what the store uses of it, in memory, its scripts by hand. Held to the real one by `test/fleet/redis.test.ts`. */
export class SimulatedRedis {
  readonly #now: () => number;
  #keys = new Map<string, { held: Held; until: number }>();
  #stored = new Set<string>();
  #posted = 0;
  /** Every truth there ever was, whatever was lost since. */
  readonly accepted = new Map<string, Accepted>();
  /** The last truth taken. */
  newest: Accepted | undefined;
  /** Passes on what is published. */
  publish: (channel: string, words: string) => void = () => {};

  constructor(now: () => number) {
    this.#now = now;
  }

  /** All is lost. */
  empty(): void {
    this.#keys.clear();
    this.#stored.clear();
    this.newest = undefined;
  }

  /** Everything as it is, to be gone back to later. */
  copy(): () => void {
    const keys = structuredClone(this.#keys);
    const { newest } = this;
    return () => {
      this.#keys = structuredClone(keys);
      this.newest = newest;
    };
  }

  /** What the truth is, as it stands there. */
  get truth(): string | undefined {
    for (const [key, { held }] of this.#keys) if (key.endsWith(':truth')) return (held as Hash).get('state');
    return undefined;
  }

  /** Throws an Error as Redis says it. */
  ask(command: string, args: readonly string[]): Answer {
    switch (command) {
      case 'hmget':
        return args.slice(1).map((field) => this.#hash(args[0]!).get(field) ?? null);
      case 'lrange':
        return this.#list(args[0]!).slice(Number(args[1]), Number(args[2]) + 1);
      case 'publish':
        this.publish(args[0]!, args[1]!);
        return 1;
      case 'xrevrange':
        return this.#posts(args[0]!).stream.slice(-1).map(entryOf);
      case 'xread': {
        const [key, from] = args.slice(-2) as [string, string];
        const found = this.#posts(key).stream.filter(
          ([id]) => Number(id.split('-')[0]) > Number(from.split('-')[0]),
        );
        return found.length === 0 ? null : [[key, found.map(entryOf)]];
      }
      case 'evalsha':
        if (!this.#stored.has(args[0]!)) throw new Error('NOSCRIPT No matching script. Please use EVAL.');
        return this.#script(args[0]!, args);
      case 'eval': {
        const script = [READ, REPLACE, RESTORE, BEAT, LEAVE, POST].find(({ lua }) => lua === args[0])!;
        this.#stored.add(script.sha);
        return this.#script(script.sha, args);
      }
      default:
        throw new Error(`ERR unknown command '${command}'`);
    }
  }

  #script(sha: string, [, count, ...rest]: readonly string[]): Answer {
    const keys = rest.slice(0, Number(count));
    const args = rest.slice(Number(count));
    switch (sha) {
      case READ.sha:
        return this.#read(keys[0]!, args[0]!);
      case REPLACE.sha:
        return this.#replace(keys, args);
      case RESTORE.sha:
        return this.#restore(keys, args);
      case BEAT.sha:
        return this.#beat(keys, args);
      case LEAVE.sha:
        if (this.#text(keys[0]!) === args[1]) this.#keys.delete(keys[0]!);
        this.#hash(keys[1]!).delete(args[0]!);
        return 1;
      default:
        this.#posts(keys[0]!).stream.push([`${++this.#posted}-0`, args[0]!]);
        return 1;
    }
  }

  #read(key: string, known: string): Answer {
    const truth = this.#hash(key);
    if (!truth.has('revision')) return ['0', ''];
    const has = [truth.get('revision'), truth.get('stamp')];
    return has[1] === known ? has : [...has, truth.get('state') ?? null, truth.get('entry') ?? null];
  }

  #replace([truth, audit, term, restoring]: readonly string[], args: readonly string[]): Answer {
    const [revision = '', stamp = '', state = '', entry = '', fence = '', channel = ''] = args;
    if (fence !== '' && this.#text(term!) !== fence) return 'fenced';
    if (this.#text(restoring!) !== undefined) return 'restoring';
    const now = Number(this.#hash(truth!).get('revision') ?? 0);
    if (now !== Number(revision)) return 'stale';
    this.#take(truth!, now + 1, stamp, state, entry, { fence, term: this.#text(term!) ?? '' });
    this.#list(audit!).unshift(entry);
    this.publish(channel, String(now + 1));
    return 'written';
  }

  #restore([truth, audit, restoring]: readonly string[], args: readonly string[]): Answer {
    const [revision = '', stamp = '', state = '', entry = '', channel = '', lasts = '', fresh = ''] = args;
    const held = this.#hash(truth!);
    const now = Number(held.get('revision') ?? 0);
    if (now > Number(revision)) return 'older';
    if (now === Number(revision)) {
      if (held.get('stamp') === stamp) return 'same';
      this.#take(truth!, now + 1, fresh, held.get('state') ?? '', held.get('entry') ?? '', { again: true });
      this.publish(channel, String(now + 1));
      return 'parted';
    }
    this.#set(restoring!, '1', this.#now() + Number(lasts));
    this.#take(truth!, Number(revision), stamp, state, entry, {});
    if (entry !== '') this.#list(audit!).unshift(entry);
    this.publish(channel, revision);
    return 'restored';
  }

  #beat([truth, lease, term, replicas]: readonly string[], args: readonly string[]): Answer {
    const [me = '', mine = '', fresh = '', wants = '', card = '', lasts = '', silent = ''] = args;
    const now = Math.floor(this.#now());
    const cards = this.#hash(replicas!);
    cards.set(me, `${now} ${card}`);
    let holder = this.#text(lease!);
    const last = this.#text(term!);
    const until = this.#now() + Number(lasts);
    if (wants === '1') {
      if (holder === undefined) {
        holder = last !== undefined && (last === mine || last === fresh) ? last : fresh;
        if (holder !== last) this.#set(term!, holder);
        this.#set(lease!, holder, until);
      } else if (holder === mine || holder === fresh) this.#set(lease!, holder, until);
    } else if (holder !== undefined && (holder === mine || holder === fresh)) {
      this.#keys.delete(lease!);
      holder = undefined;
    }
    for (const [replica, text] of cards)
      if (now - Number.parseInt(text, 10) > Number(silent)) cards.delete(replica);
    const known = this.#hash(truth!);
    return [
      String(now),
      known.get('revision') ?? '0',
      known.get('stamp') ?? '',
      holder ?? '',
      [...cards].flat(),
    ];
  }

  #take(
    key: string,
    revision: number,
    stamp: string,
    state: string,
    entry: string,
    { fence = '', term = '', again = false }: { fence?: string; term?: string; again?: boolean },
  ): void {
    const before = this.accepted.get(stamp);
    this.newest = before ?? {
      stamp,
      revision,
      // What only has another number now has not happened again.
      entry: entry === '' || again ? undefined : (JSON.parse(entry) as AuditEntry),
      from: this.newest,
      fence,
      term,
      at: this.#now(),
    };
    this.accepted.set(stamp, this.newest);
    const held = this.#hash(key);
    held.set('revision', String(revision)).set('stamp', stamp).set('state', state).set('entry', entry);
  }

  #held(key: string): Held | undefined {
    const entry = this.#keys.get(key);
    if (entry !== undefined && entry.until > this.#now()) return entry.held;
    this.#keys.delete(key);
    return undefined;
  }

  #set(key: string, held: Held, until = Number.POSITIVE_INFINITY): void {
    this.#keys.set(key, { held, until });
  }

  #text(key: string): string | undefined {
    return this.#held(key) as string | undefined;
  }

  #hash(key: string): Hash {
    return this.#of(key, () => new Map());
  }

  #list(key: string): string[] {
    return this.#of(key, () => []);
  }

  #posts(key: string): Posts {
    return this.#of(key, () => ({ stream: [] }));
  }

  #of<T extends Held>(key: string, made: () => T): T {
    const held = this.#held(key) as T | undefined;
    if (held !== undefined) return held;
    const fresh = made();
    this.#set(key, fresh);
    return fresh;
  }
}

function entryOf([id, words]: readonly [string, string]): readonly unknown[] {
  return [id, ['w', words]];
}
