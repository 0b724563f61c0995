import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Catalogue } from '../../src/rollout/catalogue.ts';
import { openHouse, token } from './house.ts';

const START = '/v1/services/checkout/rollouts';
const GATED = {
  candidate: 'canary',
  strategy: {
    type: 'canary',
    steps: [5],
    gates: [
      { kind: 'approval', name: 'go', moment: 'start', role: 'admin' },
      {
        kind: 'webhook',
        name: 'told',
        moment: 'event',
        url: 'https://hooks.example.com/T0/secret-path',
        secret: 'not to be shown to anybody',
        headers: { authorization: 'not to be shown' },
      },
    ],
  },
};

test('a rollout is planned, started, steered and shown over HTTP', async (t) => {
  const { ask } = await openHouse(t);
  const body = { candidate: 'canary', strategy: 'Canary10Percent5Minutes', reason: 'build 7' };
  const planned = await ask('POST', `${START}?dryRun=plan`, { body });
  assert.equal(planned.status, 200, planned.text);
  assert.match(planned.json.plan.steps[0], /^10 %: at least 5 min/);
  assert.equal(planned.json.rollout, undefined);
  assert.deepEqual((await ask('GET', '/v1/rollouts')).json.rollouts, []);

  const headers = { 'idempotency-key': 'once' };
  const started = await ask('POST', START, { body, headers });
  assert.equal(started.status, 200, started.text);
  assert.equal(started.headers.get('etag'), '"2"');
  const { id } = started.json.rollout;
  const again = await ask('POST', START, { body, headers });
  assert.equal(again.headers.get('idempotency-replayed'), 'true');
  assert.equal(again.json.rollout.id, id);

  const shown = await ask('GET', `/v1/rollouts/${id}`);
  assert.equal(shown.json.phase.at, 'stepping');
  assert.match(shown.json.status, /^step 1\/1 at 10 %/);
  assert.equal(shown.json.rollbackReady.ready, true);

  const stale = await ask('POST', `/v1/rollouts/${id}/pause`, { headers: { 'if-match': '"1"' } });
  assert.equal(stale.status, 412);
  const paused = await ask('POST', `/v1/rollouts/${id}/pause`, { body: { reason: 'lunch' } });
  assert.equal(paused.json.rollout.phase.says, 'lunch');
  assert.equal((await ask('POST', `/v1/rollouts/${id}/pause`)).status, 409);
  const aborted = await ask('POST', `/v1/rollouts/${id}/abort`);
  assert.equal(aborted.json.rollout.phase.at, 'rolledBack');

  const { decisions } = (await ask('GET', `/v1/rollouts/${id}/decisions`)).json;
  assert.equal(decisions.length, 2);
  assert.match(decisions[0].result, /^rolled back: /);
  const [entry] = (await ask('GET', '/v1/audit?limit=1')).json.entries;
  assert.equal(entry.action, 'rollout.abort');
  assert.equal(entry.rollout, id);
});

test('what cannot be started is refused with what would be right', async (t) => {
  const { ask } = await openHouse(t);
  const status = async (body: object) => {
    const started = await ask('POST', START, { body });
    // One that is only planned is refused for the same.
    const planned = await ask('POST', `${START}?dryRun=plan`, { body });
    assert.equal(planned.json.detail, started.json.detail);
    return started.status;
  };
  assert.equal(await status({ candidate: 'v3' }), 404);
  assert.equal(await status({ candidate: 'stable' }), 409);
  assert.equal(await status({ candidate: 'canary', strategy: 'Bold' }), 422);
  assert.equal(await status({ candidate: 'canary', strategy: { type: 'canary', steps: [] } }), 400);
  assert.equal((await ask('GET', '/v1/rollouts/none')).status, 404);
  assert.equal((await ask('DELETE', '/v1/services/checkout/quarantine/none')).status, 404);
});

test('an approval for admins is not given by an operator, and no secret of a plan is shown', async (t) => {
  const tokens = [token('vera', 'viewer'), token('otto', 'operator'), token('ada', 'admin')];
  const { ask } = await openHouse(t, { tokens });
  const as = (name: string) => ({ token: `secret-of-${name}` });
  assert.equal((await ask('POST', START, { body: GATED, ...as('vera') })).status, 403);
  const started = await ask('POST', START, { body: GATED, ...as('otto') });
  assert.equal(started.status, 200, started.text);
  const path = `/v1/rollouts/${started.json.rollout.id}`;
  const refused = await ask('POST', `${path}/approve`, as('otto'));
  assert.equal(refused.status, 403);
  assert.match(refused.json.detail, /takes the role admin/);
  const approved = await ask('POST', `${path}/approve`, as('ada'));
  assert.equal(approved.json.rollout.phase.at, 'stepping', approved.text);
  for (const { text } of [
    started,
    approved,
    await ask('GET', path, as('vera')),
    await ask('GET', '/v1/audit', as('vera')),
  ])
    assert.doesNotMatch(text, /not to be shown|secret-path/);
});

test('strategies and policies are listed in words, and evidence names its rollout', async (t) => {
  const catalogue: Catalogue = {
    strategies: { careful: { type: 'canary', steps: [2], bake: { for: 0 } } },
    policies: { strict: { name: 'twice', dryRun: true } },
  };
  const { ask } = await openHouse(t, { catalogue });
  const { strategies, policies } = (await ask('GET', '/v1/strategies')).json;
  const steps = ['2 %: at least 1 min, until the judge can tell; after 30 min it holds and says so', '100 %'];
  assert.deepEqual(strategies[0], { name: 'careful', says: steps.join('; '), own: true, steps });
  const [{ policy: worked, ...strict }] = policies;
  assert.deepEqual(strict, { name: 'strict', says: 'as twice, but dryRun true', own: true });
  assert.deepEqual([worked.name, worked.dryRun, worked.metrics[0].trigger], ['strict', true, 'twice']);
  for (const name of ['AllAtOnce', 'blueGreen', 'override'])
    assert.ok(
      strategies.some((each: { name: string }) => each.name === name),
      name,
    );
  assert.ok(policies.some(({ name }: { name: string }) => name === 'twice'));
  const body = { candidate: 'canary', strategy: 'careful', policy: 'strict' };
  const planned = await ask('POST', `${START}?dryRun=plan`, { body });
  assert.deepEqual(planned.json.plan.steps, steps);
  const evidence = () => ask('GET', '/v1/services/checkout/evidence');
  assert.deepEqual((await evidence()).json, { service: 'checkout', missing: [], samples: [] });
  const { json } = await ask('POST', START, { body: { candidate: 'canary' } });
  assert.equal((await evidence()).json.rollout, json.rollout.id);
  assert.equal((await ask('GET', '/v1/services/none/evidence')).status, 404);
});

test('observations are taken while a rollout compares something, from an operator, all or none', async (t) => {
  const { ask } = await openHouse(t);
  const post = (...observations: object[]) =>
    ask('POST', '/v1/services/checkout/observations', { body: { observations } });
  const order = { metric: 'refunds', key: 'ann', id: '1' };
  assert.match((await post(order)).json.detail, /nothing is being compared in service "checkout" now/);
  const policy = { metrics: [{ name: 'refunds', kind: 'conversion' }] };
  const { json } = await ask('POST', START, { body: { candidate: 'canary', policy } });
  const { id } = json.rollout;
  const none = { rollout: id, taken: 0, waiting: 0, repeated: 0, unknown: 0, passed: 0 };
  assert.deepEqual((await post(order, { ...order, id: '2' }, order)).json, {
    ...none,
    waiting: 2,
    repeated: 1,
  });
  const wrong = await post(order, { metric: 'refunds', version: 'canary' });
  assert.equal(wrong.status, 422);
  assert.match(wrong.json.detail, /^observation 2: metric "refunds" is observed by key/);
  assert.equal((await post({ metric: 'refunds', key: 'ann', value: '1e9' })).status, 400);
  assert.equal((await post()).status, 400);
  assert.match(
    (await ask('GET', '/metrics')).text,
    /spillway_observations_total\{service="checkout",outcome="waiting"\} 2/,
  );
});

test('the database schema is said, shown, and held against who cannot live with it', async (t) => {
  const { ask } = await openHouse(t);
  const put = (schema: string) => ask('PUT', '/v1/services/checkout/schema', { body: { schema } });
  assert.equal((await put('twelve')).status, 400);
  const body = { endpoints: ['127.0.0.1:9002'], requires: { schema: '>=12 <14' } };
  assert.equal((await ask('PUT', '/v1/services/checkout/versions/canary', { body })).status, 200);
  const start = () => ask('POST', START, { body: { candidate: 'canary' } });
  assert.match((await start()).json.detail, /nobody has said which one holds/);
  assert.equal((await put('11')).status, 200);
  assert.match((await start()).json.detail, /migrate the database first/);
  assert.equal((await put('12')).status, 200);
  assert.equal((await start()).status, 200);
  const contracted = await put('14');
  assert.equal(contracted.status, 409);
  assert.match(contracted.json.detail, /version "canary" requires schema >=12 <14/);
  const shown = (await ask('GET', '/v1/services/checkout')).json;
  assert.deepEqual(shown.schema, { version: '12', owner: 'api' });
});
