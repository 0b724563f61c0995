import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silent } from '../../src/base/log.ts';
import { Errands } from '../../src/control/errands.ts';
import { Notifier } from '../../src/gates/notifier.ts';
import type { Gate } from '../../src/model/gate.ts';
import { memoryStore } from '../../src/store/memory.ts';
import { HandWorld } from '../gates/parts.ts';
import { ASKING, controlOver } from './house.ts';

test('why a gate stays shut is known while it is asked, and no longer', async () => {
  const { control } = await controlOver(memoryStore());
  const hook: Gate = {
    name: 'qa',
    kind: 'webhook',
    moment: 'promotion',
    url: 'http://127.0.0.1:9/',
    every: 7,
  };
  const strategy = { type: 'blueGreen', gates: [hook] } as const;
  const { rollout } = await control.startRollout(
    'web',
    { candidate: 'canary', strategy, policy: {} },
    ASKING,
  );
  const world = new HandWorld();
  const errands = new Errands({
    state: () => control.state(),
    world,
    notifier: new Notifier(world, silent),
    links: { offers: () => [] },
    subscribers: () => [],
    log: silent,
  });
  assert.deepEqual(errands.heard(rollout.id), {});
  errands.attend();
  await world.pausing(7000);
  assert.match(errands.heard(rollout.id)['qa'] ?? '', /private|loopback/);
  assert.deepEqual(errands.heard('another'), {});
  await control.askRollout(rollout.id, { type: 'abort' }, ASKING);
  errands.attend();
  assert.deepEqual(errands.heard(rollout.id), {});
  await errands.close();
  await control.close();
});
