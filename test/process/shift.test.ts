import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Change } from '../../src/model/record.ts';
import { atEnd } from '../support/end.ts';
import { CLIENTS, Load } from './load.ts';
import { origin, shop, startSite } from './site.ts';

const SHIFTS = 100;

test('a hundred shifts and a rollback under load: no request fails, none reaches the version left after the receipt', async (t) => {
  const served = { stable: 0, canary: 0 };
  const count = (version: keyof typeof served) =>
    origin(t, (request, response) => {
      served[version]++;
      request.resume();
      response.end(version);
    });
  const site = await startSite(t, shop(await count('stable'), await count('canary')));
  const load = new Load(site.proxy);
  atEnd(t, () => load.stop());
  await load.start();

  const put = async (canary: number) => {
    const answer = await fetch(`${site.admin}/v1/services/shop/weights?timeout=30s`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ weights: { stable: 100 - canary, canary } }),
    });
    assert.equal(answer.status, 200);
    assert.equal(((await answer.json()) as Change).receipt?.live, true);
  };
  for (let shift = 1; shift <= SHIFTS; shift++) await put((shift * 37) % 100);
  await put(50);
  await load.answered(load.total + 200);
  assert.ok(served.canary > 0);

  const answer = await fetch(`${site.admin}/v1/services/shop/rollback?timeout=30s`, { method: 'POST' });
  const receiptAt = Date.now();
  const { receipt, to } = (await answer.json()) as Change;
  assert.equal(to, 'stable');
  assert.equal(receipt?.live, true);
  assert.equal(receipt.missing.length, 0);
  assert.ok(Date.parse(receipt.lastRequestAt!) <= receiptAt);

  // Whatever was under way at the receipt is answered; from then on the canary hears nothing.
  await load.answered(load.total + 2 * CLIENTS);
  const before = served.canary;
  load.versions.clear();
  await load.answered(load.total + 1000);
  assert.equal(served.canary, before, 'requests to the canary after the receipt');
  assert.deepEqual([...load.versions.keys()], ['stable']);
  await load.stop();
  assert.deepEqual(load.failures, []);
  t.diagnostic(`${load.total} requests, ${SHIFTS + 1} shifts, 0 failed`);
});
