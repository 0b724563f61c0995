import { execFileSync } from 'node:child_process';
import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os';
import { pathToFileURL } from 'node:url';

/** The repository's root: npm runs its scripts there. */
export const root = pathToFileURL(`${process.cwd()}/`);

/** With two cores or more, what is measured has one to itself and all the rest shares another. */
export const PINNED = availableParallelism() >= 2 && installed('taskset');
export const PROXY_CORE = 0;
export const LOAD_CORE = 1;

/** Binds this process, which belongs to the load, to the load core. */
export function pinSelf(): void {
  if (PINNED) output('taskset', '-a', '-c', '-p', String(LOAD_CORE), String(process.pid));
}

/** What the figures were taken on; without it they mean nothing. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memory: string;
  readonly kernel: string;
  readonly node: string;
  readonly commit: string;
  /** Whether files differed from the commit. */
  readonly changed: boolean;
  /** One, five and fifteen minutes, before the run. */
  readonly load: readonly number[];
}

export function describeMachine(): Machine {
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memory: `${Math.round(totalmem() / 2 ** 30)} GB`,
    kernel: release(),
    node: process.version,
    commit: output('git', 'rev-parse', '--short', 'HEAD') ?? 'none',
    changed: output('git', 'status', '--porcelain', '--', 'src', 'bench', 'package-lock.json') !== '',
    load: loadavg(),
  };
}

/** Whether there is such a command. */
export function installed(command: string): boolean {
  return output('which', command) !== undefined;
}

/** What a tool prints when asked, on either stream; undefined when that fails or it is not installed. */
export function output(command: string, ...args: string[]): string | undefined {
  try {
    return execFileSync('sh', ['-c', 'exec "$0" "$@" 2>&1', command, ...args], { encoding: 'utf8' }).trim();
  } catch {
    return undefined;
  }
}
