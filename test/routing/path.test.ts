import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { normalisePath, normalisePrefix } from '../../src/routing/path.ts';

/** [target, path, another reading if there is one] */
const CASES: readonly (readonly [target: string, path: string, reading?: string])[] = [
  ['/', '/'],
  ['', '/'],
  ['?a=/../b', '/'],
  ['*', '/'],
  ['/api', '/api'],
  ['/api/', '/api/'],
  ['/api?x=%zz', '/api'],
  ['/api/?', '/api/'],
  ['//', '/'],
  ['//api', '/api'],
  ['/api//users///7', '/api/users/7'],
  ['/a/../b', '/b'],
  ['/a/./b', '/a/b'],
  ['/a/.', '/a/'],
  ['/a/..', '/'],
  ['/a/b/..', '/a/'],
  ['/..', '/'],
  ['/../../..//etc', '/etc'],
  ['/.', '/'],
  ['/.well-known/x', '/.well-known/x'],
  ['/...', '/...'],
  ['/..a/a..', '/..a/a..'],
  ['/a/%2e%2e/b', '/b'],
  ['/a/%2E./b', '/b'],
  ['/a/.%2e/b', '/b'],
  ['/%2e/b', '/b'],
  ['/%61pi/%7Euser/%2D%5f', '/api/~user/-_'],
  ['/%41', '/A'],
  ['/caf%c3%a9', '/caf%C3%A9'],
  ['/a%20b', '/a%20b'],
  ['/a%3fb', '/a%3Fb'],
  ['/a%00b', '/a%00b'],
  ['/%252f', '/%252f'],
  ['/%252e%252e/a', '/%252e%252e/a'],
  ['/%25%32%66', '/%252f'],
  ['/a;v=1/b', '/a;v=1/b'],
  ['/a%2fb', '/a%2Fb', '/a/b'],
  ['/a%2Fb%2f', '/a%2Fb%2F', '/a/b/'],
  ['/a%5cb', '/a%5Cb', '/a/b'],
  ['/a\\b', '/a\\b', '/a/b'],
  ['/a/..%2fb', '/a/..%2Fb', '/b'],
  ['/a/%2e%2e%2fb', '/a/..%2Fb', '/b'],
  ['/a/..\\..\\b', '/a/..\\..\\b', '/b'],
  ['/a%2f%2fb', '/a%2F%2Fb', '/a/b'],
  ['/a/..;/b', '/a/..;/b', '/b'],
  ['/a/%2e.;x=1/b', '/a/..;x=1/b', '/b'],
  ['/a/.;/b', '/a/.;/b', '/a/b'],
];

test('a target is matched in its normal form', () => {
  for (const [target, path, reading] of CASES) {
    const readings = reading === undefined ? [] : [path, reading];
    assert.deepEqual(normalisePath(target), { path, readings }, JSON.stringify(target));
  }
});

test('separators of several kinds are read in every way', () => {
  assert.deepEqual(normalisePath('/api/x%5cy%2f..%2f..%2fadmin')?.readings, [
    '/api/x%5Cy%2F..%2F..%2Fadmin',
    '/admin',
    '/api/x/y%2F..%2F..%2Fadmin',
    '/api/admin',
  ]);
});

test('what is no path is told apart', () => {
  for (const target of ['api', 'http://a/b', '**', '/%', '/%2', '/%zz', '/a%2g/b', '/%%41', '/ok/%e'])
    assert.equal(normalisePath(target), undefined, target);
});

test('a path of thousands of segments is resolved', () => {
  assert.equal(normalisePath('/a'.repeat(8000))?.path, '/a'.repeat(8000));
  assert.equal(normalisePath(`${'/a'.repeat(4000)}${'/..'.repeat(4001)}/b`)?.path, '/b');
});

const pieces = fc.array(
  fc.constantFrom('/', '/', '.', '..', '%2e', '%2E', '%2f', '%5C', '\\', 'a', 'b', '%41', '%25', ';x', '?'),
  { maxLength: 24 },
);

test('a normal form has nothing left to normalise', () => {
  fc.assert(
    fc.property(pieces, (some) => {
      const normal = normalisePath(`/${some.join('')}`);
      assert.ok(normal);
      for (const path of [normal.path, ...normal.readings]) {
        assert.match(path, /^\//);
        assert.doesNotMatch(path, /\/\/|\/\.\.?(\/|$)/);
        assert.equal(normalisePath(path)?.path, path);
      }
    }),
  );
});

test('dot segments are resolved as the URL standard resolves them', () => {
  const segment = fc.constantFrom('a', 'b', 'c.d', '.', '..', '%2e', '%2E%2e', '.%2e', '...');
  fc.assert(
    fc.property(fc.array(segment, { minLength: 1, maxLength: 12 }), (segments) => {
      const path = `/${segments.join('/')}`;
      // The URL standard keeps the empty segments that climbing above a slash leaves; there are none here.
      assert.equal(normalisePath(path)?.path, new URL(`http://host${path}`).pathname);
    }),
  );
});

test('a prefix is written as people read it, with or without a slash at its end', () => {
  const cases: Readonly<Record<string, string>> = {
    '/': '',
    '/api': '/api',
    '/api/': '/api',
    '//api//v1/': '/api/v1',
    '/café': '/caf%C3%A9',
    '/a b': '/a%20b',
    '/%7euser': '/~user',
  };
  for (const [prefix, normal] of Object.entries(cases)) assert.equal(normalisePrefix(prefix), normal);
  for (const prefix of ['', 'api', '/a?b', '/a#b', '/%zz'])
    assert.equal(normalisePrefix(prefix), undefined, prefix);
});
