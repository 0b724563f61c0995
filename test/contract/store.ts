import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import type { AuditEntry } from '../../src/model/record.ts';
import type { Service, State } from '../../src/model/state.ts';
import type { Store } from '../../src/store/store.ts';

/** A service that tells one state from another by its salt. */
export function sampleService(salt: string): Service {
  return {
    match: [{ path: '/' }],
    versions: { stable: { endpoints: ['127.0.0.1:9001'], owner: 'file' } },
    split: {
      weights: { stable: 100 },
      salt,
      hashVersion: 1,
      cause: 'seed',
      since: '2026-01-01T00:00:00.000Z',
    },
    wholes: ['stable'],
  };
}

export function sampleState(salt: string): Omit<State, 'revision'> {
  return { services: { web: sampleService(salt) } };
}

export function sampleEntry(service: string, reason = 'a test'): Omit<AuditEntry, 'revision'> {
  return {
    at: '2026-01-01T00:00:00.000Z',
    actor: { name: 'tester', role: 'admin' },
    action: 'weights',
    service,
    reason,
    after: { weights: { stable: 100 } },
  };
}

/** What every store must do, whatever it keeps the truth in. `open` gives a new and empty one. */
export function storeContract(name: string, open: () => Promise<Store>): void {
  describe(`the ${name} store`, () => {
    const opened: Store[] = [];
    const fresh = async (): Promise<Store> => {
      const store = await open();
      opened.push(store);
      return store;
    };
    after(async () => {
      for (const store of opened) await store.close();
    });

    test('begins at revision 0 without services', async () => {
      const store = await fresh();
      assert.deepEqual(await store.read(), { revision: 0, services: {} });
      assert.deepEqual(await store.audit({ limit: 10 }), []);
    });

    test('gives back what was written, one revision on', async () => {
      const store = await fresh();
      const written = await store.replace(0, sampleState('a'), sampleEntry('web'));
      assert.deepEqual(written, { revision: 1, ...sampleState('a') });
      assert.deepEqual(await store.read(), written);
    });

    test('keeps the objects it was given, so that what has not changed is seen not to have', async () => {
      const store = await fresh();
      const next = sampleState('a');
      const written = await store.replace(0, next, sampleEntry('web'));
      assert.equal(written?.services['web'], next.services['web']);
    });

    test('refuses the second of two writers', async () => {
      const store = await fresh();
      assert.ok(await store.replace(0, sampleState('a'), sampleEntry('web')));
      assert.equal(await store.replace(0, sampleState('b'), sampleEntry('web')), undefined);
      assert.equal((await store.read()).services['web']?.split.salt, 'a');
      assert.equal((await store.audit({ limit: 10 })).length, 1);
    });

    test('refuses a revision that is not there yet', async () => {
      const store = await fresh();
      assert.equal(await store.replace(1, sampleState('a'), sampleEntry('web')), undefined);
      assert.equal((await store.read()).revision, 0);
    });

    test('takes one of many writers at once, and no more', async () => {
      const store = await fresh();
      const writers = Array.from({ length: 20 }, (_, n) =>
        store.replace(0, sampleState(`${n}`), sampleEntry('web', `${n}`)),
      );
      const taken = (await Promise.all(writers)).filter((state) => state !== undefined);
      assert.equal(taken.length, 1);
      assert.deepEqual(await store.read(), taken[0]);
      const [entry] = await store.audit({ limit: 10 });
      assert.equal(entry?.reason, taken[0]?.services['web']?.split.salt);
    });

    test('ignores the revision inside what is to be written', async () => {
      const store = await fresh();
      const next: State = { ...sampleState('a'), revision: 77 };
      assert.equal((await store.replace(0, next, sampleEntry('web')))?.revision, 1);
    });

    test('tells watchers of every newer state, in order, until they stop', async () => {
      const store = await fresh();
      const seen: number[] = [];
      const stop = store.watch((state) => seen.push(state.revision));
      for (const revision of [0, 1, 2]) await store.replace(revision, sampleState('a'), sampleEntry('web'));
      await store.replace(0, sampleState('lost'), sampleEntry('web'));
      stop();
      await store.replace(3, sampleState('b'), sampleEntry('web'));
      assert.deepEqual(seen, [1, 2, 3]);
    });

    test('has written when a watcher fails, and tells the others', async () => {
      const store = await fresh();
      const seen: number[] = [];
      store.watch(() => {
        throw new Error('a watcher that fails');
      });
      store.watch((state) => seen.push(state.revision));
      assert.equal((await store.replace(0, sampleState('a'), sampleEntry('web')))?.revision, 1);
      assert.deepEqual(seen, [1]);
    });

    test('has one audit entry for every revision, newest first', async () => {
      const store = await fresh();
      for (let revision = 0; revision < 12; revision++)
        await store.replace(
          revision,
          sampleState('a'),
          sampleEntry(revision % 3 === 0 ? 'web' : 'api', `change ${revision + 1}`),
        );
      const revisions = async (query: Parameters<Store['audit']>[0]): Promise<number[]> =>
        (await store.audit(query)).map((entry) => entry.revision);

      assert.deepEqual(await revisions({ limit: 3 }), [12, 11, 10]);
      assert.deepEqual(await revisions({ limit: 3, before: 4 }), [3, 2, 1]);
      assert.deepEqual(await revisions({ limit: 2, service: 'web' }), [10, 7]);
      assert.deepEqual(await revisions({ limit: 9, service: 'web', before: 7 }), [4, 1]);
      assert.deepEqual(await revisions({ limit: 9, service: 'none' }), []);
      assert.deepEqual(await revisions({ limit: 0 }), []);
      assert.deepEqual((await store.audit({ limit: 1 }))[0], {
        ...sampleEntry('api', 'change 12'),
        revision: 12,
      });
    });
  });
}
