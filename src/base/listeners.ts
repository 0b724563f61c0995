import type { Log } from './log.ts';

/** Those who want to hear of something. One who fails to listen keeps the news from nobody else. */
export class Listeners<T> {
  readonly #listeners = new Set<(news: T) => void>();
  readonly #log: Log;

  constructor(log: Log) {
    this.#log = log;
  }

  /** Returns the function that stops it. */
  add(listener: (news: T) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  tell(news: T): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(news);
      } catch (err) {
        this.#log.error({ err }, 'a listener failed');
      }
    }
  }
}
