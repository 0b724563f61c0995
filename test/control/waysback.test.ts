import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WaysBack } from '../../src/control/waysback.ts';
import { memoryStore } from '../../src/store/memory.ts';
import { ASKING, controlOver } from './house.ts';

/** Somebody who knocks at the baseline of a rollout, with a clock that is wound by hand. */
async function knocking() {
  const { control } = await controlOver(memoryStore());
  const strategy = { type: 'override' } as const;
  const { rollout } = await control.startRollout(
    'web',
    { candidate: 'canary', strategy, policy: {} },
    ASKING,
  );
  let [now, there, knocks] = [0, true, 0];
  let goneFor: number | undefined;
  const ways = new WaysBack({
    state: () => control.state(),
    reaches: async (endpoint) => {
      assert.equal(endpoint, '127.0.0.1:9001', 'stable is what can be gone back to');
      knocks++;
      return there;
    },
    roster: { goneFor: (service, version) => (`${service}/${version}` === 'web/stable' ? goneFor : 0) },
    clock: { monotonic: () => now },
  });
  return {
    control,
    ways,
    rollout,
    knocks: () => knocks,
    /** For how long probes have found no endpoint of the baseline that serves. */
    gone(ms: number | undefined) {
      goneFor = ms;
    },
    async pass(ms: number, isThere: boolean) {
      now += ms;
      there = isThere;
      ways.attend();
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

test('a way back is shut by two knocks without an answer, and opened by one with', async () => {
  const { ways, rollout, knocks, pass, control } = await knocking();
  assert.deepEqual(ways.news(rollout), []);
  await pass(0, true);
  assert.deepEqual(ways.news(rollout), []);
  await pass(4999, false);
  assert.equal(knocks(), 1);
  await pass(1, false);
  assert.deepEqual(ways.news(rollout), []);
  await pass(5000, false);
  const shut = 'no endpoint of version "stable" accepts connections';
  assert.deepEqual(ways.news(rollout), [{ type: 'way', shut }]);
  assert.deepEqual(ways.news({ ...rollout, stranded: shut }), []);
  await pass(5000, true);
  assert.deepEqual(ways.news({ ...rollout, stranded: shut }), [{ type: 'way' }]);
  await control.askRollout(rollout.id, { type: 'abort' }, ASKING);
  await pass(5000, true);
  assert.equal(knocks(), 4);
  await ways.close();
  await control.close();
});

test('a way back is shut while no endpoint passes its probes, though they accept connections', async () => {
  const { ways, rollout, gone, pass, control } = await knocking();
  await pass(0, true);
  gone(4999);
  assert.deepEqual(ways.news(rollout), [], 'a restart is no news');
  gone(5000);
  const shut = 'no endpoint of version "stable" passes its probes';
  assert.deepEqual(ways.news(rollout), [{ type: 'way', shut }]);
  assert.deepEqual(ways.news({ ...rollout, stranded: shut }), []);
  gone(undefined);
  assert.deepEqual(ways.news({ ...rollout, stranded: shut }), [{ type: 'way' }]);
  await ways.close();
  await control.close();
});
