import { type ChildProcess, spawn } from 'node:child_process';
import type { Socket } from 'node:net';
import type { Memory } from '../store/memory.ts';
import { type Bound, FIRST_PASSED, overPassed, passingOn } from './sockets.ts';

/**
 * How one Spillway takes the place of another without a connection refused. The old one starts the new one, which is
 * given the listening sockets as systemd would give them. The new one gets everything ready that needs no store, and
 * says so. Then the old one lets go of the helm, and the new one takes it, and serves; only when it says that is the
 * old one bound to leave. Whatever fails before leaves the old one in office.
 *
 * Meanwhile workers of the old one serve by the last truth, which nobody can change, and whoever comes to the admin
 * API waits at the door.
 */

/** From the old one. */
type Word =
  /** The store is free. A store that is nothing but memory comes along. */
  | { readonly type: 'ceded'; readonly memory: Memory | undefined }
  /** Somebody waited at the door; the connection comes along. */
  | { readonly type: 'visitor' }
  /** There is nothing more to say. */
  | { readonly type: 'farewell' };
/** From the new one. */
type Reply = 'ready' | 'serving';

/** Milliseconds that a successor may take until it is ready, and from then until it serves. */
const PATIENCE: Readonly<Record<Reply, number>> = { ready: 60_000, serving: 30_000 };

/** The old one's side. */
export class Successor {
  readonly #child: ChildProcess;
  readonly #replies = new Set<Reply>();
  #heard = (): void => {};
  #ended: Error | undefined;

  /** Starts the same command once more, with these sockets. */
  constructor(sockets: readonly Bound[]) {
    const [program, ...args] = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
    const passed = sockets.map(({ handle }) => handle.fd);
    this.#child = spawn(program, args, {
      env: { ...process.env, ...passingOn(sockets) },
      stdio: [
        'ignore',
        'inherit',
        'inherit',
        ...passed,
        'ipc',
        ...overPassed(FIRST_PASSED + passed.length + 1),
      ],
      serialization: 'advanced',
      // Else what ends the old one's group, such as Ctrl-C in its terminal, would end this one too.
      detached: true,
    });
    this.#child.on('message', (reply: Reply) => {
      this.#replies.add(reply);
      this.#heard();
    });
    this.#child.on('error', (fault) => this.#end(fault));
    this.#child.on('exit', (code, signal) =>
      this.#end(new Error(`It ended with ${signal ?? `exit code ${code}`}.`)),
    );
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Resolves when it has said so; rejects if it ends before, or takes too long. */
  async said(reply: Reply): Promise<void> {
    const late = setTimeout(
      () => this.#end(new Error(`It was not ${reply} within ${PATIENCE[reply] / 1000} seconds.`)),
      PATIENCE[reply],
    );
    try {
      while (!this.#replies.has(reply)) {
        if (this.#ended) throw this.#ended;
        await new Promise<void>((heard) => {
          this.#heard = heard;
        });
      }
    } finally {
      clearTimeout(late);
    }
  }

  cede(memory: Memory | undefined): void {
    this.#tell({ type: 'ceded', memory });
  }

  receive(visitor: Socket): void {
    this.#tell({ type: 'visitor' }, visitor);
  }

  /** Lets it be, now that it is on its own. Resolves when it has heard everything. */
  async leave(): Promise<void> {
    await new Promise<void>((sent) => {
      if (!this.#child.connected) sent();
      else this.#child.send({ type: 'farewell' } satisfies Word, () => sent());
    });
    if (this.#child.connected) this.#child.disconnect();
    this.#child.unref();
  }

  /** Ends it at once. */
  kill(): void {
    this.#child.kill('SIGKILL');
  }

  #tell(word: Word, visitor?: Socket): void {
    if (this.#child.connected) this.#child.send(word, visitor, () => {});
  }

  #end(why: Error): void {
    this.#ended ??= why;
    this.#heard();
  }
}

/** The Spillway that this process is to replace; undefined if it stands for itself. */
export function predecessorOf(env: NodeJS.ProcessEnv): Predecessor | undefined {
  return env['SPILLWAY_PREDECESSOR'] === String(process.ppid) ? new Predecessor() : undefined;
}

/** The new one's side. */
class Predecessor {
  readonly #ceded: Promise<Memory | undefined>;
  readonly #waiting: Socket[] = [];
  #lead: ((visitor: Socket) => void) | undefined;

  constructor() {
    this.#ceded = new Promise((resolve) => {
      process.on('message', (word: Word, visitor: unknown) => {
        if (word.type === 'ceded') resolve(word.memory);
        else if (word.type === 'visitor') this.#visit(visitor as Socket);
      });
      // An old one that is gone holds nothing back. If it has kept the store to itself, opening that will say so.
      process.once('disconnect', () => resolve(undefined));
    });
  }

  /** Asks for the helm. Resolves when it is free, with what was in a store that is nothing but memory. */
  ceded(): Promise<Memory | undefined> {
    process.send?.('ready' satisfies Reply);
    return this.#ceded;
  }

  /** From here on the old one will leave; those who have waited at its door are led in. */
  release(lead: (visitor: Socket) => void): void {
    this.#lead = lead;
    for (const visitor of this.#waiting.splice(0)) lead(visitor);
    process.send?.('serving' satisfies Reply);
  }

  /** Says no more, and lets this process end. */
  leave(): void {
    if (process.connected) process.disconnect();
  }

  #visit(visitor: Socket): void {
    if (this.#lead === undefined) this.#waiting.push(visitor);
    else this.#lead(visitor);
  }
}
