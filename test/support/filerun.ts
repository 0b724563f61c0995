import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';

/** What came of a file. */
export interface Outcome {
  readonly file: string;
  readonly passed: boolean;
  /** How many tests there were, passed, failed, and so on, by the reporter's words. */
  readonly counts: ReadonlyMap<string, number>;
  /** What is wrong, if it has not passed, to be told once more at the end. */
  readonly complaint: string;
}

/** How a file is run. */
export interface Terms {
  /** ms, after which it is ended and has failed. */
  readonly limit: number;
  /** ms in which processes that were ended with it are gone. */
  readonly grace?: number;
  /** Takes each line that it says. */
  readonly say?: (line: string) => void;
}

/** Milliseconds in which a process that was asked where it is writes that down, unless it is too busy to listen. */
const ANSWER = 5_000;

/** What stands in the environment of all processes that a file starts, with a word that no other file has. */
const MARK = 'SPILLWAY_TEST_RUN';

const COUNT = /^ℹ (tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) ([\d.]+)$/;
/** The reporter tells all failures together at the end. */
const FAILURES = '✖ failing tests:';

/** A process, by its number, and what there is to say of it. */
interface Member {
  readonly pid: number;
  readonly says: string;
}

/**
 * One test file in a process of its own, which leads a group of its own, so that whatever it started ends with it.
 * What has left the group, as successors do, is known by a mark in its environment. Passes on what the file says, but
 * for its sums.
 */
export class FileRun {
  readonly outcome: Promise<Outcome>;
  readonly #file: string;
  readonly #say: (line: string) => void;
  readonly #child: ChildProcess;
  readonly #reports = mkdtempSync(join(tmpdir(), 'spillway-run-'));
  readonly #counts = new Map<string, number>();
  /** What it told of its failures. */
  readonly #failures: string[] = [];
  /** What is wrong besides. */
  readonly #faults: string[] = [];

  constructor(file: string, { limit, grace = 15_000, say = console.log }: Terms) {
    this.#file = file;
    this.#say = say;
    const args = ['--report-on-signal', `--report-directory=${this.#reports}`, '--test-reporter=spec', file];
    // By itself, even where whoever runs it is a test; and in words that are understood here.
    const { NODE_TEST_CONTEXT: _, FORCE_COLOR: __, ...rest } = process.env;
    const env = { ...rest, [MARK]: this.#reports };
    this.#child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true, env });
    createInterface({ input: this.#child.stdout! }).on('line', (line) => this.#hear(line));
    createInterface({ input: this.#child.stderr! }).on('line', (line) => say(line));
    this.outcome = this.#run(limit, grace);
  }

  /** Ends the file, which has failed by that, and tells where it was. */
  async giveUp(why: string): Promise<void> {
    this.#complain(`${this.#file} ${why}. Its processes:`);
    this.#complain(listed(this.#members()));
    this.#child.kill('SIGUSR2');
    for (const end = performance.now() + ANSWER; performance.now() < end; await pause(50)) {
      const whereabouts = this.#whereabouts();
      if (whereabouts === undefined) continue;
      this.#complain(whereabouts);
      break;
    }
    this.end();
  }

  /** Ends the file and whatever it has started. */
  end(): void {
    kill(-this.#child.pid!);
    for (const { pid } of this.#members()) kill(pid);
  }

  async #run(limit: number, grace: number): Promise<Outcome> {
    const heard = once(this.#child, 'close');
    const late = setTimeout(() => this.giveUp(`was not over after ${limit / 1000} s`), limit);
    const [code, signal] = (await once(this.#child, 'exit')) as [number | null, string | null];
    clearTimeout(late);
    const left = await this.#left(grace);
    if (left.length > 0) this.#complain(`left behind:\n${listed(left)}`);
    this.end();
    // Who has left the group may still hold the output.
    await Promise.race([heard, pause(grace, undefined, { ref: false })]);
    rmSync(this.#reports, { recursive: true, force: true });
    if (code !== 0) this.#complain(`${this.#file} ended with ${code ?? signal}`);
    const complaint = [...this.#failures, ...this.#faults].join('\n');
    return { file: this.#file, passed: this.#faults.length === 0, counts: this.#counts, complaint };
  }

  #hear(line: string): void {
    const [, name, count] = COUNT.exec(line) ?? [];
    if (name !== undefined) {
      this.#counts.set(name, Number(count));
      return;
    }
    this.#say(line);
    if (line === FAILURES || this.#failures.length > 0) this.#failures.push(line);
  }

  #complain(what: string): void {
    this.#say(what);
    this.#faults.push(what);
  }

  /** Where the process is and what it waits for, as it wrote down when it was asked. */
  #whereabouts(): string | undefined {
    try {
      const [name] = readdirSync(this.#reports);
      if (name === undefined) return undefined;
      const { javascriptStack, libuv } = JSON.parse(readFileSync(join(this.#reports, name), 'utf8')) as {
        javascriptStack: { stack?: string[] };
        libuv: { is_active: boolean; is_referenced: boolean }[];
      };
      const waited = libuv.filter((handle) => handle.is_active && handle.is_referenced);
      return [
        'It is at',
        ...(javascriptStack.stack ?? []),
        'It waits for',
        ...waited.map((each) => JSON.stringify(each)),
      ].join('\n');
    } catch {
      // It is still being written, or the file is over after all.
      return undefined;
    }
  }

  /** Who is still there although the file is over; those who are being ended have a moment. */
  async #left(grace: number): Promise<readonly Member[]> {
    for (const end = performance.now() + grace; ; await pause(20)) {
      const left = this.#members();
      if (left.length === 0 || performance.now() > end) return left;
    }
  }

  /** The processes of the file. Empty where there is no /proc. */
  #members(): Member[] {
    const found: Member[] = [];
    if (!existsSync('/proc/self/stat')) return found;
    for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
      const read = (what: string): string => readFileSync(`/proc/${pid}/${what}`, 'utf8');
      try {
        // After the name, which may hold anything, come state, parent and group: proc(5).
        const stat = read('stat');
        const [state, , group] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
        if (state === 'Z') continue;
        if (Number(group) !== this.#child.pid && !read('environ').includes(`${MARK}=${this.#reports}\0`))
          continue;
        found.push({ pid: Number(pid), says: `${pid} ${state} ${read('cmdline').replaceAll('\0', ' ')}` });
      } catch {
        // It is gone, or somebody else's.
      }
    }
    return found;
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // Nobody is left.
  }
}

function listed(members: readonly Member[]): string {
  return members.map(({ says }) => says).join('\n');
}
