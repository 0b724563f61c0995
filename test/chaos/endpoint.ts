import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { once } from '../support/patience.ts';

/** How an origin is to answer: broken off in the middle, or late by so many ms. */
export interface Mood {
  readonly cuts: boolean;
  readonly delay: number;
}

/** What an origin tells: where it listens, and every POST that has reached it. */
export type Word = { readonly port: number } | { readonly posted: string };

const ORIGIN = fileURLToPath(new URL('./origin.js', import.meta.url));

/** One endpoint as a process that can be hurt in every way. It keeps its port when it comes back. */
export class Endpoint {
  readonly name: string;
  readonly version: string;
  /** How often every POST has been delivered, over all endpoints. */
  readonly #deliveries: Map<string, number>;
  #port = 0;
  #child: ChildProcess | undefined;

  constructor(version: string, name: string, deliveries: Map<string, number>) {
    this.version = version;
    this.name = name;
    this.#deliveries = deliveries;
  }

  get address(): string {
    return `127.0.0.1:${this.#port}`;
  }

  async start(): Promise<void> {
    const child = fork(ORIGIN, [this.name, String(this.#port)], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.#child = child;
    const listening = new Promise<number>((resolve, reject) => {
      child.once('exit', () => reject(new Error(`${this.name} does not start`)));
      child.on('message', (word: Word) => {
        if ('port' in word) return resolve(word.port);
        this.#deliveries.set(word.posted, (this.#deliveries.get(word.posted) ?? 0) + 1);
      });
    });
    this.#port = await listening;
  }

  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  }

  freeze(): void {
    this.#child?.kill('SIGSTOP');
  }

  thaw(): void {
    this.#child?.kill('SIGCONT');
  }

  feel(mood: Mood): void {
    this.#child?.send(mood);
  }
}
