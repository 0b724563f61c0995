import type { Clock } from '../../src/base/clock.ts';
import { silent } from '../../src/base/log.ts';
import type { Asking, Serving } from '../../src/control/commands.ts';
import { type Control, createControl } from '../../src/control/control.ts';
import type { Receipt } from '../../src/model/record.ts';
import type { ServiceConfig, State } from '../../src/model/state.ts';
import type { Link } from '../../src/store/link.ts';
import { memoryStore } from '../../src/store/memory.ts';
import { type Store, StoreUnavailable } from '../../src/store/store.ts';
import { patiently } from '../support/patience.ts';

export const ASKING: Asking = { actor: { name: 'ada', role: 'operator' }, wait: 0 };

export const SERVICES: Readonly<Record<string, ServiceConfig>> = {
  web: {
    match: [{ path: '/' }],
    versions: { stable: { endpoints: ['127.0.0.1:9001'] }, canary: { endpoints: ['127.0.0.1:9002'] } },
    weights: { stable: 100, canary: 0 },
  },
};

/** A clock that stands still. */
const CLOCK: Clock = { now: () => Date.parse('2026-01-01T00:00:00.000Z'), monotonic: () => 0 };

/** Serves everything at once, and remembers what it was told. */
export class Recorder implements Serving {
  readonly announced: State[] = [];
  readonly asked: Array<Parameters<Serving['receipt']>> = [];

  announce(state: State): void {
    this.announced.push(state);
  }

  async receipt(...asked: Parameters<Serving['receipt']>): Promise<Receipt> {
    this.asked.push(asked);
    return { revision: asked[0], live: true, workers: [], missing: [] };
  }

  get revisions(): number[] {
    return this.announced.map(({ revision }) => revision);
  }
}

/** A store that can be made to fail, as a full disk does. */
export class FragileStore implements Store {
  readonly inner = memoryStore();
  broken = false;
  /** Whether it says that it has written what it has written. */
  answers = true;
  link?: Link;
  #written: Array<() => void> = [];

  async read(): Promise<State> {
    return this.inner.read();
  }

  async replace(...change: Parameters<Store['replace']>): Promise<State | undefined> {
    if (this.broken) throw new StoreUnavailable('the disk is full');
    const state = await this.inner.replace(...change);
    if (!this.answers) throw new StoreUnavailable('the disk has not answered');
    for (const tell of this.#written.splice(0)) tell();
    return state;
  }

  /** Resolves when something is written. */
  written(): Promise<void> {
    return patiently('something to be written', (resolve) => this.#written.push(resolve));
  }

  watch(listener: (state: State) => void): () => void {
    return this.inner.watch(listener);
  }

  audit(query: Parameters<Store['audit']>[0]): ReturnType<Store['audit']> {
    return this.inner.audit(query);
  }

  async close(): Promise<void> {}
}

/** A control over a store, seeded with SERVICES if that is empty. */
export async function controlOver(
  store: Store,
  clock: Clock = CLOCK,
): Promise<{ control: Control; serving: Recorder }> {
  const serving = new Recorder();
  let salts = 0;
  const newSalt = (): string => `salt ${++salts}`;
  const control = await createControl({ store, serving, clock, newSalt, log: silent });
  if (control.state().revision === 0) await control.reload(SERVICES, ASKING);
  return { control, serving };
}
