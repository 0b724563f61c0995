import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import * as names from '../../src/http/names.ts';

function kind(name: string): number {
  // Amid other bytes, as in a head.
  const buffer = Buffer.from(`::${name}: `, 'latin1');
  return names.nameKind(buffer, 2, 2 + name.length);
}

const KNOWN = {
  host: names.HOST,
  connection: names.CONNECTION,
  'content-length': names.CONTENT_LENGTH,
  'transfer-encoding': names.TRANSFER_ENCODING,
  cookie: names.COOKIE,
  expect: names.EXPECT,
  upgrade: names.UPGRADE,
  'keep-alive': names.KEEP_ALIVE,
  te: names.HOP,
  'proxy-connection': names.HOP,
  'proxy-authorization': names.HOP,
  'x-forwarded-for': names.X_FORWARDED_FOR,
  'x-forwarded-proto': names.X_FORWARDED_PROTO,
  'x-forwarded-host': names.X_FORWARDED_HOST,
  'x-forwarded-port': names.PROVENANCE,
  'x-forwarded-anything': names.PROVENANCE,
  forwarded: names.PROVENANCE,
  'x-real-ip': names.PROVENANCE,
  'x-request-id': names.X_REQUEST_ID,
  date: names.DATE,
  'x-spillway-version': names.X_SPILLWAY_VERSION,
  'x-spillway-anything': names.OURS,
};

test('a name means the same in letters of any case', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...Object.entries(KNOWN)),
      fc.infiniteStream(fc.boolean()),
      ([name, meant], upper) => {
        const mixed = Array.from(name, (char) => (upper.next().value ? char.toUpperCase() : char)).join('');
        assert.equal(kind(mixed), meant, mixed);
      },
    ),
  );
});

test('a name that only resembles one that is known means nothing', () => {
  for (const name of [
    'hos',
    'hosts',
    'h\x4fsu',
    'content-lengt',
    'content-lengths',
    'content\rlength',
    'content-\x0cength',
    'x-forwarded-',
    'x-spillway-',
    'x-spillwa',
    'y-spillway-version',
    'x-forwardedfor',
    'traceparent',
    'x',
    'x'.repeat(200),
  ])
    assert.equal(kind(name), names.OTHER, name);
});

test('one letter changed makes another name of it', () => {
  fc.assert(
    fc.property(
      fc.constantFrom('host', 'connection', 'content-length', 'transfer-encoding', 'x-request-id'),
      fc.nat(),
      fc.constantFrom(...'abcdefghijklmnopqrstuvwxyz0123456789-'),
      (name, place, char) => {
        const at = place % name.length;
        const changed = name.slice(0, at) + char + name.slice(at + 1);
        fc.pre(changed !== name);
        assert.equal(kind(changed), names.OTHER, changed);
      },
    ),
  );
});
