import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseDuration } from '../../src/admin/duration.ts';

test('durations are whole milliseconds or seconds', () => {
  assert.equal(parseDuration('500ms'), 500);
  assert.equal(parseDuration('2s'), 2000);
  assert.equal(parseDuration('0s'), 0);
  for (const text of ['', '2', 's', '1.5s', '2m', '-1s', '2 s', '100000ms', '2sec'])
    assert.equal(parseDuration(text), undefined, text);
});
