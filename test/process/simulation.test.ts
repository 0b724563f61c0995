import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DecisionRecord } from '../../src/model/decision.ts';
import { simulated, told } from '../../src/process/simulation.ts';

test('what other replicas of a fleet decided is not held against the recording of this one, but told of', () => {
  const made = (replica?: string) =>
    ({ harm: {}, digest: 'of nothing here', result: '', ...(replica && { replica }) }) as DecisionRecord;
  const simulation = simulated('r', [], [made('b'), made('a'), made('b'), made()], undefined, 'a');
  assert.deepEqual(simulation.verified, { same: 0, of: 2 });
  assert.deepEqual(simulation.elsewhere, { count: 2, at: ['b'] });
  assert.match(told(simulation), /^2 more decisions were made at b; ask there for those\.$/m);
});
