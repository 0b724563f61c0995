import { Listeners } from '../base/listeners.ts';
import { type Log, silent } from '../base/log.ts';
import { EMPTY } from '../model/empty.ts';
import type { AuditEntry } from '../model/record.ts';
import type { State } from '../model/state.ts';
import type { AuditQuery, Store } from './store.ts';

/** All that a memory store holds. Entries are newest first, as `audit` gives them. */
export interface Memory {
  readonly state: State;
  readonly entries: readonly AuditEntry[];
}

/** A store that is forgotten with the process, unless somebody goes on with its memory. */
export function memoryStore(log: Log = silent, memory?: Memory): Store {
  return new MemoryStore(log, memory);
}

class MemoryStore implements Store {
  #state: State;
  /** Oldest first. */
  readonly #entries: AuditEntry[];
  readonly #listeners: Listeners<State>;

  constructor(log: Log, { state, entries }: Memory = { state: EMPTY, entries: [] }) {
    this.#state = state;
    this.#entries = [...entries].reverse();
    this.#listeners = new Listeners(log);
  }

  async read(): Promise<State> {
    return this.#state;
  }

  async replace(
    revision: number,
    next: Omit<State, 'revision'>,
    entry: Omit<AuditEntry, 'revision'>,
  ): Promise<State | undefined> {
    if (revision !== this.#state.revision) return undefined;
    const state = { ...next, revision: revision + 1 };
    this.#state = state;
    this.#entries.push({ ...entry, revision: state.revision });
    this.#listeners.tell(state);
    return state;
  }

  watch(listener: (state: State) => void): () => void {
    return this.#listeners.add(listener);
  }

  async audit({ service, limit, before = Number.POSITIVE_INFINITY }: AuditQuery): Promise<AuditEntry[]> {
    return this.#entries
      .filter((entry) => entry.revision < before && (service === undefined || entry.service === service))
      .reverse()
      .slice(0, limit);
  }

  async close(): Promise<void> {}
}
