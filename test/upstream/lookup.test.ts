import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sharing } from '../../src/upstream/lookup.ts';

/** A system of which the test says when it answers what. */
function held() {
  const asked: { readonly host: string; readonly answer: (address: string) => void }[] = [];
  const lookup = sharing((host, _, answer) => {
    asked.push({ host, answer: (address) => answer(null, address, 4) });
  });
  const told: string[] = [];
  const want = (host: string, who: string) =>
    lookup(host, { family: 0 }, (_, address) => void told.push(`${who}: ${address}`));
  return { asked, told, want, hosts: () => asked.map(({ host }) => host) };
}

test('who wants the same name shares one lookup, and the next is a new one', () => {
  const { asked, told, want, hosts } = held();
  for (const who of ['a', 'b', 'c']) want('app.internal', who);
  assert.deepEqual(hosts(), ['app.internal']);
  asked[0]!.answer('10.0.0.1');
  assert.deepEqual(told, ['a: 10.0.0.1', 'b: 10.0.0.1', 'c: 10.0.0.1']);
  want('app.internal', 'd');
  asked[1]!.answer('10.0.0.2');
  assert.equal(told.at(-1), 'd: 10.0.0.2');
});

test('names that nobody answers have their turn one after the other, and localhost does not wait for them', () => {
  const { asked, told, want, hosts } = held();
  for (const host of ['dead.internal', 'app.internal', 'localhost', 'app.internal']) want(host, host);
  assert.deepEqual(hosts(), ['dead.internal', 'localhost']);
  asked[1]!.answer('127.0.0.1');
  asked[0]!.answer('10.0.0.9');
  assert.deepEqual(hosts(), ['dead.internal', 'localhost', 'app.internal']);
  asked[2]!.answer('10.0.0.1');
  assert.deepEqual(told, [
    'localhost: 127.0.0.1',
    'dead.internal: 10.0.0.9',
    'app.internal: 10.0.0.1',
    'app.internal: 10.0.0.1',
  ]);
});
