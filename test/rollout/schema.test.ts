import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Service } from '../../src/model/state.ts';
import { inRange, neededVersions, schemaConflict } from '../../src/rollout/schema.ts';

test('schemas are compared as numbers, part by part', () => {
  const cases: readonly (readonly [string, string, boolean])[] = [
    ['12', '>=12', true],
    ['11', '>=12', false],
    ['100', '>=12', true],
    ['12.10', '>12.9', true],
    ['12.0.0', '12', true],
    ['12.1', '12', false],
    ['14', '>=12 <15', true],
    ['15', '>=12 <15', false],
    ['15', '>=12 <=15.0', true],
    ['12', '=12', true],
  ];
  for (const [schema, range, expected] of cases)
    assert.equal(inRange(schema, range), expected, `${schema} in ${range}`);
});

test('nothing is in what is no range', () => {
  for (const range of ['', 'new', '>= 12', '>=12,<15', '^12', '>=1.2.3.4'])
    assert.equal(inRange('12', range), false, range);
});

test('a contract step waits for every version that still holds traffic or can be rolled back to', () => {
  const versions = {
    stable: { requires: { schema: '<13' } },
    canary: { requires: { schema: '>=12' } },
    plain: {},
  };
  assert.match(
    String(schemaConflict('13', versions, ['canary', 'stable'])),
    /^version "stable" requires schema <13, which 13 is not; take its weight away/,
  );
  assert.equal(schemaConflict('13', versions, ['canary', 'plain', 'gone']), undefined);
  assert.match(String(schemaConflict('11', versions, ['canary'])), /"canary" requires schema >=12/);
});

test('versions that serve, that are named, and that can be rolled back to are needed', () => {
  const service = { split: { weights: { now: 100, idle: 0 } }, wholes: ['before'] } as unknown as Service;
  assert.deepEqual(neededVersions(service, 'next'), ['now', 'next', 'before']);
});
