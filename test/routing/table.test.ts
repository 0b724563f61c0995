import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Match, Service, State } from '../../src/model/state.ts';
import {
  type Attach,
  compileTable,
  matchConflict,
  resolveService,
  type Table,
} from '../../src/routing/table.ts';

function service(match: readonly Match[], more: Partial<Service> = {}): Service {
  return {
    match: [...match],
    versions: { stable: { endpoints: ['127.0.0.1:9001'] }, canary: { endpoints: ['127.0.0.1:9002'] } },
    split: {
      weights: { stable: 100 },
      salt: 's',
      hashVersion: 1,
      cause: 'seed',
      since: '2024-01-01T00:00:00Z',
    },
    wholes: ['stable'],
    ...more,
  };
}

/** A state of services by name, each written as what leads to it: `host/path`, or `/path` for any host. */
function stateOf(places: Readonly<Record<string, readonly string[]>>): State {
  const services = Object.entries(places).map(([name, all]): [string, Service] => [
    name,
    service(
      all.map((place) => {
        const slash = place.indexOf('/');
        return slash === 0 ? { path: place } : { host: place.slice(0, slash), path: place.slice(slash) };
      }),
    ),
  ]);
  return { revision: 1, services: Object.fromEntries(services) };
}

const lane: Attach<string> = (name, version) => `${name}/${version}`;

function tableOf(places: Readonly<Record<string, readonly string[]>>): Table<string> {
  return compileTable(stateOf(places), undefined, lane);
}

/** The name of the service that a host and target lead to. */
function led(table: Table<string>, host: string, target: string): string | undefined {
  const routes = table.routes(host);
  const found = routes && resolveService(routes, target);
  return typeof found === 'object' ? found.name : found;
}

test('the longest prefix wins, on segment borders', () => {
  const table = tableOf({ root: ['/'], api: ['/api'], users: ['/api/users'], deep: ['/api/users/x/y/z'] });
  for (const [target, name] of [
    ['/', 'root'],
    ['', 'root'],
    ['*', 'root'],
    ['/apix', 'root'],
    ['/ap', 'root'],
    ['/API', 'root'],
    ['/x/api', 'root'],
    ['/api', 'api'],
    ['/api/', 'api'],
    ['/api?x=1', 'api'],
    ['/api/usersx', 'api'],
    ['/api/users', 'users'],
    ['/api/users/', 'users'],
    ['/api/users/x/y', 'users'],
    ['/api/users/x/y/z', 'deep'],
    ['/api/users/x/y/z/1/2/3', 'deep'],
    ['//api//users', 'users'],
    ['/api/users/..', 'api'],
    ['/api/../api/users', 'users'],
    ['/api/%2e%2e/', 'root'],
    ['/%61pi', 'api'],
    ['/x?/api', 'root'],
  ] as const)
    assert.equal(led(table, 'any.host', target), name, target);
});

test('a prefix matches the same with and without a slash at its end', () => {
  const table = tableOf({ root: ['/'], api: ['/api/'] });
  assert.equal(led(table, '', '/api'), 'api');
  assert.equal(led(table, '', '/api/'), 'api');
  assert.equal(led(table, '', '/api/x'), 'api');
  assert.equal(led(table, '', '/apix'), 'root');
});

test('the most exact host wins, and the bare domain is not below itself', () => {
  const table = tableOf({
    shop: ['shop.example.com/'],
    wide: ['*.example.com/'],
    deep: ['*.eu.example.com/'],
    any: ['/'],
  });
  for (const [host, name] of [
    ['shop.example.com', 'shop'],
    ['shop.example.com.', 'shop'],
    ['other.example.com', 'wide'],
    ['a.b.c.example.com', 'wide'],
    ['eu.example.com', 'wide'],
    ['a.eu.example.com', 'deep'],
    ['a.b.eu.example.com', 'deep'],
    ['example.com', 'any'],
    ['.example.com', 'any'],
    ['xexample.com', 'any'],
    ['shop.example.com.evil.org', 'any'],
    ['com', 'any'],
    ['', 'any'],
    ['.', 'any'],
    ['...', 'any'],
    ['127.0.0.1', 'any'],
    ['[::1]', 'any'],
  ] as const)
    assert.equal(led(table, host, '/'), name, host);
});

test('a host of the configuration is read in any case, with or without its last dot', () => {
  const table = tableOf({ shop: ['Shop.Example.COM./'], six: ['[::1]/'] });
  assert.equal(led(table, 'shop.example.com', '/'), 'shop');
  assert.equal(led(table, '[::1]', '/'), 'six');
  assert.equal(table.routes('[::2]'), undefined);
});

test('a path that the more exact host does not know falls through to the less exact ones', () => {
  const table = tableOf({
    shop: ['shop.eu.example.com/api'],
    eu: ['*.eu.example.com/eu'],
    wide: ['*.example.com/wide'],
    any: ['/any'],
  });
  const host = 'shop.eu.example.com';
  assert.equal(led(table, host, '/api/x'), 'shop');
  assert.equal(led(table, host, '/eu'), 'eu');
  assert.equal(led(table, host, '/wide'), 'wide');
  assert.equal(led(table, host, '/any'), 'any');
  assert.equal(led(table, host, '/'), undefined);
  assert.equal(led(table, 'x.example.com', '/eu'), undefined);
  assert.equal(led(table, 'x.example.com', '/any/thing'), 'any');
});

test('a longer path of a less exact host does not beat a shorter one of the exact host', () => {
  const table = tableOf({ exact: ['a.example.com/api'], wide: ['*.example.com/api/users'] });
  assert.equal(led(table, 'a.example.com', '/api/users'), 'exact');
});

test('an encoded separator that would lead to another service is ambiguous; others are let through', () => {
  const table = tableOf({ root: ['/'], api: ['/api'], admin: ['/admin'] });
  for (const target of [
    '/%2fadmin',
    '/admin%2fx',
    '/admin%5Cx',
    '/admin\\x',
    '/api/..%2fadmin',
    '/api/%2e%2e%2Fadmin',
    '/api\\..\\admin',
    '/api/..;/admin',
    '/api/x%5cy%2f..%2f..%2fadmin',
    '/api/x%2fy\\..\\..\\admin',
  ])
    assert.equal(led(table, '', target), 'ambiguous', target);
  assert.equal(led(table, '', '/api/a%2fb'), 'api');
  assert.equal(led(table, '', '/api/a%5cb\\c'), 'api');
  assert.equal(led(table, '', '/x%2fy'), 'root');
  assert.equal(led(table, '', '/api/..%252fadmin'), 'api');
});

test('a separator that would lead from nowhere to a service, or the reverse, is ambiguous too', () => {
  const table = tableOf({ api: ['/api'], admin: ['/admin'] });
  assert.equal(led(table, '', '/x/..%2fapi'), 'ambiguous');
  assert.equal(led(table, '', '/api/..%2fx'), 'ambiguous');
  assert.equal(led(table, '', '/x%2fy'), undefined);
});

test('a target with a broken percent sequence is malformed, where paths matter', () => {
  assert.equal(led(tableOf({ root: ['/'], api: ['/api'] }), '', '/a%zz'), 'malformed');
  assert.equal(led(tableOf({ root: ['/'] }), '', '/a%zz'), 'root');
});

test('a host whose every path leads to one service says so, and only then', () => {
  const table = tableOf({
    one: ['one.org/', 'one.org/api', 'parts.org/', 'some.org/x', 'inner.example.com/x', '*.example.com/'],
    two: ['parts.org/api', '/'],
  });
  assert.equal(table.routes('one.org')?.only?.name, 'one');
  assert.equal(table.routes('inner.example.com')?.only?.name, 'one');
  assert.equal(table.routes('else.org')?.only?.name, 'two');
  assert.equal(table.routes('parts.org')?.only, undefined);
  assert.equal(table.routes('some.org')?.only, undefined);
  assert.equal(tableOf({ api: ['/api'] }).routes('')?.only, undefined);
});

test('a table without services leads nowhere', () => {
  const table = compileTable({ revision: 0, services: {} }, undefined, lane);
  assert.equal(table.routes('a.org'), undefined);
  assert.equal(table.hosts, false);
  assert.deepEqual([...table.services], []);
});

test('a table knows whether any service names a host', () => {
  assert.equal(tableOf({ a: ['/'] }).hosts, false);
  assert.equal(tableOf({ a: ['/'], b: ['b.org/'] }).hosts, true);
  assert.equal(tableOf({ a: ['*.b.org/'] }).hosts, true);
});

test('a service carries its versions with lane, weight and place', () => {
  const table = tableOf({ web: ['/'] });
  const web = table.service('web')!;
  assert.equal(table.revision, 1);
  assert.deepEqual(web.versions, [
    { name: 'stable', index: 0, weight: 100, endpoints: ['127.0.0.1:9001'], lane: 'web/stable' },
    { name: 'canary', index: 1, weight: 0, endpoints: ['127.0.0.1:9002'], lane: 'web/canary' },
  ]);
  assert.equal(web.version('canary'), web.versions[1]);
  assert.equal(web.version('other'), undefined);
  assert.equal(web.split.whole, 0);
  assert.equal(web.key.mint, true);
  assert.equal(web.override, undefined);
  assert.equal(table.service('other'), undefined);
});

test('a change of one service compiles that one; the old table stays as it was', () => {
  const first = stateOf({ a: ['a.org/'], b: ['b.org/'], c: ['/'] });
  const before = compileTable(first, undefined, lane);
  const b = first.services['b']!;
  const split = { ...b.split, weights: { stable: 50, canary: 50 } };
  const attached: string[] = [];
  const after = compileTable(
    { revision: 2, services: { ...first.services, b: { ...b, split } } },
    before,
    (name, version) => {
      attached.push(`${name}/${version}`);
      return `new ${name}/${version}`;
    },
  );
  assert.deepEqual(attached, ['b/stable', 'b/canary']);
  assert.equal(after.service('a'), before.service('a'));
  assert.equal(after.service('c'), before.service('c'));
  assert.equal(after.routes('b.org')?.only, after.service('b'));
  assert.equal(after.service('b')?.split.whole, -1);
  assert.equal(after.service('b')?.versions[0]?.lane, 'new b/stable');
  assert.equal(before.routes('b.org')?.only, before.service('b'));
  assert.equal(before.service('b')?.split.whole, 0);
  assert.equal(after.revision, 2);
});

test('what leads to a service follows the state when services come, go and move', () => {
  const first = stateOf({ a: ['a.org/'], b: ['b.org/'] });
  const before = compileTable(first, undefined, lane);
  const { a, b } = first.services as { a: Service; b: Service };
  const next = (services: State['services']) => compileTable({ revision: 2, services }, before, lane);

  const turned = next({ b, a });
  assert.equal(led(turned, 'a.org', '/'), 'a');
  assert.equal(led(turned, 'b.org', '/'), 'b');
  const without = next({ b });
  assert.equal(without.routes('a.org'), undefined);
  assert.equal(led(without, 'b.org', '/'), 'b');
  const moved = next({ a, b: service([{ host: 'c.org' }]) });
  assert.equal(moved.routes('b.org'), undefined);
  assert.equal(led(moved, 'c.org', '/'), 'b');
  const renamed = next({ a, z: b });
  assert.equal(led(renamed, 'b.org', '/'), 'z');
  const copied = next(structuredClone(first.services) as State['services']);
  assert.equal(led(copied, 'b.org', '/'), 'b');
});

test('two services with the same host and path are a conflict that names both', () => {
  const conflict = (places: Readonly<Record<string, readonly string[]>>) =>
    matchConflict(stateOf(places).services);
  assert.equal(
    conflict({ a: ['shop.org/x', 'shop.org/api'], b: ['SHOP.org/%61pi/'] }),
    'services "a" and "b" both claim shop.org with path /api; give one of them another host or path',
  );
  assert.match(conflict({ a: ['/'], b: ['//'] })!, /both claim any host with path \//);
  assert.match(conflict({ a: ['*.x.org/'], b: ['*.x.org/'] })!, /\*\.x\.org/);
  assert.equal(conflict({ a: ['x.org/'], b: ['*.x.org/'], c: ['/'], d: ['x.org/d'] }), undefined);
  assert.equal(conflict({ a: ['/', '/'] }), undefined);
  assert.throws(() => tableOf({ a: ['/'], b: ['/'] }), {
    name: 'RangeError',
    message: /"a" and "b" both claim/,
  });
});

test('a host or path that cannot be understood is refused with the cure', () => {
  for (const host of ['a.org:80', '*', 'a.*.org', '*a.org', 'https:', 'a..org', 'münchen.de', 'a b'])
    assert.match(
      matchConflict({ a: { match: [{ host }] } })!,
      /service "a": ".*" is not a host; write/,
      host,
    );
  for (const path of ['api', '/a?b', '/a#b', '/%zz'])
    assert.match(
      matchConflict({ a: { match: [{ path }] } })!,
      /service "a": ".*" is not a path; write/,
      path,
    );
});

test('a state that cannot be compiled names the service, and attaches nothing for a conflict', () => {
  const good = stateOf({ a: ['/'] });
  const a = good.services['a']!;
  const bad = { ...a, split: { ...a.split, weights: { stable: 99 } } };
  assert.throws(() => compileTable({ revision: 1, services: { a: bad } }, undefined, lane), {
    name: 'RangeError',
    message: 'service "a": the weights add up to 99, not to 100',
  });
  assert.throws(() =>
    compileTable({ revision: 1, services: { a, b: a } }, undefined, () => assert.fail('attached')),
  );
});

/** What leads where, by the book: look at every service. */
function byTheBook(state: State, host: string, path: string): string | undefined {
  let best: { name: string; rank: number; length: number } | undefined;
  for (const [name, { match }] of Object.entries(state.services)) {
    for (const { host: pattern = '', path: prefix = '/' } of match) {
      const fits =
        pattern === '' ||
        pattern === host ||
        (pattern.startsWith('*.') && host.endsWith(pattern.slice(1)) && host.length >= pattern.length);
      const below = prefix === '/' || path === prefix || path.startsWith(`${prefix}/`);
      if (!fits || !below) continue;
      const rank = pattern === host && host !== '' ? Infinity : pattern.length;
      if (best === undefined || rank > best.rank || (rank === best.rank && prefix.length > best.length))
        best = { name, rank, length: prefix.length };
    }
  }
  return best?.name;
}

test('any services and requests meet as they would if every service were looked at', () => {
  const label = fc.constantFrom('a', 'b', 'cc');
  const name = fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join('.'));
  const host = fc.oneof(
    fc.constant(''),
    name,
    name.map((domain) => `*.${domain}`),
  );
  const path = fc.array(label, { maxLength: 4 }).map((segments) => `/${segments.join('/')}`);
  const place = fc.tuple(host, path).map(([some, prefix]) => some + prefix);
  fc.assert(
    fc.property(
      fc.uniqueArray(place, { maxLength: 14 }),
      fc.array(fc.tuple(name, path), { minLength: 1, maxLength: 14 }),
      (places, requests) => {
        const state = stateOf(Object.fromEntries(places.map((each, i) => [`s${i >> 1}-${i}`, [each]])));
        const table = compileTable(state, undefined, lane);
        for (const [asked, target] of requests)
          assert.equal(led(table, asked, target), byTheBook(state, asked, target), `${asked} ${target}`);
      },
    ),
    { numRuns: 300 },
  );
});

/** How often any map is asked while `work` runs: the cost of a request that no clock can blur. */
function lookups(work: () => void): number {
  const { get } = Map.prototype;
  let count = 0;
  Map.prototype.get = function (key) {
    count++;
    return get.call(this, key);
  };
  try {
    work();
  } finally {
    Map.prototype.get = get;
  }
  return count;
}

test('a request costs the same lookups among one service and among ten thousand', () => {
  const few = { wide: ['*.example.com/'], api: ['s0.example.com/api/v0'] };
  const many: Record<string, readonly string[]> = { ...few };
  for (let i = 1; i < 10_000; i++)
    many[`s${i}`] = i % 3 ? [`s${i}.example.com/api/v${i}`] : [`s0.example.com/p${i}/q`];
  const small = tableOf(few);
  const large = tableOf(many);
  for (const [host, target] of [
    ['s0.example.com', '/api/v0/x/y/z'],
    ['s0.example.com', '/none/of/them'],
    ['deep.below.example.com', '/'],
    ['unknown.org', '/'],
  ] as const) {
    assert.equal(led(small, host, target), led(large, host, target));
    const cost = lookups(() => led(small, host, target));
    assert.equal(
      lookups(() => led(large, host, target)),
      cost,
      `${host} ${target}`,
    );
    assert.ok(cost <= 6, `${cost} lookups`);
  }
  assert.equal(led(large, 's7.example.com', '/api/v7'), 's7');
  assert.equal(led(large, 's0.example.com', '/p9/q/r'), 's9');
});

test('hosts of thousands of labels and paths of thousands of segments cost no more than those registered', () => {
  const table = tableOf({ wide: ['*.b.org/x/y'], any: ['/'] });
  assert.ok(lookups(() => led(table, 'a.'.repeat(8000), '/')) <= 6);
  assert.ok(lookups(() => led(table, 'a.b.org', '/x'.repeat(8000))) <= 8);
});

test('a change of weight among ten thousand services attaches one and builds no map of hosts', (t) => {
  const places = Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`s${i}`, [`s${i}.org/`]]));
  const first = stateOf(places);
  const before = compileTable(first, undefined, lane);
  const s7 = first.services['s7']!;
  const split = { ...s7.split, weights: { stable: 90, canary: 10 } };
  const attach = t.mock.fn(lane);
  const normalised = t.mock.method(String.prototype, 'toLowerCase');
  const after = compileTable(
    { revision: 2, services: { ...first.services, s7: { ...s7, split } } },
    before,
    attach,
  );
  assert.equal(attach.mock.callCount(), 2);
  assert.equal(normalised.mock.callCount(), 0);
  assert.equal(after.routes('s7.org')?.only?.versions[1]?.weight, 10);
  assert.equal(after.routes('s8.org')?.only, before.routes('s8.org')?.only);
});
