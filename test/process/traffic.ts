import { Agent, get } from 'node:http';
import type { TestContext } from 'node:test';
import { atEnd } from '../support/end.ts';
import { eventually } from '../support/patience.ts';

/** How many of a version's requests went how. */
export interface Tally {
  requests: number;
  errors: number;
}

/** Steady traffic of so many users who come again and again, in no order, until the test is over. */
export class Traffic {
  readonly versions = new Map<string, Tally>();
  readonly #users = new Map<string, Set<string>>();
  /** When a version was last seen to answer, and when it was first seen to fail, monotonic ms. */
  readonly lastOf = new Map<string, number>();
  readonly firstErrorOf = new Map<string, number>();
  /** Answers that another version gave in the place of the one chosen. */
  rescued = 0;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 16 });
  readonly #timer: NodeJS.Timeout;

  /** `rate`: requests a second. */
  constructor(t: TestContext, url: string, rate: number, users: number) {
    const began = performance.now();
    let [sent, chance] = [0, 1];
    this.#timer = setInterval(() => {
      for (const due = ((performance.now() - began) / 1000) * rate; sent < due; sent++) {
        chance = Math.imul(chance, 1_664_525) + 1_013_904_223;
        this.#ask(url, Math.floor(((chance >>> 0) / 2 ** 32) * users));
      }
    }, 10);
    atEnd(t, () => {
      clearInterval(this.#timer);
      this.#agent.destroy();
    });
  }

  /** Requests that were answered. */
  get total(): number {
    return [...this.versions.values()].reduce((sum, { requests }) => sum + requests, 0);
  }

  /** The users that a version has answered, in the order in which they came to it. */
  usersOf(version: string): readonly string[] {
    return [...(this.#users.get(version) ?? [])];
  }

  /** Resolves when so many requests have been answered. */
  answered(count: number): Promise<void> {
    return eventually(`${count} answers`, () => this.total >= count);
  }

  #ask(url: string, user: number): void {
    const request = get(url, { agent: this.#agent, headers: { 'x-user': `user-${user}` } }, (response) => {
      const version = String(response.headers['x-spillway-version']);
      if (response.headers['x-spillway-rescued'] !== undefined) this.rescued++;
      const failed = response.statusCode! >= 500;
      const tally = this.versions.get(version) ?? { requests: 0, errors: 0 };
      tally.requests++;
      if (failed) tally.errors++;
      this.versions.set(version, tally);
      this.#users.set(version, (this.#users.get(version) ?? new Set()).add(`user-${user}`));
      this.lastOf.set(version, performance.now());
      if (failed && !this.firstErrorOf.has(version)) this.firstErrorOf.set(version, performance.now());
      response.resume();
    });
    // At the end of the test connections are cut.
    request.on('error', () => {});
  }
}
