import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { LOAD_CORE, PINNED } from './machine.ts';
import { type Stat, tree } from './proc.ts';

const READY_MS = 30_000;
const GRACE_MS = 5_000;
/** Enough of what a process said to tell why it failed. */
const KEPT_OUTPUT = 4_096;

export interface Launch {
  readonly name: string;
  readonly command: readonly [string, ...string[]];
  readonly core: number;
  /** Loopback port that accepts connections once the process is ready. */
  readonly port: number;
  readonly env?: Readonly<Record<string, string>>;
}

/** A process that was started and is ready. */
export interface Member {
  readonly name: string;
  readonly pid: number;
  readonly port: number;
  end(): Promise<void>;
}

/** Every process started for a run, so that each can be ended by its pid, however the run ends. */
export class Crew {
  readonly #members = new Set<Member>();

  constructor() {
    // The last resort, for a signal or a failure: nothing asynchronous runs any more once the process exits.
    // Below this process there is nothing but what it started.
    process.once('exit', () => kill(tree(process.pid).slice(1)));
  }

  /** Resolves when the port accepts connections. Throws, with what the process said, if it never does. */
  async start(launch: Launch): Promise<Member> {
    const [command, ...args] = pinned(launch.core, launch.command);
    const child = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...launch.env },
    });
    const output = lastWords(child);
    await once(child, 'spawn');
    const member: Member = {
      name: launch.name,
      pid: child.pid!,
      port: launch.port,
      end: async () => {
        await end(child);
        this.#members.delete(member);
      },
    };
    this.#members.add(member);
    const deadline = performance.now() + READY_MS;
    while (!(await accepts(launch.port))) {
      if (child.exitCode !== null || child.signalCode !== null || performance.now() > deadline) {
        await member.end();
        throw new Error(`${launch.name} did not begin to listen on port ${launch.port}: ${output()}`);
      }
      await pause(50);
    }
    return member;
  }

  /** Ends every process that is still there. */
  async end(): Promise<void> {
    await Promise.all([...this.#members].map((member) => member.end()));
  }
}

/** Runs a load generator to its end on the load core. Throws, with what it said, unless it succeeds. */
export async function run(command: readonly [string, ...string[]]): Promise<string> {
  const [file, ...args] = pinned(LOAD_CORE, command);
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let printed = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    printed += text;
  });
  const output = lastWords(child);
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`${command.join(' ')} failed: ${output()}`);
  return printed;
}

/**
 * A loopback port nobody listens on. They are looked for below the kernel's ephemeral range, or one of the
 * thousands of connections of a run might take the port before the process it was meant for.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = nextPort++;
    const probe = createServer().listen(port, '127.0.0.1');
    const free = await new Promise<boolean>((resolve) => {
      probe.once('listening', () => resolve(true)).once('error', () => resolve(false));
    });
    probe.close();
    if (free) return port;
  }
}
let nextPort = 21_000;

function pinned(core: number, command: readonly [string, ...string[]]): readonly [string, ...string[]] {
  return PINNED ? ['taskset', '-c', String(core), ...command] : command;
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const answer = (yes: boolean) => {
      socket.destroy();
      resolve(yes);
    };
    socket.once('connect', () => answer(true)).once('error', () => answer(false));
  });
}

function lastWords(child: ChildProcess): () => string {
  let words = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk: Buffer) => {
      words = (words + chunk.toString('utf8')).slice(-KEPT_OUTPUT);
    });
  }
  return () => words.trim() || 'it said nothing';
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const family = tree(child.pid!);
  const gone = once(child, 'exit');
  child.kill('SIGTERM');
  const late = setTimeout(() => kill(family), GRACE_MS);
  await gone;
  clearTimeout(late);
}

function kill(processes: readonly Stat[]): void {
  for (const { pid } of processes) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It ended by itself meanwhile.
    }
  }
}
