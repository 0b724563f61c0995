import assert from 'node:assert/strict';
import { test } from 'node:test';
import { atEnd } from './end.ts';

/** Stands where the context of a test does, and is over when it is told so. */
function context() {
  const hooks: (() => unknown)[] = [];
  return {
    after: (hook: () => unknown) => void hooks.push(hook),
    async over(): Promise<void> {
      for (const hook of hooks) await hook();
    },
  };
}

test('what was begun last is ended first', async () => {
  const t = context();
  const ended: string[] = [];
  for (const name of ['endpoint', 'site', 'client'])
    atEnd(t, async () => {
      await Promise.resolve();
      ended.push(name);
    });
  await t.over();
  assert.deepEqual(ended, ['client', 'site', 'endpoint']);
});

test('what fails to end keeps nothing else from ending, and is told', async () => {
  const t = context();
  const ended: string[] = [];
  const fail = (what: string) => () => {
    throw new Error(what);
  };
  atEnd(t, () => ended.push('endpoint'));
  atEnd(t, fail('the directory is not empty'));
  atEnd(t, () => ended.push('client'));
  await assert.rejects(t.over(), /the directory is not empty/);
  assert.deepEqual(ended, ['client', 'endpoint']);

  const twice = context();
  atEnd(twice, fail('one'));
  atEnd(twice, fail('other'));
  await assert.rejects(
    twice.over(),
    ({ errors }: AggregateError) => errors.map(({ message }) => message).join() === 'other,one',
  );
});
