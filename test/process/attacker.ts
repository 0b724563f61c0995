import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { atLast, eventually } from '../support/patience.ts';
import { reachable } from '../support/peer.ts';

/** How often attackers say something more, and memory is looked at, ms. */
const BEAT = 50;
/** Connections that others may have open, or not, at any moment. */
const SPARE = 6;

/** A connection that means no good: what it hears is text, as far as it listens. */
export class Attacker {
  readonly socket: Socket;
  heard = '';
  /** The other side has ended it, politely or not. */
  over = false;

  constructor(to: string, opening: string | Buffer, listens: boolean) {
    this.socket = connect({ ...reachable(to), allowHalfOpen: true });
    if (listens)
      this.socket.on('data', (data: Buffer) => {
        if (this.heard.length < 4096) this.heard += data.toString('latin1', 0, 4096);
      });
    for (const event of ['end', 'error', 'close'])
      this.socket.on(event, () => {
        this.over = true;
      });
    this.say(opening);
  }

  say(bytes: string | Buffer): void {
    if (!this.over && this.socket.writable) this.socket.write(bytes, 'latin1');
  }
}

/** Many of them. */
export class Crowd {
  readonly all: readonly Attacker[];

  /** Of those that do not listen it is only known that they are over when they say something more. */
  constructor(to: string, count: number, opening: string | Buffer, listens = true) {
    this.all = Array.from({ length: count }, () => new Attacker(to, opening, listens));
  }

  /** Waits until none is left. Those that are there go on saying this, and hardly listen if they do not. */
  async over(drip = ''): Promise<void> {
    const beat = setInterval(() => {
      for (const attacker of this.all) attacker.say(drip);
      for (const { socket } of this.all) if (!socket.readableFlowing) socket.read(1);
    }, BEAT);
    try {
      await eventually('the attackers to be ended', () => this.all.every(({ over }) => over));
    } finally {
      clearInterval(beat);
      this.leave();
    }
  }

  /** Says nothing more, and goes on listening. */
  end(): void {
    for (const { socket } of this.all) socket.end();
  }

  /** How many have heard this. */
  told(what: RegExp): number {
    return this.all.filter(({ heard }) => what.test(heard)).length;
  }

  /** What those have heard that have not heard this. */
  untold(what: RegExp): string[] {
    return this.all.map(({ heard }) => heard).filter((heard) => !what.test(heard));
  }

  leave(): void {
    for (const { socket } of this.all) socket.destroy();
  }
}

/** What an attack costs the process that is attacked. */
export class Toll {
  readonly #pid: number;
  readonly #before: { readonly descriptors: number; readonly bytes: number };
  readonly #beat: NodeJS.Timeout;
  #most = 0;

  private constructor(pid: number, before: { descriptors: number; bytes: number }) {
    this.#pid = pid;
    this.#before = before;
    this.#beat = setInterval(() => void this.#look(), BEAT);
  }

  /** Of a process, from now on. */
  static async of(pid: number): Promise<Toll> {
    return new Toll(pid, { descriptors: await descriptorsOf(pid), bytes: await residentBytes(pid) });
  }

  async #look(): Promise<void> {
    this.#most = Math.max(this.#most, await residentBytes(this.#pid));
  }

  /** Waits until there are hardly more descriptors than before. Resolves with how much memory grew at most, MB. */
  async paid(): Promise<number> {
    clearInterval(this.#beat);
    await this.#look();
    const { descriptors, bytes } = this.#before;
    await atLast(async () => assert.ok((await descriptorsOf(this.#pid)) <= descriptors + SPARE));
    return Math.round((this.#most - bytes) / 2 ** 20);
  }
}

async function descriptorsOf(pid: number): Promise<number> {
  return (await readdir(`/proc/${pid}/fd`)).length;
}

async function residentBytes(pid: number): Promise<number> {
  return 4096 * Number((await readFile(`/proc/${pid}/statm`, 'latin1')).split(' ')[1]);
}
