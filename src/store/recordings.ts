import { mkdir, open, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import type { Log } from '../base/log.ts';
import { reasonOf } from '../base/reason.ts';
import { Turns } from '../base/turns.ts';
import { isErrno } from './errno.ts';

const pack = promisify(gzip);
const unpack = promisify(gunzip);

/** Compressed bytes of one recording at most, in a directory and in memory. A busy second takes about 300. */
const MOST_ON_DISK = 32 * 2 ** 20;
const MOST_IN_MEMORY = 4 * 2 ** 20;
/** Lines that wait to be written together: compressed one by one they would be three times as long. */
const TOGETHER = 60;
/** Lines that may wait while nothing can be written; then the recording ends. */
const PATIENCE = 3600;

/** The last line of a recording that could not go on. */
const BROKEN_OFF = { type: 'brokenOff' } as const;

/** Where blocks of bytes are put, one behind the other. */
interface Medium {
  readonly most: number;
  append(id: string, block: Buffer): Promise<void>;
  /** The whole blocks, oldest first. What a crash left of one is not there. */
  blocks(id: string): AsyncIterable<Buffer>;
  size(id: string): Promise<number>;
  ids(): Promise<readonly string[]>;
  remove(id: string): Promise<void>;
}

interface Open {
  pending: string[];
  over: boolean;
}

/**
 * What the judge of each rollout was fed, line by line, so that it can be replayed. Written in blocks beside the
 * loop that judges; a crash loses the last block, and whoever goes on begins an epoch anew anyway. Each is kept
 * up to a size, and then says that it is broken off.
 */
export class Recordings {
  readonly #medium: Medium;
  readonly #log: Log;
  readonly #open = new Map<string, Open>();
  readonly #turns = new Turns();

  constructor(medium: Medium, log: Log) {
    this.#medium = medium;
    this.#log = log;
  }

  /** Takes down a line. It is written by and by. */
  add(id: string, line: object): void {
    const open = this.#open.get(id) ?? { pending: [], over: false };
    this.#open.set(id, open);
    if (open.over) return;
    open.pending.push(`${JSON.stringify(line)}\n`);
    if (open.pending.length % TOGETHER === 0) void this.flush(id);
  }

  /** Writes what waits. Never rejects: what cannot be written waits on, and is given up in the end. */
  async flush(id: string): Promise<void> {
    return this.#turns.take(() => this.#write(id));
  }

  /** The lines of a rollout, in pieces that end anywhere; nothing if there are none. */
  async *read(id: string): AsyncGenerator<string> {
    await this.flush(id);
    for await (const block of this.#medium.blocks(id)) yield (await unpack(block)).toString('utf8');
    yield (this.#open.get(id)?.pending ?? []).join('');
  }

  /** Forgets all but these. */
  async retain(ids: ReadonlySet<string>): Promise<void> {
    for (const id of this.#open.keys()) if (!ids.has(id)) this.#open.delete(id);
    await this.#turns.take(async () => {
      try {
        for (const id of await this.#medium.ids()) if (!ids.has(id)) await this.#medium.remove(id);
      } catch (err) {
        this.#log.warn({ err }, 'recordings of old rollouts cannot be removed');
      }
    });
  }

  /** Writes everything that waits. */
  async close(): Promise<void> {
    for (const id of this.#open.keys()) await this.flush(id);
  }

  async #write(id: string): Promise<void> {
    const open = this.#open.get(id);
    if (open === undefined || open.pending.length === 0) return;
    // More may come while these are being written.
    const lines = [...open.pending];
    try {
      const block = await pack(Buffer.from(lines.join('')));
      const room = this.#medium.most - (await this.#medium.size(id));
      open.over = block.length > room;
      await this.#medium.append(id, open.over ? await pack(`${JSON.stringify(BROKEN_OFF)}\n`) : block);
      open.pending = open.over ? [] : open.pending.slice(lines.length);
      if (open.over) this.#log.warn({ rollout: id }, 'the recording of a rollout is full, and ends here');
    } catch (err) {
      if (lines.length < PATIENCE) return;
      open.over = true;
      open.pending = [];
      this.#log.warn({ rollout: id, says: reasonOf(err) }, 'the recording of a rollout cannot be written');
    }
  }
}

export function memoryRecordings(log: Log): Recordings {
  const kept = new Map<string, Buffer[]>();
  return new Recordings(
    {
      most: MOST_IN_MEMORY,
      async append(id, block) {
        kept.set(id, [...(kept.get(id) ?? []), block]);
      },
      async *blocks(id) {
        yield* kept.get(id) ?? [];
      },
      size: async (id) => (kept.get(id) ?? []).reduce((sum, { length }) => sum + length, 0),
      ids: async () => [...kept.keys()],
      async remove(id) {
        kept.delete(id);
      },
    },
    log,
  );
}

/** In a directory that this process owns: a file for each rollout. */
export function fileRecordings(directory: string, log: Log): Recordings {
  return new Recordings(new Folder(directory), log);
}

const SUFFIX = '.recording';
/** Before each block stands its length. */
const PREFIX = 4;

class Folder implements Medium {
  readonly most = MOST_ON_DISK;
  readonly #directory: string;
  /** How many bytes of each file are whole blocks, where that is known. */
  readonly #whole = new Map<string, number>();

  constructor(directory: string) {
    this.#directory = directory;
  }

  async append(id: string, block: Buffer): Promise<void> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    const whole = await this.size(id);
    const prefix = Buffer.alloc(PREFIX);
    prefix.writeUInt32BE(block.length);
    const file = await open(this.#path(id), 'a+', 0o600);
    try {
      // What a crash or a full disk left of a block must not stand before the next.
      await file.truncate(whole);
      await file.appendFile(Buffer.concat([prefix, block]));
      await file.datasync();
    } finally {
      await file.close();
    }
    this.#whole.set(id, whole + PREFIX + block.length);
  }

  async *blocks(id: string): AsyncGenerator<Buffer> {
    const file = await open(this.#path(id), 'r').catch((error: unknown) => {
      if (isErrno(error, 'ENOENT')) return undefined;
      throw error;
    });
    if (file === undefined) return;
    try {
      const { size } = await file.stat();
      const prefix = Buffer.alloc(PREFIX);
      for (let at = 0; at + PREFIX <= size; ) {
        await file.read(prefix, 0, PREFIX, at);
        const length = prefix.readUInt32BE();
        if (at + PREFIX + length > size) return;
        const block = Buffer.alloc(length);
        await file.read(block, 0, length, at + PREFIX);
        at += PREFIX + length;
        yield block;
      }
    } finally {
      await file.close();
    }
  }

  async size(id: string): Promise<number> {
    const known = this.#whole.get(id);
    if (known !== undefined) return known;
    let whole = 0;
    for await (const { length } of this.blocks(id)) whole += PREFIX + length;
    this.#whole.set(id, whole);
    return whole;
  }

  async ids(): Promise<readonly string[]> {
    const names = await readdir(this.#directory).catch((error: unknown) => {
      if (isErrno(error, 'ENOENT')) return [];
      throw error;
    });
    return names
      .filter((name) => name.endsWith(SUFFIX))
      .map((name) => decodeURIComponent(name.slice(0, -SUFFIX.length)));
  }

  async remove(id: string): Promise<void> {
    this.#whole.delete(id);
    await rm(this.#path(id), { force: true });
  }

  #path(id: string): string {
    return join(this.#directory, `${encodeURIComponent(id)}${SUFFIX}`);
  }
}
