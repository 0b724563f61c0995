import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pointedAt } from '../../src/gates/pointer.ts';

test('Every example of RFC 6901 is found', () => {
  const document = {
    foo: ['bar', 'baz'],
    '': 0,
    'a/b': 1,
    'c%d': 2,
    'e^f': 3,
    'g|h': 4,
    'i\\j': 5,
    'k"l': 6,
    ' ': 7,
    'm~n': 8,
  };
  for (const [pointer, wanted] of [
    ['', document],
    ['/foo', ['bar', 'baz']],
    ['/foo/0', 'bar'],
    ['/', 0],
    ['/a~1b', 1],
    ['/c%d', 2],
    ['/e^f', 3],
    ['/g|h', 4],
    ['/i\\j', 5],
    ['/k"l', 6],
    ['/ ', 7],
    ['/m~0n', 8],
  ] as const)
    assert.deepEqual(pointedAt(document, pointer), wanted, pointer);
});

test('Where nothing is, nothing is found', () => {
  const document = { list: [1], text: 'abc', none: null, '~1': 2 };
  for (const pointer of [
    '/toString',
    '/__proto__',
    '/list/length',
    '/list/1',
    '/list/00',
    '/list/-',
    '/text/0',
    '/none/a',
  ])
    assert.equal(pointedAt(document, pointer), undefined, pointer);
  assert.equal(pointedAt(document, '/none'), null);
  assert.equal(pointedAt(document, '/~01'), 2);
});
