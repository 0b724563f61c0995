import { isDeepStrictEqual } from 'node:util';
import { own } from '../base/own.ts';
import type { State } from '../model/state.ts';
import type { Store } from '../store/store.ts';
import { Refusal } from './commands.ts';
import { type Circumstances, type Command, type Decision, decide } from './decide.ts';
import { confirmed } from './resplit.ts';

/** A change that is served although the store does not hold it. */
export interface Debt {
  readonly command: Command;
  readonly circumstances: Circumstances;
  /** What the audit log is to say of it if it has become needless. */
  readonly entry: Decision['entry'];
  /** When it was last asked for, ms since 1970. */
  asked: number;
}

/**
 * What is owed to the store, in the order in which it was served.
 *
 * Every debt is decided anew on what the store then holds. If nobody else has written, that gives the very
 * states that were served, revision for revision. If somebody has, it gives newer ones: each debt takes a
 * revision, even one that has become needless, so the last is above all that were served, and no older state
 * ever takes the place of a rollback.
 */
export class Debts {
  readonly #store: Store;
  readonly #owed: Debt[] = [];

  constructor(store: Store) {
    this.#store = store;
  }

  get any(): boolean {
    return this.#owed.length > 0;
  }

  /** The same is asked for once more: whether it is owed already, and so is as if it were asked for only now. */
  again(command: Command, now: number): boolean {
    const owed = this.#owed.find((debt) => isDeepStrictEqual(debt.command, command));
    if (owed !== undefined) owed.asked = now;
    return owed !== undefined;
  }

  owe(debt: Omit<Debt, 'asked'>): void {
    this.#owed.push({ ...debt, asked: debt.circumstances.now });
  }

  /** Throws StoreUnavailable, with the rest still owed, when the store cannot be read or written. */
  async repay(): Promise<void> {
    for (let debt = this.#owed[0]; debt !== undefined; debt = this.#owed[0]) {
      const newest = await this.#store.read();
      const { services, rollouts, entry } = redecide(newest, debt);
      const next = { services, ...(rollouts && { rollouts }) };
      const written = await this.#store.replace(newest.revision, next, entry);
      if (written !== undefined) this.#owed.shift();
    }
  }
}

function redecide(state: State, { command, circumstances, entry, asked }: Debt): Decision {
  const { services, rollouts } = state;
  // It moves nothing any more, or moved it late, with an entry of its own: nothing is told twice.
  const { transitions: _moved, decisions: _decided, ...rest } = entry;
  const needless = { services, ...(rollouts && { rollouts }), entry: rest, urgent: true };
  try {
    // Who rolled back later knew better where to.
    if (command.type === 'rollback' && isLater(state, command.service, asked)) return needless;
    const decision = decide(state, command, circumstances);
    if (decision !== undefined || command.type !== 'rollback') return decision ?? needless;
    return { ...needless, services: confirmed(state, command.service, asked) };
  } catch (error) {
    // The service or the version is gone, so nobody is sent there any more.
    if (error instanceof Refusal) return needless;
    throw error;
  }
}

/** Whether somebody else has rolled the service back since, by the clock of whoever did. */
function isLater({ services }: State, service: string, asked: number): boolean {
  const split = own(services, service)?.split;
  return split?.cause === 'rollback' && Date.parse(split.since) > asked;
}
