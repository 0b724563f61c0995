import type { Clock } from '../base/clock.ts';
import type { Rollout } from '../model/rollout.ts';
import type { LinkSettings } from '../model/settings.ts';
import { gatesOf } from '../rollout/gates.ts';
import { NoAnswer } from './fault.ts';
import { type Link, readLink, signLink } from './link.ts';
import { resolveKey } from './secret.ts';
import type { Environment } from './world.ts';

/** Where one approval can be given, once. */
export interface Offer {
  readonly gate: string;
  readonly url: string;
}

/** Makes the links of approvals, and reads what comes back, by the settings and the secret of the moment. */
export class ApprovalLinks {
  readonly #settings: () => LinkSettings | undefined;
  readonly #environment: Environment;
  readonly #clock: Clock;

  constructor(settings: () => LinkSettings | undefined, environment: Environment, clock: Clock) {
    this.#settings = settings;
    this.#environment = environment;
    this.#clock = clock;
  }

  /** Whether links can be made at all. */
  get configured(): boolean {
    return this.#settings() !== undefined;
  }

  /**
   * A link for each approval that a rollout waits for and that wants one. `notice`: the id of what they are told
   * with, and `since`, when that was, ms since 1970; so whoever is told twice is told the same links. Throws
   * NoAnswer when there is no key to sign with.
   */
  offers({ id: rollout, plan, phase }: Rollout, notice: string, since: number): readonly Offer[] {
    const settings = this.#settings();
    if (settings === undefined || phase.at !== 'waiting') return [];
    const wanted = gatesOf(plan, phase).filter(
      (gate) => gate.kind === 'approval' && gate.link === true && !phase.passed.includes(gate.name),
    );
    if (wanted.length === 0) return [];
    const secret = resolveKey(settings.secret, this.#environment);
    const expires = since + settings.for * 1000;
    return wanted.map(({ name: gate }) => {
      const text = signLink(secret, { id: `${notice}.${gate}`, rollout, gate, expires });
      return { gate, url: `${settings.url.replace(/\/+$/, '')}/approve?link=${text}` };
    });
  }

  /** What a text approves now, or a sentence that says why it approves nothing. */
  read(text: string): Link | string {
    const settings = this.#settings();
    if (settings === undefined) return 'approvals by link are not configured here; approve with a token';
    try {
      return readLink(resolveKey(settings.secret, this.#environment), text, this.#clock.now());
    } catch (error) {
      if (error instanceof NoAnswer) return `no link can be read: ${error.message}`;
      throw error;
    }
  }
}
