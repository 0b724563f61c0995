import assert from 'node:assert/strict';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import type { RolloutList } from '../../src/model/api.ts';
import { eventually, once } from '../support/patience.ts';
import { spillway } from './command.ts';
import { named, origin, scratch, shop, startSite } from './site.ts';

test('a link that came with a notification approves once, even across a restart', async (t) => {
  const notices: { news: string; links?: { gate: string; url: string }[] }[] = [];
  const receiver = await origin(t, async (request, response) => {
    notices.push(JSON.parse(await text(request)));
    response.end();
  });
  const store = `file:${await scratch(t)}`;
  const admin = {
    address: '127.0.0.1:0',
    links: { url: 'http://127.0.0.1:1', secret: 'env:LINK_SECRET' },
  };
  const notify = [{ name: 'team', url: `http://${receiver}/`, allowPrivate: true }];
  const policies = { calm: { dryRun: true } };
  const strategies = {
    asked: {
      type: 'canary' as const,
      steps: [5],
      gates: [{ kind: 'approval' as const, name: 'qa', moment: 'start' as const, link: true }],
    },
  };
  const config = shop(await named(t, 'stable'), await named(t, 'canary'), {
    admin,
    notify,
    store,
    strategies,
    policies,
  });
  const env = { LINK_SECRET: 'sixteen letters and more' };
  const first = await startSite(t, config, env);
  const args = [
    'rollout',
    'start',
    'shop',
    '--candidate',
    'canary',
    '--strategy',
    'asked',
    '--policy',
    'calm',
  ];
  const started = await spillway(args, { SPILLWAY_ADMIN: first.admin });
  assert.equal(started.code, 0, started.err);
  await eventually('the notice', () => notices.some(({ news }) => news === 'approval'));
  const { links } = notices.find(({ news }) => news === 'approval')!;
  const { pathname, search } = new URL(links![0]!.url);
  first.child.kill('SIGKILL');
  await once(first.child, 'exit');

  const second = await startSite(t, config, env);
  const link = `${second.admin}${pathname}${search}`;
  assert.match(await (await fetch(link)).text(), /Approve &quot;qa&quot; for shop/);
  const approved = await fetch(link, { method: 'POST' });
  assert.equal(approved.status, 200, await approved.text());
  second.child.kill('SIGKILL');
  await once(second.child, 'exit');

  const third = await startSite(t, config, env);
  const list = (await (await fetch(`${third.admin}/v1/rollouts`)).json()) as RolloutList;
  assert.equal(list.rollouts[0]?.phase.at, 'stepping');
  assert.equal(list.rollouts[0].policy.name, 'calm');
  const again = await fetch(`${third.admin}${pathname}${search}`, { method: 'POST' });
  assert.equal(again.status, 409);
  assert.match(await again.text(), /this link has been used/);
});
