import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Refusal } from '../../src/control/commands.ts';
import type { Control } from '../../src/control/control.ts';
import type { Launch } from '../../src/control/launch.ts';
import type { Rollout } from '../../src/model/rollout.ts';
import { memoryStore } from '../../src/store/memory.ts';
import { ASKING, controlOver, SERVICES } from './house.ts';

const LAUNCH: Launch = { candidate: 'canary', strategy: { type: 'canary', steps: [5, 50] }, policy: {} };

async function begun(launch: Launch = LAUNCH) {
  const { control } = await controlOver(memoryStore());
  const { rollout } = await control.startRollout('web', launch, ASKING);
  return { control, id: rollout.id };
}

function rolloutIn(control: Control, id: string): Rollout {
  return control.state().rollouts![id]!;
}

const web = (control: Control) => control.state().services['web']!;

function refused(why: Refusal['why'], says: RegExp) {
  return (error: unknown) => {
    assert.ok(error instanceof Refusal, String(error));
    assert.equal(error.why, why);
    assert.match(error.message, says);
    return true;
  };
}

describe('a rollout that is started', () => {
  test('has its first weight and its trial in the revision that began it', async () => {
    const { control, id } = await begun();
    assert.equal(control.state().revision, 2);
    assert.deepEqual(web(control).split.weights, { stable: 95, canary: 5 });
    const { rollout, epoch, baseline, candidate, sticky } = web(control).trial!;
    assert.deepEqual(
      { rollout, epoch, baseline, candidate, sticky },
      { rollout: id, epoch: 1, baseline: 'stable', candidate: 'canary', sticky: true },
    );
    const [entry] = await control.audit({ limit: 1 });
    assert.equal(entry?.action, 'rollout.start');
    assert.equal(entry.rollout, id);
    assert.deepEqual(entry.after, { weights: { stable: 95, canary: 5 } });
    await control.close();
  });

  test('is refused with the cure when it cannot begin', async () => {
    const { control } = await controlOver(memoryStore());
    const start = (launch: Partial<Launch>) => control.startRollout('web', { ...LAUNCH, ...launch }, ASKING);
    await assert.rejects(start({ candidate: 'v3' }), refused('unknown-version', /no version "v3"/));
    await assert.rejects(start({ candidate: 'stable' }), refused('conflict', /is the baseline itself/));
    await assert.rejects(
      start({ baseline: 'canary' }),
      refused('conflict', /no traffic to take over|baseline itself/),
    );
    await assert.rejects(
      start({ strategy: { type: 'preset', name: 'Bold' } }),
      refused('invalid', /the strategies are 1-5-25-50-100/),
    );
    await assert.rejects(start({ policy: { name: 'lax' } }), refused('invalid', /the policies are standard/));
    await control.setWeights('web', { stable: 90, canary: 10 }, ASKING);
    await assert.rejects(start({}), refused('conflict', /holds 10 % of the traffic already/));
    await control.close();
  });

  test('takes the place of one under way, which goes back', async () => {
    const { control, id } = await begun();
    const { rollout } = await control.startRollout('web', LAUNCH, ASKING);
    assert.equal(rolloutIn(control, id).phase.at, 'rolledBack');
    assert.equal(web(control).trial?.rollout, rollout.id);
    assert.deepEqual(web(control).split.weights, { stable: 95, canary: 5 });
    await control.close();
  });
});

describe('while a rollout is under way', () => {
  test('weights set by hand pause it, and going on puts its own weight back', async () => {
    const { control, id } = await begun();
    await control.setWeights('web', { stable: 80, canary: 20 }, ASKING);
    assert.equal(rolloutIn(control, id).phase.at, 'paused');
    assert.deepEqual(web(control).split.weights, { stable: 80, canary: 20 });
    await control.askRollout(id, { type: 'resume' }, ASKING);
    assert.deepEqual(web(control).split.weights, { stable: 95, canary: 5 });
    await control.close();
  });

  test('a rollback of the service ends it', async () => {
    const { control, id } = await begun();
    const change = await control.rollback('web', undefined, ASKING);
    assert.equal(change.to, 'stable');
    const { phase } = rolloutIn(control, id);
    assert.ok(phase.at === 'rolledBack' && phase.cause === 'person', phase.at);
    assert.equal(web(control).trial, undefined);
    await control.close();
  });

  test('a rollback leads to its baseline, even if the candidate held all the traffic by hand since', async () => {
    const { control, id } = await begun();
    await control.setWeights('web', { stable: 0, canary: 100 }, ASKING);
    await control.setWeights('web', { stable: 50, canary: 50 }, ASKING);
    const change = await control.rollback('web', undefined, ASKING);
    assert.equal(change.to, 'stable');
    assert.deepEqual(web(control).split.weights, { stable: 100, canary: 0 });
    assert.equal(rolloutIn(control, id).phase.at, 'rolledBack');
    await control.close();
  });

  test('a rollback ends it even before its first step', async () => {
    const gate = { kind: 'approval', name: 'go', moment: 'start' } as const;
    const { control, id } = await begun({
      ...LAUNCH,
      strategy: { type: 'canary', steps: [5], gates: [gate] },
    });
    assert.equal(rolloutIn(control, id).phase.at, 'waiting');
    await control.rollback('web', 'stable', ASKING);
    assert.equal(rolloutIn(control, id).phase.at, 'rolledBack');
    await control.close();
  });

  test('neither of its versions can be deleted', async () => {
    const gate = { kind: 'approval', name: 'go', moment: 'start' } as const;
    const { control } = await begun({ ...LAUNCH, strategy: { type: 'canary', steps: [5], gates: [gate] } });
    await assert.rejects(
      control.deleteVersion('web', 'canary', ASKING),
      refused('conflict', /abort the rollout first/),
    );
    await control.close();
  });

  test('other endpoints begin its step again, and a reload that changes nothing does not', async () => {
    const { control, id } = await begun();
    await control.reload(SERVICES, ASKING);
    assert.equal(rolloutIn(control, id).epoch, 1);
    await control.putVersion('web', 'canary', { endpoints: ['127.0.0.1:9003'] }, ASKING);
    assert.equal(rolloutIn(control, id).epoch, 2);
    assert.equal(web(control).trial?.epoch, 2);
    await control.close();
  });

  test('what would change nothing is refused with the cure', async () => {
    const { control, id } = await begun();
    await assert.rejects(
      control.askRollout(id, { type: 'resume' }, ASKING),
      refused('conflict', /not paused/),
    );
    await assert.rejects(
      control.askRollout('gone', { type: 'abort' }, ASKING),
      refused('unknown-rollout', new RegExp(`the rollouts are ${id}`)),
    );
    await control.close();
  });
});

test('a build in quarantine is refused until it is released', async () => {
  const { control, id } = await begun({ ...LAUNCH, build: 'abc' });
  const harm = { requests: 20, failures: 20, baselineRequests: 400, baselineFailures: 0, keys: 20 };
  await control.happen(id, { events: [{ type: 'harm', harm, lately: harm }], digest: 'd' }, ASKING);
  assert.deepEqual(web(control).split.weights, { stable: 100, canary: 0 });
  const start = () => control.startRollout('web', { ...LAUNCH, build: 'abc' }, ASKING);
  await assert.rejects(start(), refused('conflict', /release this one from quarantine/));
  await assert.rejects(
    control.releaseQuarantine('web', 'xyz', ASKING),
    refused('unknown-build', /in it are abc/),
  );
  await control.releaseQuarantine('web', 'abc', ASKING);
  assert.equal((await start()).rollout.phase.at, 'stepping');
  await control.close();
});
