import { spawnSync } from 'node:child_process';
import type { TestContext } from 'node:test';
import { atEnd } from './end.ts';
import { need } from './need.ts';

/** How many lines lead to it. */
const LINES = 3;

/**
 * A network namespace, so a machine of its own as far as the network goes, with lines that can lose whatever is sent
 * back over them: nobody is told, no connection is reset. It is gone after the test.
 */
export class Apart {
  readonly #name = `spillway-${process.pid}`;

  /** Undefined, and the test is skipped, where this cannot be had. */
  static open(t: TestContext): Apart | undefined {
    if (!need(t, 'ip')) return undefined;
    const apart = new Apart();
    atEnd(t, () => void spawnSync('ip', ['netns', 'del', apart.#name]));
    try {
      apart.#build();
      return apart;
    } catch (error) {
      t.skip(`no network namespace can be had here: ${(error as Error).message}`);
      return undefined;
    }
  }

  /** What a command has to begin with to run there. */
  get command(): readonly string[] {
    return ['ip', 'netns', 'exec', this.#name];
  }

  /** Where it is found over a line. */
  address(line: number): string {
    return this.#at(line, 2);
  }

  /** Whatever is sent back over a line vanishes from now on, or does so no more. */
  lose(line: number, lost: boolean): void {
    ip('-n', this.#name, 'route', lost ? 'add' : 'del', 'blackhole', `${this.#at(line, 1)}/32`);
  }

  #build(): void {
    const [near, far] = [`sw${process.pid}n`, `sw${process.pid}f`];
    ip('netns', 'add', this.#name);
    ip('link', 'add', near, 'type', 'veth', 'peer', 'name', far, 'netns', this.#name);
    for (let line = 0; line < LINES; line++) {
      ip('addr', 'add', `${this.#at(line, 1)}/30`, 'dev', near);
      ip('-n', this.#name, 'addr', 'add', `${this.#at(line, 2)}/30`, 'dev', far);
    }
    ip('link', 'set', near, 'up');
    ip('-n', this.#name, 'link', 'set', far, 'up');
  }

  /** Each line is a network of its own, of those that are set apart for trials (RFC 2544). */
  #at(line: number, end: number): string {
    return `198.18.${process.pid % 256}.${4 * line + end}`;
  }
}

function ip(...args: string[]): void {
  const { status, stderr } = spawnSync('ip', args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`ip ${args.join(' ')}: ${stderr.trim()}`);
}
