import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Link } from '../../src/store/link.ts';
import { FragileStore } from '../control/house.ts';
import { openHouse } from './house.ts';

/** A rollout that replica `c` takes back when it leads, at a replica that calls itself `here`. */
async function rolledBack(t: TestContext, leader?: string) {
  const store = new FragileStore();
  store.link = { names: { fleet: 'shop', replica: 'c' } } as Link;
  const house = await openHouse(t, { store, ...(leader !== undefined && { leader }) });
  const body = { candidate: 'canary', strategy: 'Canary10Percent5Minutes' };
  const { id } = (await house.ask('POST', '/v1/services/checkout/rollouts', { body })).json.rollout;
  const asking = { actor: { name: 'controller', role: 'admin' }, wait: 0 } as const;
  await house.control.happen(id, { events: [{ type: 'vanished', says: 'gone' }], digest: '' }, asking);
  return { ...house, id: id as string, read: () => house.ask('GET', `/v1/rollouts/${id}/recording`) };
}

test('a recording is read where the rollout was judged', async (t) => {
  const { id, read, recordings } = await rolledBack(t, 'b');
  const line = { type: 'brokenOff' };
  recordings.add(id, line);
  const { status, text } = await read();
  assert.equal(status, 200);
  assert.equal(text, `${JSON.stringify(line)}\n`);
});

test('elsewhere it is told who has it: whoever leads, and whoever did', async (t) => {
  const { id, read } = await rolledBack(t, 'b');
  const { status, json } = await read();
  assert.equal(status, 404);
  assert.equal(json.type, 'urn:spillway:problem:recorded-elsewhere');
  assert.equal(
    json.detail,
    `rollout ${id} was not judged at this replica, here, which has no recording of it; ask the admin API of b or c`,
  );
});

test('the audit log says at which replica of a fleet something was asked or decided', async (t) => {
  const { ask } = await rolledBack(t);
  const { entries } = (await ask('GET', '/v1/audit')).json;
  assert.deepEqual(
    entries.map((entry: { action: string; replica?: string }) => [entry.action, entry.replica]),
    [
      ['rollout', 'c'],
      ['rollout.start', 'c'],
      ['seed', 'c'],
    ],
  );
});

test('alone, a rollout that was not judged yet has an empty recording', async (t) => {
  const { ask } = await openHouse(t);
  const body = { candidate: 'canary', strategy: 'Canary10Percent5Minutes' };
  const { id } = (await ask('POST', '/v1/services/checkout/rollouts', { body })).json.rollout;
  const { status, text } = await ask('GET', `/v1/rollouts/${id}/recording`);
  assert.deepEqual([status, text], [200, '']);
});
