import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasAlready, ifMatch } from '../../src/admin/precondition.ts';

test('If-Match names a revision, or with a star none', () => {
  assert.equal(ifMatch(undefined, 7), undefined);
  assert.equal(ifMatch(' * ', 7), undefined);
  assert.equal(ifMatch('"7"', 7), 7);
  assert.equal(ifMatch('"5"', 7), 5);
  assert.equal(ifMatch('"7", "9"', 7), 7);
  assert.equal(ifMatch('"5","6"', 7), 6);
  assert.equal(ifMatch('"9"', 7), 9, 'another replica may know more than this one');
});

test('tags that were never given out are told from stale ones', () => {
  for (const header of [
    '',
    '7',
    '"7',
    'W/"7"',
    '"seven"',
    '"7" "8"',
    '"7",',
    '*, "7"',
    '"-1"',
    '"7.0"',
    `"${'9'.repeat(16)}"`,
  ])
    assert.throws(() => ifMatch(header, 7), { status: 400, message: /such as "7", or \*/ }, header);
});

test('If-None-Match compares weakly, and ignores what it does not know', () => {
  for (const header of ['"7"', 'W/"7"', '"1", "7"', '*']) assert.ok(hasAlready(header, 7), header);
  for (const header of [undefined, '', '7', '"1"', '"77"']) assert.ok(!hasAlready(header, 7), header);
});
