import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Quarantine } from '../../src/model/state.ts';
import { quarantined, refusedBuild, released } from '../../src/rollout/quarantine.ts';

const bad = (build: string, says = 'it failed'): Quarantine => ({
  build,
  rollout: 'r1',
  since: '2026-03-02T12:00:00.000Z',
  says,
});

test('a build in quarantine is refused with the reason and the cure, any other is not', () => {
  assert.equal(
    refusedBuild([bad('b7')], 'b7'),
    'build "b7" was rolled back by rollout r1 on 2026-03-02T12:00:00.000Z: it failed; deploy another build, or release this one from quarantine',
  );
  assert.equal(refusedBuild([bad('b7')], 'b8'), undefined);
  assert.equal(refusedBuild(undefined, 'b7'), undefined);
});

test('a build is in it once, with what was said last, and the oldest are forgotten', () => {
  assert.deepEqual(quarantined([bad('b7'), bad('b8')], bad('b7', 'again')), [bad('b8'), bad('b7', 'again')]);
  assert.deepEqual(quarantined(undefined, bad('b7')), [bad('b7')]);
  let list: readonly Quarantine[] = [];
  for (let i = 0; i < 60; i++) list = quarantined(list, bad(`b${i}`));
  assert.equal(list.length, 50);
  assert.equal(list.at(-1)?.build, 'b59');
});

test('an operator can release a build', () => {
  const list = [bad('b7'), bad('b8')];
  assert.deepEqual(released(list, 'b7'), [bad('b8')]);
  assert.equal(released(list, 'b9'), list);
});
