import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { readLink, signLink } from '../../src/gates/link.ts';

const SECRET = 'sixteen letters and more';
const LINK = { id: 'r1.3.approval', rollout: 'r1', gate: 'qa', expires: 2000 };

test('A link says what it approves until it expires', () => {
  const text = signLink(SECRET, LINK);
  assert.match(text, /^[A-Za-z0-9_.-]+$/);
  assert.deepEqual(readLink(SECRET, text, 1999), LINK);
  assert.match(
    String(readLink(SECRET, text, 2000)),
    /expired at 1970-01-01T00:00:02.000Z; approve with a token/,
  );
});

test('Whatever is said, the link says it back', () => {
  const link = fc
    .tuple(fc.string(), fc.string(), fc.string(), fc.integer({ min: 1 }))
    .map(([id, rollout, gate, expires]) => ({ id, rollout, gate, expires }));
  fc.assert(fc.property(link, (link) => assert.deepEqual(readLink(SECRET, signLink(SECRET, link), 0), link)));
});

test('No other text is a link', () => {
  const text = signLink(SECRET, LINK);
  const [fields = '', signed = ''] = text.split('.');
  const forged = Buffer.from(JSON.stringify(['r1.3.approval', 'r2', 'qa', 2000])).toString('base64url');
  const plain = createHmac('sha256', SECRET).update(fields).digest('base64url');
  for (const other of [
    '',
    '.',
    fields,
    `${fields}.`,
    `${fields}.${signed.slice(1)}`,
    `${forged}.${signed}`,
    `${fields}.${plain}`,
    `${text}.`,
    `${text}.${signed}`,
    signLink('another secret of some length', LINK),
  ])
    assert.match(String(readLink(SECRET, other, 0)), /was not made here/, other);
});
