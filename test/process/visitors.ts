import { Agent, request } from 'node:http';
import type { TestContext } from 'node:test';
import { atEnd } from '../support/end.ts';
import { eventually, patiently } from '../support/patience.ts';

/** Clients that ask one request after the other, some on connections kept alive, some on a new one for each. */
export class Visitors {
  /** Whole answers with status 200. */
  answered = 0;
  /** What else came of requests. */
  readonly failures: string[] = [];
  readonly #url: string;
  readonly #clients: Promise<void>[] = [];
  #over = false;

  constructor(t: TestContext, url: string, { kept = 8, fresh = 4 } = {}) {
    this.#url = url;
    for (let i = 0; i < kept + fresh; i++) this.#clients.push(this.#run(i < kept, i));
    atEnd(t, () => this.stop());
  }

  /** Resolves when so many more requests have been answered. */
  async more(count: number): Promise<void> {
    const wanted = this.answered + count;
    await eventually(`${count} answers`, () => this.answered >= wanted || this.failures.length >= 100);
  }

  /** Resolves when the last request is over. */
  async stop(): Promise<void> {
    this.#over = true;
    await Promise.all(this.#clients);
  }

  async #run(kept: boolean, number: number): Promise<void> {
    const agent = new Agent({ keepAlive: kept, maxSockets: 1 });
    for (let i = 0; !this.#over; i++) {
      const outcome = await this.#ask(agent, (number + i) % 3 === 0 ? 'POST' : 'GET');
      if (outcome === undefined) this.answered++;
      else this.failures.push(`${kept ? 'kept' : 'fresh'} ${outcome}`);
      // Not so much that a process would hardly start beside it.
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    agent.destroy();
  }

  /** Resolves with what went wrong. */
  #ask(agent: Agent, method: string): Promise<string | undefined> {
    return patiently(`an answer to a ${method}`, (resolve) => {
      const asked = request(this.#url, { agent, method }, (response) => {
        response.resume();
        response.on('error', (fault) => resolve(`${method}: ${fault.message}`));
        response.on('end', () =>
          resolve(response.statusCode === 200 ? undefined : `${method}: ${response.statusCode}`),
        );
      });
      asked.on('error', (fault) => resolve(`${method}: ${fault.message}`));
      asked.end(method === 'POST' ? 'x'.repeat(2000) : undefined);
    });
  }
}
