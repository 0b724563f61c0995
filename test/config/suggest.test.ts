import assert from 'node:assert/strict';
import { test } from 'node:test';
import { suggest } from '../../src/config/suggest.ts';

test('the nearest word is suggested, if it is near enough', () => {
  const known = ['listen', 'admin', 'store', 'workers', 'timeouts', 'limits', 'services'];
  for (const [word, meant] of [
    ['listn', 'listen'],
    ['lsiten', 'listen'],
    ['Services', 'services'],
    ['service', 'services'],
    ['timeout', 'timeouts'],
    ['timeuots', 'timeouts'],
    ['limit', 'limits'],
    ['colour', undefined],
    ['x', undefined],
    ['', undefined],
  ] as const)
    assert.equal(suggest(word, known), meant, word);
});
