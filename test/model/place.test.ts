import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { placeOf } from '../../src/model/place.ts';

describe('the URL of a Redis', () => {
  test('names one server, sentinels with a group, or a cluster', () => {
    assert.deepEqual(placeOf('redis://10.0.0.7/3'), {
      kind: 'one',
      secure: false,
      nodes: [{ host: '10.0.0.7', port: 6379 }],
      group: '',
      db: 3,
      username: undefined,
      password: undefined,
    });
    const sentinel = placeOf('rediss+sentinel://ada:p%40ss@s1:26380,[::1]/mymaster/2');
    assert.deepEqual(sentinel, {
      kind: 'sentinel',
      secure: true,
      nodes: [
        { host: 's1', port: 26380 },
        { host: '::1', port: 26379 },
      ],
      group: 'mymaster',
      db: 2,
      username: 'ada',
      password: 'p@ss',
    });
    const cluster = placeOf('redis+cluster://c1:7000,c2:7001');
    assert.ok(typeof cluster !== 'string' && cluster.kind === 'cluster' && cluster.nodes.length === 2);
  });

  test('is refused with the cure', () => {
    for (const [url, says] of [
      ['redis://', /write redis:/],
      ['redis://a,b', /one server only/],
      ['redis+sentinel://a', /name the group/],
      ['redis://a/b', /not a database/],
      ['redis+cluster://a/1', /not a database/],
      ['redis://a:b:c', /not a host/],
    ] as const)
      assert.match(String(placeOf(url)), says);
  });
});
