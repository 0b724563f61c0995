import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { compileKey, findCookie, MINTED_COOKIE } from '../../src/routing/key.ts';

/** The value found, or undefined; the header value lies in the middle of a buffer, as it does in a head. */
function cookie(header: string, name: string): string | undefined {
  const buffer = Buffer.from(`uid=before;${header};uid=after`, 'latin1');
  const span = { start: -1, end: -1 };
  const start = 'uid=before;'.length;
  if (findCookie(buffer, start, start + header.length, Buffer.from(name), span))
    return buffer.toString('latin1', span.start, span.end);
  assert.deepEqual(span, { start: -1, end: -1 });
  return undefined;
}

test('without a policy a key is minted, and the address is not one', () => {
  const minting = { header: undefined, cookie: undefined, mint: true, address: false };
  assert.deepEqual(compileKey(undefined), minting);
  assert.deepEqual(compileKey({}), minting);
});

test('header names are compared in lower case, cookie names as they are', () => {
  assert.deepEqual(compileKey({ header: 'X-User-Id', cookie: 'Uid', mint: false, address: true }), {
    header: Buffer.from('x-user-id'),
    cookie: Buffer.from('Uid'),
    mint: false,
    address: true,
  });
});

test('a cookie is found wherever it stands', () => {
  for (const header of [
    'uid=7',
    'uid=7; b=2',
    'a=1; uid=7',
    'a=1;uid=7;b=2',
    'a=1 ;\tuid=7\t; b=2',
    ' uid=7 ',
    ';;uid=7',
    'uid="7"',
    'uid= 7',
    'uid; uid=7',
    'uid=; uid=7',
    'uid=""; uid=7',
    'uid=7; uid=8',
    'xuid=1; uidx=2; UID=3; u=4; uid=7',
    'a=uid=8; uid=7',
  ])
    assert.equal(cookie(header, 'uid'), '7', header);
});

test('an absent or empty cookie is not found', () => {
  for (const header of [
    '',
    ' ',
    ';',
    'uid',
    'uid=',
    'uid=""',
    'uid= ;',
    'uidx=7',
    'xuid=7',
    'UID=7',
    'a=uid=7',
    'ui',
  ])
    assert.equal(cookie(header, 'uid'), undefined, header);
});

test('a value keeps its equals signs and inner quotes', () => {
  assert.equal(cookie('uid=YQ==', 'uid'), 'YQ==');
  assert.equal(cookie('uid=a"b', 'uid'), 'a"b');
  assert.equal(cookie('uid="', 'uid'), '"');
  assert.equal(cookie('uid=a b', 'uid'), 'a b');
});

test('what a client puts into a jar is found in it again', () => {
  const name = fc.stringMatching(/^[A-Za-z0-9_-]{1,8}$/);
  const value = fc.stringMatching(/^[A-Za-z0-9._=-]{1,12}$/);
  fc.assert(
    fc.property(fc.dictionary(name, value, { noNullPrototype: true }), value, (jar, key) => {
      const all = { ...jar, [MINTED_COOKIE]: key };
      const header = Object.entries(all)
        .map(([each, held]) => `${each}=${held}`)
        .join('; ');
      for (const [each, held] of Object.entries(all)) assert.equal(cookie(header, each), held);
    }),
  );
});
