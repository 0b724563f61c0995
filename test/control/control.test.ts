import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type ControlEvent, Refusal } from '../../src/control/commands.ts';
import { retryDelay } from '../../src/control/control.ts';
import type { State } from '../../src/model/state.ts';
import type { Link } from '../../src/store/link.ts';
import { memoryStore } from '../../src/store/memory.ts';
import { Fenced, type Store, StoreUnavailable } from '../../src/store/store.ts';
import { HandClock } from '../support/clock.ts';
import { patiently } from '../support/patience.ts';
import { ASKING, controlOver, FragileStore, SERVICES } from './house.ts';

const weightsIn = ({ services }: State): unknown => services['web']?.split.weights;

function refusal(why: Refusal['why'], revision?: number): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof Refusal, String(error));
    assert.equal(error.why, why, error.message);
    if (revision !== undefined) assert.equal(error.revision, revision);
    return true;
  };
}

describe('a command', () => {
  test('is written, then announced, then told', async () => {
    const store = memoryStore();
    const { control, serving } = await controlOver(store);
    const order: string[] = [];
    store.watch(({ revision }) => order.push(`written ${revision}`));
    const announce = serving.announce.bind(serving);
    serving.announce = (state) => {
      order.push(`announced ${state.revision}`);
      announce(state);
    };
    control.subscribe((event) => {
      if (event.type === 'change') order.push(`told ${event.entry.revision}`);
    });
    await control.setWeights('web', { stable: 90, canary: 10 }, ASKING);
    assert.deepEqual(order, ['written 2', 'announced 2', 'told 2']);
    await control.close();
  });

  test('answers with what has changed', async () => {
    const { control } = await controlOver(memoryStore());
    const change = await control.setWeights('web', { stable: 90, canary: 10 }, ASKING);
    assert.deepEqual(change, {
      service: 'web',
      revision: 2,
      changed: true,
      split: control.state().services['web']?.split,
      from: ['stable'],
      durable: true,
    });
    assert.deepEqual(await control.rollback('web', undefined, ASKING), {
      service: 'web',
      revision: 3,
      changed: true,
      split: control.state().services['web']?.split,
      from: ['canary'],
      to: 'stable',
      durable: true,
    });
    await control.close();
  });

  test('that changes nothing takes no revision and leaves no trace', async () => {
    const store = memoryStore();
    const { control, serving } = await controlOver(store);
    const { changed, revision } = await control.setWeights('web', { stable: 100 }, ASKING);
    assert.deepEqual({ changed, revision }, { changed: false, revision: 1 });
    assert.equal((await store.audit({ limit: 10 })).length, 1);
    assert.deepEqual(serving.revisions, [1]);
    await control.close();
  });

  test('that is refused changes nothing, and the next one is taken', async () => {
    const { control } = await controlOver(memoryStore());
    await assert.rejects(control.setWeights('web', { stable: 99 }, ASKING), refusal('invalid'));
    await assert.rejects(control.rollback('none', undefined, ASKING), refusal('unknown-service'));
    assert.equal((await control.setWeights('web', { canary: 100 }, ASKING)).revision, 2);
    await control.close();
  });

  test('that waits gets the receipt of the workers, asked for the versions that lost all weight', async () => {
    const { control, serving } = await controlOver(memoryStore());
    await control.setWeights('web', { stable: 90, canary: 10 }, ASKING);
    assert.deepEqual(serving.asked, []);
    const events: ControlEvent[] = [];
    control.subscribe((event) => events.push(event));
    const { receipt } = await control.rollback('web', undefined, { ...ASKING, wait: 500 });
    assert.deepEqual(serving.asked, [[3, 500, 'web', ['canary']]]);
    assert.equal(receipt?.revision, 3);
    assert.deepEqual(
      events.map(({ type }) => type),
      ['change', 'receipt'],
    );
    await control.close();
  });

  test('that waits for workers holds up no other', async () => {
    const { control, serving } = await controlOver(memoryStore());
    let confirm = (): void => {};
    const confirmed = new Promise<void>((resolve) => {
      confirm = resolve;
    });
    const receipt = serving.receipt.bind(serving);
    serving.receipt = async (...asked) => {
      await confirmed;
      return receipt(...asked);
    };
    const waiting = control.setWeights('web', { stable: 50, canary: 50 }, { ...ASKING, wait: 500 });
    assert.equal((await control.rollback('web', undefined, ASKING)).revision, 3);
    confirm();
    assert.equal((await waiting).receipt?.revision, 2);
    await control.close();
  });

  test('of an older revision is refused as stale, with the newest', async () => {
    const { control } = await controlOver(memoryStore());
    await control.setWeights('web', { canary: 100 }, { ...ASKING, ifRevision: 1 });
    for (const ifRevision of [1, 3]) {
      const asking = { ...ASKING, ifRevision };
      await assert.rejects(control.setWeights('web', { stable: 100 }, asking), refusal('stale', 2));
      await assert.rejects(control.rollback('web', undefined, asking), refusal('stale', 2));
    }
    await control.close();
  });

  test('puts and deletes versions', async () => {
    const { control } = await controlOver(memoryStore());
    const put = await control.putVersion('web', 'v42', { endpoints: ['127.0.0.1:9042'] }, ASKING);
    assert.deepEqual(put.split.weights, { stable: 100, canary: 0, v42: 0 });
    const deleted = await control.deleteVersion('web', 'v42', ASKING);
    assert.equal(deleted.revision, 3);
    assert.deepEqual(Object.keys(control.state().services['web']!.versions), ['stable', 'canary']);
    await control.close();
  });
});

describe('control', () => {
  test('announces what the store holds when it starts, and seeds only an empty one', async () => {
    const store = memoryStore();
    const first = await controlOver(store);
    await first.control.setWeights('web', { stable: 30, canary: 70 }, ASKING);
    await first.control.close();

    const second = await controlOver(store);
    assert.deepEqual(second.serving.revisions, [2]);
    assert.deepEqual(weightsIn(second.control.state()), { stable: 30, canary: 70 });
    assert.equal((await second.control.reload(SERVICES, ASKING)).revision, 2);
    assert.deepEqual(
      (await second.control.audit({ limit: 10 })).map(({ action }) => action),
      ['weights', 'seed'],
    );
    await second.control.close();
  });

  test('follows what others write to the store, and tells of it', async () => {
    const store = memoryStore();
    const one = await controlOver(store);
    const two = await controlOver(store);
    const heard = patiently<ControlEvent>('a change', (resolve) => two.control.subscribe(resolve));
    await one.control.setWeights('web', { stable: 80, canary: 20 }, ASKING);
    const event = await heard;
    assert.equal(event.type === 'change' && event.entry.revision, 2);
    assert.equal(two.control.state(), one.control.state());
    assert.deepEqual(two.serving.revisions, [1, 2]);
    await one.control.close();
    await two.control.close();
  });

  test('decides anew when somebody else was faster, unless it was told a revision', async () => {
    const store = memoryStore();
    const one = await controlOver(store);
    const two = await controlOver(store);
    const changes = await Promise.all([
      one.control.setWeights('web', { stable: 80, canary: 20 }, ASKING),
      two.control.putVersion('web', 'v42', { endpoints: ['127.0.0.1:9042'] }, ASKING),
    ]);
    assert.deepEqual(changes.map(({ revision }) => revision).sort(), [2, 3]);
    assert.deepEqual(weightsIn(await store.read()), { stable: 80, canary: 20, v42: 0 });

    const asking = { ...ASKING, ifRevision: 3 };
    const outcomes = await Promise.allSettled([
      one.control.setWeights('web', { stable: 70, canary: 30 }, asking),
      two.control.setWeights('web', { stable: 60, canary: 40 }, asking),
    ]);
    assert.deepEqual(outcomes.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
    const lost = outcomes.find((outcome) => outcome.status === 'rejected');
    refusal('stale', 4)(lost?.reason);
    await one.control.close();
    await two.control.close();
  });

  test('takes a hundred changes at once: each revision once, and the audit log is a chain', async () => {
    const store = memoryStore();
    const { control, serving } = await controlOver(store);
    const told: number[] = [];
    control.subscribe((event) => event.type === 'change' && told.push(event.entry.revision));
    const changes = await Promise.all(
      Array.from({ length: 100 }, (_, n) =>
        control.setWeights('web', { stable: 99.5 - n / 2, canary: n / 2 + 0.5 }, ASKING),
      ),
    );
    const expected = Array.from({ length: 101 }, (_, n) => n + 1);
    assert.deepEqual(
      changes.map(({ revision }) => revision).sort((a, b) => a - b),
      expected.slice(1),
    );
    assert.deepEqual(serving.revisions, expected);
    assert.deepEqual(told, expected.slice(1));
    const entries = (await store.audit({ limit: 1000 })).toReversed();
    assert.deepEqual(
      entries.map(({ revision }) => revision),
      expected,
    );
    for (const [index, { before }] of entries.entries())
      if (index > 1) assert.deepEqual(before, entries[index - 1]?.after);
    await control.close();
  });

  test('lets a rollback win against others who keep changing weights', async () => {
    const store = memoryStore();
    const { control } = await controlOver(store);
    await control.setWeights('web', { stable: 50, canary: 50 }, ASKING);
    // Somebody else is faster nine times in a row, more often than any other command would bear.
    const replace = store.replace.bind(store);
    let rivals = 9;
    store.replace = async (revision, next, entry) => {
      if (rivals-- > 0) {
        const { services } = await store.read();
        const web = services['web']!;
        const weights = { stable: 50 - rivals, canary: 50 + rivals };
        await replace(revision, { services: { web: { ...web, split: { ...web.split, weights } } } }, entry);
      }
      return replace(revision, next, entry);
    };
    const { to, revision } = await control.rollback('web', undefined, ASKING);
    assert.deepEqual({ to, revision }, { to: 'stable', revision: 12 });
    assert.deepEqual(weightsIn(await store.read()), { stable: 100, canary: 0 });

    rivals = 9;
    await assert.rejects(control.setWeights('web', { stable: 1, canary: 99 }, ASKING), refusal('conflict'));
    await control.close();
  });

  test('tells every listener, also when another one fails', async () => {
    const { control } = await controlOver(memoryStore());
    const told: string[] = [];
    control.subscribe(() => {
      throw new Error('a listener that fails');
    });
    const stop = control.subscribe(({ type }) => told.push(type));
    await control.setWeights('web', { canary: 100 }, ASKING);
    stop();
    await control.setWeights('web', { stable: 100 }, ASKING);
    assert.deepEqual(told, ['change']);
    await control.close();
  });
});

describe('while the store cannot be written', () => {
  test('a rollback is served at once, said not to be durable, and written when the store recovers', async () => {
    const store = new FragileStore();
    const { control, serving } = await controlOver(store);
    await control.setWeights('web', { stable: 50, canary: 50 }, ASKING);
    store.broken = true;
    const change = await control.rollback('web', undefined, { ...ASKING, wait: 500 });
    assert.equal(change.durable, false);
    assert.equal(change.revision, 3);
    assert.equal(change.receipt?.revision, 3);
    assert.deepEqual(weightsIn(serving.announced.at(-1)!), { stable: 100, canary: 0 });
    assert.equal((await store.read()).revision, 2);

    const written = store.written();
    store.broken = false;
    await written;
    assert.deepEqual(await store.read(), control.state());
    assert.deepEqual(serving.revisions, [1, 2, 3]);
    const [entry] = await store.audit({ limit: 1 });
    assert.deepEqual([entry?.revision, entry?.action, entry?.actor], [3, 'rollback', ASKING.actor]);
    await control.close();
  });

  test('all else is refused as unavailable, and taken on top of the rollback afterwards', async () => {
    const store = new FragileStore();
    const { control } = await controlOver(store);
    await control.setWeights('web', { stable: 50, canary: 50 }, ASKING);
    store.broken = true;
    const more = (): Promise<unknown> => control.setWeights('web', { stable: 40, canary: 60 }, ASKING);
    await assert.rejects(more(), refusal('unavailable', 2));
    await control.rollback('web', undefined, ASKING);
    await assert.rejects(more(), refusal('unavailable', 3));
    assert.equal((await control.rollback('web', undefined, ASKING)).changed, false);

    store.broken = false;
    const { revision } = await control.setWeights('web', { stable: 90, canary: 10 }, ASKING);
    assert.equal(revision, 4);
    assert.deepEqual(
      (await store.audit({ limit: 10 })).map(({ action }) => action),
      ['weights', 'rollback', 'weights', 'seed'],
    );
    await control.close();
  });

  test('several rollbacks are owed, and written in their order', async () => {
    const store = new FragileStore();
    const { control, serving } = await controlOver(store);
    await control.reload({ ...SERVICES, api: { ...SERVICES['web']!, match: [{ path: '/api' }] } }, ASKING);
    for (const service of ['web', 'api'])
      await control.setWeights(service, { stable: 50, canary: 50 }, ASKING);
    store.broken = true;
    for (const service of ['web', 'api'])
      assert.equal((await control.rollback(service, undefined, ASKING)).durable, false);
    store.broken = false;
    await control.close();
    assert.deepEqual(await store.read(), control.state());
    assert.deepEqual(serving.revisions, [1, 2, 3, 4, 5, 6]);
    assert.deepEqual(
      (await store.audit({ limit: 2 })).map(({ revision, service }) => [revision, service]),
      [
        [6, 'api'],
        [5, 'web'],
      ],
    );
  });

  test('a rollback is not lost to what others write meanwhile, nor ever taken back', async () => {
    const store = new FragileStore();
    const here = await controlOver(store);
    await here.control.setWeights('web', { stable: 50, canary: 50 }, ASKING);
    // The other one reaches the same store by a way that works.
    const there = await controlOver(store.inner);
    store.broken = true;
    await here.control.rollback('web', undefined, ASKING);
    for (const canary of [60, 70, 80])
      await there.control.setWeights('web', { stable: 100 - canary, canary }, ASKING);
    const written = store.written();
    store.broken = false;
    await written;
    await here.control.close();
    await there.control.close();
    const state = await store.read();
    assert.equal(state.revision, 6);
    assert.deepEqual(weightsIn(state), { stable: 100, canary: 0 });
    for (const announced of here.serving.announced.slice(2))
      assert.deepEqual(weightsIn(announced), { stable: 100, canary: 0 }, `revision ${announced.revision}`);
  });

  test('a rollback that others have made needless is written all the same, as a newer revision', async () => {
    const store = new FragileStore();
    const here = await controlOver(store);
    await here.control.setWeights('web', { stable: 50, canary: 50 }, ASKING);
    const there = await controlOver(store.inner);
    store.broken = true;
    await here.control.rollback('web', undefined, ASKING);
    await there.control.rollback('web', undefined, ASKING);
    store.broken = false;
    await here.control.close();
    await there.control.close();
    const state = await store.read();
    assert.equal(state.revision, 4);
    assert.deepEqual(weightsIn(state), { stable: 100, canary: 0 });
  });

  test('the store is tried again after ever longer waits', () => {
    assert.deepEqual(
      [0, 1, 2, 3, 6, 50].map((attempt) => retryDelay(attempt)),
      [100, 200, 400, 800, 5000, 5000],
    );
  });
});

describe('in a fleet', () => {
  /** Two control planes that share a store, as two replicas do. */
  async function two() {
    const store = memoryStore();
    const { control: a } = await controlOver(store);
    const { control: b } = await controlOver(store);
    return { store, a, b };
  }

  test('of two rollbacks that did not know of each other the later one has the word', async () => {
    for (const again of [false, true]) {
      const store = new FragileStore();
      // Others write there too.
      store.link = { names: { fleet: 'shop', replica: 'a' } } as Link;
      const clock = new HandClock();
      const here = await controlOver(store, clock);
      await here.control.setWeights('web', { stable: 0, canary: 100 }, ASKING);
      const there = await controlOver(store.inner, clock);
      store.broken = true;
      assert.equal((await here.control.rollback('web', undefined, ASKING)).to, 'stable');
      clock.wind(1000);
      await there.control.setWeights('web', { stable: 50, canary: 50 }, ASKING);
      assert.equal((await there.control.rollback('web', undefined, ASKING)).to, 'canary');
      clock.wind(1000);
      if (again) await here.control.rollback('web', undefined, ASKING);
      store.broken = false;
      await here.control.close();
      await there.control.close();
      const last = again ? { stable: 100, canary: 0 } : { stable: 0, canary: 100 };
      assert.deepEqual(weightsIn(await store.read()), last);
    }
  });

  test('what has become needless tells of no move or decision a second time', async () => {
    const store = new FragileStore();
    const { control } = await controlOver(store);
    const { rollout } = await control.startRollout(
      'web',
      { candidate: 'canary', strategy: { type: 'canary', steps: [5] }, policy: {} },
      ASKING,
    );
    store.answers = false;
    const change = await control.rollback('web', undefined, ASKING);
    assert.equal(change.durable, false);
    store.answers = true;
    await control.close();
    const entries = await store.audit({ limit: 9 });
    assert.deepEqual(
      entries.map(({ action }) => action),
      ['rollback', 'rollback', 'rollout.start', 'seed'],
    );
    const moves = entries.flatMap(({ transitions = [] }) => transitions.map(({ seq }) => seq));
    assert.equal(new Set(moves).size, moves.length);
    assert.equal(entries[0]?.rollout, rollout.id);
  });

  test('weights that a rollback overtakes give way to it', async () => {
    const { store, a, b } = await two();
    await a.setWeights('web', { stable: 90, canary: 10 }, ASKING);
    const replace = store.replace.bind(store);
    let rolledBack = false;
    store.replace = async (...change) => {
      if (rolledBack) return replace(...change);
      rolledBack = true;
      await b.rollback('web', undefined, ASKING);
      return replace(...change);
    };
    await assert.rejects(a.setWeights('web', { stable: 0, canary: 100 }, ASKING), refusal('stale', 3));
    assert.deepEqual(weightsIn(await store.read()), { stable: 100, canary: 0 });
    await a.close();
    await b.close();
  });

  test('what a leader decides that leads no more is refused', async () => {
    const store = memoryStore();
    const { control } = await controlOver(store);
    store.replace = async (...[, , , fence]) => {
      assert.equal(fence, 'an old term');
      throw new Fenced('another replica leads by now');
    };
    await assert.rejects(
      control.setWeights('web', { stable: 90, canary: 10 }, { ...ASKING, fence: 'an old term' }),
      refusal('conflict'),
    );
    await control.close();
  });

  test('a rollback does not wait for a store that hangs', async () => {
    const store: Store = memoryStore();
    const { control, serving } = await controlOver(store);
    await control.setWeights('web', { stable: 90, canary: 10 }, ASKING);
    const hanging: Store = {
      patience: 1,
      read: () => store.read(),
      replace: (...change) => store.replace(...change),
      watch: (listener) => store.watch(listener),
      audit: (query) => store.audit(query),
      close: () => store.close(),
    };
    const { control: hasty, serving: served } = await controlOver(hanging);
    hanging.replace = () => new Promise(() => {});
    const change = await hasty.rollback('web', undefined, ASKING);
    assert.equal(change.durable, false);
    assert.deepEqual(weightsIn(served.announced.at(-1)!), { stable: 100, canary: 0 });
    assert.deepEqual(weightsIn(serving.announced.at(-1)!), { stable: 90, canary: 10 });
    hanging.replace = (...change) => store.replace(...change);
    await hasty.close();
    assert.deepEqual(weightsIn(await store.read()), { stable: 100, canary: 0 });
    await control.close();
  });

  test('what is known is served while the store cannot be read', async () => {
    const store = memoryStore();
    const { control } = await controlOver(store);
    const state = control.state();
    await control.close();
    store.known = () => state;
    store.read = async () => {
      throw new StoreUnavailable('away');
    };
    const { control: started, serving } = await controlOver(store);
    assert.deepEqual(serving.revisions, [1]);
    await started.close();
  });
});
