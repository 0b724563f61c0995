import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deserialize, serialize } from 'node:v8';
import fc from 'fast-check';
import { EMPTY } from '../../src/model/empty.ts';
import type { Service, State } from '../../src/model/state.ts';
import { applyState, diffState } from '../../src/process/messages.ts';

function service(salt: string): Service {
  return {
    match: [{ path: '/' }],
    versions: { stable: { endpoints: ['127.0.0.1:9001'] } },
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

test('a patch names only the services that are no longer the same object', () => {
  const a = service('a');
  const b = service('b');
  const moved = service('c');
  const patch = diffState({ revision: 1, services: { a, b } }, { revision: 2, services: { a, b: moved } });
  assert.deepEqual(patch, { revision: 2, changed: { b: moved }, removed: [] });
});

test('a service that left is named as removed, and is gone after applying', () => {
  const a = service('a');
  const previous: State = { revision: 1, services: { a, b: service('b') } };
  const patch = diffState(previous, { revision: 2, services: { a } });
  assert.deepEqual(patch.removed, ['b']);
  const next = applyState(previous, patch);
  assert.deepEqual(Object.keys(next.services), ['a']);
  assert.equal(next.services['a'], a);
});

test('names that objects inherit are services like any other', () => {
  const next: State = { revision: 1, services: { constructor: service('a') } };
  const patch = diffState(EMPTY, next);
  assert.deepEqual(Object.keys(patch.changed), ['constructor']);
  assert.deepEqual(diffState(next, EMPTY).removed, ['constructor']);
});

test('a worker that applies every patch holds the truth, and shares what did not change', () => {
  const names = fc.constantFrom('a', 'b', 'c', 'd');
  const edits = fc.array(fc.dictionary(names, fc.option(fc.string(), { nil: undefined })), { maxLength: 12 });
  fc.assert(
    fc.property(edits, (steps) => {
      let truth: State = EMPTY;
      let worker: State = EMPTY;
      for (const step of steps) {
        const services: Record<string, Service> = { ...truth.services };
        for (const [name, salt] of Object.entries(step)) {
          if (salt === undefined) delete services[name];
          else services[name] = service(salt);
        }
        const next: State = { revision: truth.revision + 1, services };
        const patch = diffState(truth, next);
        const before = worker;
        worker = applyState(worker, deserialize(serialize(patch)));
        truth = next;
        assert.deepEqual(worker, truth);
        for (const name of Object.keys(before.services)) {
          if (Object.hasOwn(patch.changed, name) || patch.removed.includes(name)) continue;
          assert.equal(worker.services[name], before.services[name]);
        }
      }
    }),
  );
});
