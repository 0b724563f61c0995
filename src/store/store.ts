import type { AuditEntry } from '../model/record.ts';
import type { State } from '../model/state.ts';
import type { Link } from './link.ts';

/**
 * Where the truth is kept. One small contract with several implementations, all held to the same suite in
 * `test/contract/store.ts`. Nothing but `replace` changes the truth.
 */
export interface Store {
  /** The newest state. A store that was never written has revision 0 and no services. */
  read(): Promise<State>;

  /** The newest state known here, even while the store cannot be read. Left out: it always can. */
  known?(): State;

  /** Milliseconds after which whoever is in a hurry does not wait any longer to have written. Left out: waits. */
  readonly patience?: number;

  /** What the replicas that share this store have besides. Left out: it is shared by nobody. */
  readonly link?: Link;

  /**
   * Compare-and-set: if the newest revision is still `revision`, `next` becomes the truth with
   * `revision + 1`, `entry` joins the audit log, and the new state is returned; both happen or neither does.
   * If somebody was faster nothing happens and undefined is returned. Once the promise resolves the change
   * survives the loss of the process. Throws StoreUnavailable when the store cannot be written.
   *
   * `fence` is the token of the term in which this was decided. Throws Fenced if another term has begun since.
   */
  replace(
    revision: number,
    next: Omit<State, 'revision'>,
    entry: Omit<AuditEntry, 'revision'>,
    fence?: string,
  ): Promise<State | undefined>;

  /** Calls back with every newer state, whoever wrote it. Returns the function that stops it. */
  watch(listener: (state: State) => void): () => void;

  /** The newest entries of the audit log, newest first. */
  audit(query: AuditQuery): Promise<readonly AuditEntry[]>;

  /** Lets go of everything held. No other call may follow. */
  close(): Promise<void>;
}

export interface AuditQuery {
  readonly service?: string;
  /** At most this many. */
  readonly limit: number;
  /** Only entries of revisions below this one, for paging. */
  readonly before?: number;
}

/**
 * The store could not be read or written; `cause` says why. What was asked has not happened, unless the store
 * was lost while it was being done: then it may yet come true, once at most, and only if nothing else has
 * changed the truth before. Whoever follows the store sees it.
 */
export class StoreUnavailable extends Error {
  override readonly name = 'StoreUnavailable';
}

/** It was decided by a leader that leads no more. Nothing has happened. */
export class Fenced extends Error {
  override readonly name = 'Fenced';
}
