import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { reasonOf } from '../base/reason.ts';
import type { Timers } from '../base/timers.ts';
import { type Client, TimedOut, timely } from './connect.ts';
import type { Health } from './link.ts';
import { StoreUnavailable } from './store.ts';

/** Milliseconds without a word after which a line is taken for dead. */
const DEAD = 2_500;

/** What Redis says of a command when it cannot do any, which is as good as not being there. */
const INDISPOSED = /^(LOADING|READONLY|CLUSTERDOWN|MASTERDOWN)/;

interface ReachParts {
  readonly client: Client;
  /** The line that only listens. */
  readonly ear: Client;
  readonly address: string;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Log;
}

/** Whether Redis is reached: learnt from whatever is tried there, and heeded by whoever would try. */
export class Reach {
  readonly #parts: ReachParts;
  #health: Health;
  /** When Redis was heard last, or a new line was tried, monotonic ms. */
  #heard = 0;
  /** Whether the last command was not answered in time. */
  #silent = false;
  #closed = false;

  constructor(parts: ReachParts) {
    const { client, ear, clock } = parts;
    this.#parts = parts;
    this.#health = { up: false, since: clock.now(), why: 'it has not been reached yet' };
    client.on('error', (error: unknown) => this.#down(reasonOf(error)));
    client.on('close', () => {
      if (this.#health.up) this.#down('the connection is lost');
    });
    // Without it polling goes on.
    ear.on('error', () => {});
  }

  get health(): Health {
    return this.#health;
  }

  /** What is said to those who need it while it is not reached. */
  unreached(why = this.#health.why ?? '', options?: ErrorOptions): StoreUnavailable {
    return new StoreUnavailable(`Redis at ${this.address} is not reached: ${why}`, options);
  }

  /** Where it is, for those who read of it. */
  get address(): string {
    return this.#parts.address;
  }

  /** Does not even try while Redis is known to be away, so that nothing waits for it. */
  async try<T>(task: () => Promise<T>): Promise<T> {
    const { up } = this.#health;
    const { client } = this.#parts;
    if (!up && client.status !== 'ready') throw this.unreached();
    if (!up && this.#silent) throw new StoreUnavailable(`Redis at ${this.address} does not answer`);
    return this.insist(task);
  }

  /** Tries, whatever is known. */
  async insist<T>(task: () => Promise<T>): Promise<T> {
    const { client, timers } = this.#parts;
    try {
      return await timely(task(), timers);
    } catch (cause) {
      const { up, why: known } = this.#health;
      // That there is no line says less than why there is none.
      const why = (!up && client.status !== 'ready' && known) || reasonOf(cause);
      if (cause instanceof Error && cause.name === 'ReplyError' && !INDISPOSED.test(why))
        throw new StoreUnavailable(`Redis at ${this.address} refuses: ${why}`, { cause });
      this.#silent = cause instanceof TimedOut;
      this.#down(why);
      throw this.unreached(why, { cause });
    }
  }

  /** It has answered, after so many ms. */
  answered(lag: number): void {
    const { clock, log } = this.#parts;
    const { address } = this;
    const { up, since } = this.#health;
    this.#silent = false;
    this.#heard = clock.monotonic();
    this.#health = { up: true, since: up ? since : clock.now(), lag };
    if (!up) log.info({ address }, 'Redis is reached');
  }

  /** A line that was cut looks like one on which nothing is said: after a while another is tried. */
  renew(): void {
    const { client, ear, clock } = this.#parts;
    if (this.#health.up || clock.monotonic() - this.#heard < DEAD) return;
    this.#heard = clock.monotonic();
    for (const line of [client, ear])
      if (line.status === 'ready' || line.status === 'connect') line.disconnect(true);
  }

  /** Nothing that happens from now on is worth being told. */
  close(): void {
    this.#closed = true;
  }

  #down(why: string): void {
    const { ear, clock, log } = this.#parts;
    const { address } = this;
    const { up, since } = this.#health;
    if (this.#closed) return;
    this.#health = { up: false, since: up ? clock.now() : since, why };
    if (!up) return;
    log.warn({ address, why }, 'Redis is not reached; what is served stays as it is');
    // What listens may hang on a line that is dead without knowing.
    if (ear.status === 'ready') ear.disconnect(true);
  }
}
