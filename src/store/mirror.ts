import { mkdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Log } from '../base/log.ts';
import { readState } from '../model/check.ts';
import type { AuditEntry } from '../model/record.ts';
import type { State } from '../model/state.ts';
import { isErrno } from './errno.ts';
import { writeWhole } from './whole.ts';

const FORMAT = 1;

/** A truth as Redis knows it. The stamp tells it from any other of the same revision. */
export interface Stamped {
  readonly state: State;
  readonly stamp: string;
  readonly entry: AuditEntry | undefined;
}

/**
 * The newest truth seen, on the disk of this machine: what a replica starts with while Redis is away, and what
 * Redis is given back if it has lost it.
 */
export class Mirror {
  readonly #path: string;
  readonly #log: Log;
  #waiting: Stamped | undefined;
  #writing: Promise<void> | undefined;

  private constructor(path: string, log: Log) {
    this.#path = path;
    this.#log = log;
  }

  /** Throws an Error that names the file and the cure when it cannot be used. */
  static async open(directory: string, fleet: string, log: Log): Promise<[Mirror, Stamped | undefined]> {
    const path = join(directory, `${fleet}.mirror.json`);
    try {
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      const text = await readFile(path, 'utf8');
      return [new Mirror(path, log), parse(text, path)];
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return [new Mirror(path, log), undefined];
      if (!isErrno(error)) throw error;
      throw new Error(
        `${path} cannot be used: ${error.message}; make ${directory} a directory this process may write to, or name another under fleet.mirror`,
        { cause: error },
      );
    }
  }

  /** Of several written while one is on its way to the disk, the last stays. */
  write(known: Stamped): void {
    this.#waiting = known;
    this.#writing ??= this.#work().finally(() => {
      this.#writing = undefined;
    });
  }

  async close(): Promise<void> {
    await this.#writing;
  }

  async #work(): Promise<void> {
    for (let next = this.#waiting; next !== undefined; next = this.#waiting) {
      this.#waiting = undefined;
      await writeWhole(this.#path, JSON.stringify({ format: FORMAT, ...next })).catch((err: unknown) =>
        this.#log.error({ err }, `${this.#path} cannot be written; a start without Redis would find it old`),
      );
    }
  }
}

function parse(text: string, path: string): Stamped {
  const document = JSON.parse(text) as {
    format?: unknown;
    state?: unknown;
    stamp?: string;
    entry?: AuditEntry;
  };
  const state = readState(document.state);
  const fault = document.format === FORMAT ? state : `its format is not ${FORMAT}`;
  if (typeof state === 'string' || typeof fault === 'string')
    throw new Error(`${path} is damaged: ${fault}; remove it to start from Redis alone`);
  return { state, stamp: String(document.stamp), entry: document.entry };
}
