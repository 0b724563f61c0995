import { type FileHandle, mkdir, open, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Listeners } from '../base/listeners.ts';
import type { Log } from '../base/log.ts';
import { Turns } from '../base/turns.ts';
import { readState } from '../model/check.ts';
import { EMPTY } from '../model/empty.ts';
import type { AuditEntry } from '../model/record.ts';
import type { State } from '../model/state.ts';
import { isErrno } from './errno.ts';
import { Journal } from './journal.ts';
import { type Lock, takeLock } from './lock.ts';
import { type AuditQuery, type Store, StoreUnavailable } from './store.ts';
import { writeWhole } from './whole.ts';

/** The layout of `state.json`. */
const FORMAT = 1;

/**
 * What `state.json` holds: a state and the audit entry of the change that made it. One rename makes both true
 * at once; the entry is then copied to the audit log, and again on opening if a crash came between.
 */
interface Snapshot {
  readonly state: State;
  /** Undefined only before the first change. */
  readonly entry: AuditEntry | undefined;
}

/**
 * A store in a directory of its own: `state.json`, `audit.jsonl` and `lock`. A change is written beside,
 * synced, renamed, and the directory synced. The rename is the instant at which a change becomes true: an error
 * before it means that nothing has happened, an error after it costs at most durability, and is logged.
 *
 * Throws an Error that names the file or process and the cure when the directory is in use or damaged.
 */
export async function fileStore(directory: string, log: Log): Promise<Store> {
  const lock = await claim(directory);
  const opened: Array<{ close(): Promise<void> }> = [];
  try {
    // Both are held open from here on, so that a lack of file descriptors cannot strike after the rename.
    const folder = await open(directory, 'r');
    opened.push(folder);
    const journal = await Journal.open(join(directory, 'audit.jsonl'));
    opened.push(journal);
    const path = join(directory, 'state.json');
    const snapshot = await readSnapshot(path, journal, log);
    if (snapshot.entry !== undefined && snapshot.entry.revision > journal.last)
      await journal.append(snapshot.entry);
    return new FileStore({ path, snapshot, journal, folder, lock, log });
  } catch (error) {
    for (const each of opened) await each.close();
    await lock.release();
    throw error;
  }
}

async function claim(directory: string): Promise<Lock> {
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    return await takeLock(directory);
  } catch (cause) {
    if (!isErrno(cause)) throw cause;
    throw new Error(
      `${directory} cannot be used: ${cause.message}; make it a directory this process may write to, or name another one`,
      { cause },
    );
  }
}

interface Parts {
  readonly path: string;
  readonly snapshot: Snapshot;
  readonly journal: Journal;
  readonly folder: FileHandle;
  readonly lock: Lock;
  readonly log: Log;
}

class FileStore implements Store {
  readonly #path: string;
  readonly #journal: Journal;
  readonly #folder: FileHandle;
  readonly #lock: Lock;
  readonly #log: Log;
  readonly #listeners: Listeners<State>;
  readonly #turns = new Turns();
  #snapshot: Snapshot;

  constructor({ path, snapshot, journal, folder, lock, log }: Parts) {
    this.#path = path;
    this.#snapshot = snapshot;
    this.#journal = journal;
    this.#folder = folder;
    this.#lock = lock;
    this.#log = log;
    this.#listeners = new Listeners(log);
  }

  async read(): Promise<State> {
    return this.#snapshot.state;
  }

  replace(
    revision: number,
    next: Omit<State, 'revision'>,
    entry: Omit<AuditEntry, 'revision'>,
  ): Promise<State | undefined> {
    return this.#turns.take(async () => {
      if (revision !== this.#snapshot.state.revision) return undefined;
      const state = { ...next, revision: revision + 1 };
      const snapshot = { state, entry: { ...entry, revision: state.revision } };
      try {
        // The snapshot about to be replaced may be the only place that holds the entry before.
        await this.#journalEntry();
        await writeWhole(this.#path, JSON.stringify({ format: FORMAT, ...snapshot }));
      } catch (cause) {
        throw new StoreUnavailable(`${this.#path} cannot be written: ${messageOf(cause)}`, { cause });
      }
      this.#snapshot = snapshot;
      await this.#tidyUp();
      this.#listeners.tell(state);
      return state;
    });
  }

  /** What follows a change that is already true. */
  async #tidyUp(): Promise<void> {
    try {
      await this.#folder.sync();
    } catch (err) {
      this.#log.error({ err }, `${this.#path} is written, but might not outlive a loss of power`);
    }
    try {
      await this.#journalEntry();
    } catch (err) {
      this.#log.error({ err }, `${this.#journal.path} cannot be written; no change is taken until it can be`);
    }
  }

  async #journalEntry(): Promise<void> {
    const { entry } = this.#snapshot;
    if (entry !== undefined && entry.revision > this.#journal.last) await this.#journal.append(entry);
  }

  watch(listener: (state: State) => void): () => void {
    return this.#listeners.add(listener);
  }

  async audit({ service, limit, before = Number.POSITIVE_INFINITY }: AuditQuery): Promise<AuditEntry[]> {
    const found: AuditEntry[] = [];
    try {
      for await (const entry of this.#newest()) {
        if (found.length >= limit) break;
        if (entry.revision < before && (service === undefined || entry.service === service))
          found.push(entry);
      }
    } catch (cause) {
      throw new StoreUnavailable(`the audit log cannot be read: ${messageOf(cause)}`, { cause });
    }
    return found;
  }

  async *#newest(): AsyncGenerator<AuditEntry> {
    const { entry } = this.#snapshot;
    const journalled = this.#journal.newest();
    if (entry !== undefined && entry.revision > this.#journal.last) yield entry;
    yield* journalled;
  }

  async close(): Promise<void> {
    await this.#turns.take(async () => {
      await this.#journal.close();
      await this.#folder.close();
      await this.#lock.release();
    });
  }
}

/** Never starts empty where there has been something before: that would take all services off the air. */
async function readSnapshot(path: string, journal: Journal, log: Log): Promise<Snapshot> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error;
    if (journal.last === 0) return { state: EMPTY, entry: undefined };
    throw new Error(
      `${path} is missing, although ${journal.path} tells of revision ${journal.last}; restore it from a backup, or move ${dirname(path)} away to start from the config file`,
    );
  }
  const snapshot = parseSnapshot(text);
  if (typeof snapshot === 'string')
    throw new Error(
      `${path} is damaged: ${snapshot}; restore it from a backup, or move ${dirname(path)} away to start from the config file`,
    );
  if (snapshot.state.revision >= journal.last) return snapshot;
  // A backup was put back. Its revisions have been given out before, and nobody may take one for another.
  log.warn({ revision: snapshot.state.revision, audit: journal.last }, `${path} is older than the audit log`);
  return { ...snapshot, state: { ...snapshot.state, revision: journal.last } };
}

function parseSnapshot(text: string): Snapshot | string {
  let document: { format?: unknown; entry?: AuditEntry; state?: unknown } | null;
  try {
    document = JSON.parse(text);
  } catch (error) {
    return messageOf(error);
  }
  if (document?.format !== FORMAT) return `its format is not ${FORMAT}`;
  const state = readState(document.state);
  if (typeof state === 'string') return state;
  if (document.entry?.revision !== state.revision)
    return `it lacks the audit entry of revision ${state.revision}`;
  return { state, entry: document.entry };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
