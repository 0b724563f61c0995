import { Listeners } from '../base/listeners.ts';
import { type Log, silent } from '../base/log.ts';
import { EMPTY } from '../model/empty.ts';
import type { AuditEntry } from '../model/record.ts';
import type { State } from '../model/state.ts';
import type { AuditQuery, Store } from './store.ts';

/** A store that is forgotten with the process. */
export function memoryStore(log: Log = silent): Store {
  return new MemoryStore(log);
}

class MemoryStore implements Store {
  #state = EMPTY;
  /** Oldest first. */
  readonly #entries: AuditEntry[] = [];
  readonly #listeners: Listeners<State>;

  constructor(log: Log) {
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
