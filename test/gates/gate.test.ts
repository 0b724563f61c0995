import assert from 'node:assert/strict';
import { test } from 'node:test';
import { askGate, awaitGate, isLastWord } from '../../src/gates/gate.ts';
import { worldOf } from '../../src/gates/world.ts';
import type { Gate } from '../../src/model/gate.ts';
import { HandClock } from '../support/clock.ts';
import { atEnd } from '../support/end.ts';
import { circumstancesOf, HandWorld, Receiver, untroubled } from './parts.ts';

function ask(gate: Gate, circumstances = circumstancesOf()) {
  return askGate(gate, circumstances, new HandWorld(), untroubled());
}

test('An approval waits for whom it names', async () => {
  const gate: Gate = { name: 'qa', moment: 'promotion', kind: 'approval' };
  assert.deepEqual(await ask(gate), { answer: 'unknown', says: 'waits for an operator' });
  assert.deepEqual(await ask({ ...gate, role: 'admin' }), { answer: 'unknown', says: 'waits for an admin' });
});

test('A window passes while it is open, and is not yet while it is shut', async () => {
  const gate: Gate = { name: 'hours', moment: 'before', kind: 'window', from: '09:00', to: '17:00' };
  assert.equal((await ask(gate)).answer, 'pass');
  const shut = await ask({ ...gate, to: '11:00' });
  assert.equal(shut.answer, 'unknown');
  assert.match(shut.says, /from 09:00 to 11:00/);
});

test('A schema is waited for while a version that cannot live with it serves or can be rolled back to', async () => {
  const gate: Gate = { name: 'contract', moment: 'promotion', kind: 'schema', schema: '12' };
  assert.equal((await ask(gate)).answer, 'pass');
  const base = circumstancesOf();
  const needs = (version: string, weight: number, wholes: readonly string[]) => ({
    ...base,
    service: {
      ...base.service,
      versions: { ...base.service.versions, [version]: { endpoints: [], requires: { schema: '<12' } } },
      split: { ...base.service.split, weights: { ...base.service.split.weights, [version]: weight } },
      wholes,
    },
  });
  assert.equal((await ask(gate, needs('v0', 0, ['v1']))).answer, 'pass');
  assert.match((await ask(gate, needs('v0', 5, ['v1']))).says, /"v0" requires schema <12/);
  assert.equal((await ask(gate, needs('v0', 0, ['v0', 'v1']))).answer, 'unknown');
  assert.equal((await ask(gate, needs('v2', 0, ['v1']))).answer, 'unknown');
});

test('Which answer is the last word depends on what the gate is for', () => {
  const hook: Gate = { name: 'a', moment: 'before', kind: 'webhook', url: 'http://a', deadline: 10 };
  const lastWords = (gate: Gate, asking: number) =>
    (['pass', 'fail', 'unknown'] as const).filter((answer) => isLastWord(gate, answer, asking));
  assert.deepEqual(lastWords(hook, 9999), ['pass']);
  assert.deepEqual(lastWords(hook, 10_000), ['pass', 'fail']);
  assert.deepEqual(lastWords({ ...hook, moment: 'during' }, 10_000), ['fail']);
  assert.deepEqual(lastWords({ ...hook, moment: 'rollback' }, 10_000), ['pass']);
  assert.deepEqual(lastWords({ ...hook, moment: 'finish' }, 10_000), ['pass', 'fail', 'unknown']);
});

test('A gate that watches is asked again and again, with what is true then, until it says no', async (t) => {
  const receiver = await Receiver.open(t);
  const world = new HandWorld();
  const url = `http://${receiver.address}/`;
  const gate: Gate = { name: 'a', moment: 'during', kind: 'webhook', url, allowPrivate: true, every: 7 };
  let asked = 0;
  const circumstances = () => ({ ...circumstancesOf(), errand: `r1.${++asked}.a` });
  const watching = awaitGate(gate, circumstances, world, untroubled());
  await world.pass(7000);
  await world.pausing(7000);
  receiver.manner = 409;
  world.wind(7000);
  assert.equal((await watching).answer, 'fail');
  assert.deepEqual(
    receiver.received.map(({ body }) => (JSON.parse(body) as { id: string }).id),
    ['r1.1.a', 'r1.2.a', 'r1.3.a'],
  );
});

test('Unknown keeps a gate as it is, until somebody gives up', async () => {
  const world = new HandWorld();
  const given = new AbortController();
  const gate: Gate = { name: 'qa', moment: 'promotion', kind: 'approval' };
  const waiting = awaitGate(gate, circumstancesOf, world, given.signal);
  await world.pass(10_000);
  await world.pausing(10_000);
  assert.deepEqual(world.pauses, [10_000]);
  given.abort(new Error('the rollout is over'));
  await assert.rejects(waiting, /the rollout is over/);
});

test('However often a gate wants to be asked, a second passes in between', async (t) => {
  const receiver = await Receiver.open(t, 409);
  const world = new HandWorld();
  const given = new AbortController();
  const url = `http://${receiver.address}/`;
  const gate: Gate = { name: 'a', moment: 'rollback', kind: 'webhook', url, allowPrivate: true, every: 0 };
  const waiting = awaitGate(gate, circumstancesOf, world, given.signal);
  await world.pausing(1000);
  given.abort(new Error('enough'));
  await assert.rejects(waiting, /enough/);
});

test("This machine's world resolves names and makes pauses that can be ended", async (t) => {
  // Its pauses do not keep the process alive; something else must.
  const alive = setInterval(() => {}, 1000);
  atEnd(t, () => clearInterval(alive));
  const world = worldOf(new HandClock(), {});
  assert.ok((await world.resolve('localhost')).length > 0);
  await world.pause(1, untroubled());
  await assert.rejects(world.pause(60_000, AbortSignal.abort()));
  const given = new AbortController();
  const year = world.pause(31_536_000_000, given.signal);
  await world.pause(10, untroubled());
  given.abort(new Error('not over yet'));
  await assert.rejects(year);
});
