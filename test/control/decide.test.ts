import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Refusal } from '../../src/control/commands.ts';
import { type Circumstances, type Command, type Decision, decide } from '../../src/control/decide.ts';
import type { Service, State } from '../../src/model/state.ts';
import { type Weights, wholeVersion } from '../../src/model/weights.ts';

const CIRCUMSTANCES: Circumstances = {
  actor: { name: 'ada', role: 'operator' },
  reason: 'a test',
  now: Date.parse('2026-01-01T00:01:00.000Z'),
  salt: 'new salt',
};

function service(
  weights: Weights,
  wholes: readonly string[],
  cause: Service['split']['cause'] = 'weights',
): Service {
  return {
    match: [{ path: '/' }],
    versions: Object.fromEntries(
      Object.keys(weights).map((name) => [name, { endpoints: [`${name}:80`], owner: 'file' }]),
    ),
    split: { weights, salt: 'old salt', hashVersion: 1, cause, since: '2026-01-01T00:00:00.000Z' },
    wholes,
  };
}

function stateOf(web: Service): State {
  return { revision: 5, services: { web, other: service({ v1: 100 }, ['v1']) } };
}

function decided(web: Service, command: Command): Decision | undefined {
  return decide(stateOf(web), command, CIRCUMSTANCES);
}

function next(web: Service, command: Command): Service {
  const decision = decided(web, command);
  assert.ok(decision !== undefined, 'nothing is to be done');
  return decision.services['web']!;
}

function refused(web: Service, command: Command): Refusal {
  try {
    decided(web, command);
  } catch (error) {
    assert.ok(error instanceof Refusal, String(error));
    return error;
  }
  return assert.fail('not refused');
}

const weights = (asked: Weights): Command => ({ type: 'weights', service: 'web', weights: asked });
const rollback = (to?: string): Command => ({ type: 'rollback', service: 'web', to });
const put = (version: string, ...endpoints: string[]): Command => {
  return { type: 'version.put', service: 'web', version, body: { endpoints } };
};
const remove = (version: string): Command => ({ type: 'version.delete', service: 'web', version });

describe('weights', () => {
  const web = service({ stable: 90, canary: 10 }, ['stable']);

  test('are set, with 0 for versions that are left out', () => {
    const { split } = next(service({ a: 100, b: 0, c: 0 }, ['a']), weights({ a: 50, b: 50 }));
    assert.deepEqual(split, {
      weights: { a: 50, b: 50, c: 0 },
      salt: 'old salt',
      hashVersion: 1,
      cause: 'weights',
      since: '2026-01-01T00:01:00.000Z',
    });
  });

  test('leave all other services the same objects', () => {
    const state = stateOf(web);
    const decision = decide(state, weights({ stable: 50, canary: 50 }), CIRCUMSTANCES);
    assert.equal(decision?.services['other'], state.services['other']);
  });

  test('are told to the audit log with who, what, why, before and after', () => {
    assert.deepEqual(decided(web, weights({ stable: 50, canary: 50 }))?.entry, {
      at: '2026-01-01T00:01:00.000Z',
      actor: CIRCUMSTANCES.actor,
      action: 'weights',
      service: 'web',
      reason: 'a test',
      before: { weights: { stable: 90, canary: 10 } },
      after: { weights: { stable: 50, canary: 50 } },
    });
  });

  test('that stand already change nothing', () => {
    assert.equal(decided(web, weights({ canary: 10, stable: 90 })), undefined);
    assert.equal(decided(service({ a: 100, b: 0 }, ['a']), weights({ a: 100 })), undefined);
  });

  test('that become whole take a new salt and are remembered', () => {
    const { split, wholes } = next(web, weights({ canary: 100 }));
    assert.equal(split.salt, 'new salt');
    assert.deepEqual(wholes, ['stable', 'canary']);
  });

  test('that become whole again on the same version are remembered once', () => {
    assert.deepEqual(next(web, weights({ stable: 100 })).wholes, ['stable']);
  });

  test('are remembered twenty times back', () => {
    const many = Array.from({ length: 20 }, (_, n) => `v${n}`);
    const { wholes } = next({ ...web, wholes: many }, weights({ canary: 100 }));
    assert.deepEqual(wholes, [...many.slice(1), 'canary']);
  });

  for (const [asked, why, says] of [
    [{ stable: 99 }, 'invalid', /add up to 99, not to 100/],
    [{ stable: 101, canary: -1 }, 'invalid', /is 101; a weight is a percentage/],
    [{ stable: 90, green: 10 }, 'unknown-version', /no version "green"; the versions are stable, canary/],
    [{ stable: 90, toString: 10 }, 'unknown-version', /no version "toString"/],
    [{}, 'invalid', /add up to 0/],
  ] as const) {
    test(`${JSON.stringify(asked)} are refused as ${why}`, () => {
      const refusal = refused(web, weights(asked));
      assert.equal(refusal.why, why);
      assert.match(refusal.message, says);
    });
  }
});

describe('a rollback', () => {
  /** What stands, what is asked, and what must come of it: the whole version and the trail behind it. */
  const TABLE: ReadonlyArray<
    readonly [what: string, web: Service, to: string | undefined, whole: string, wholes: readonly string[]]
  > = [
    ['from a split goes to the last whole version', service({ a: 90, b: 10 }, ['a']), undefined, 'a', ['a']],
    [
      'from a split on the way back does too',
      service({ a: 50, b: 50 }, ['a', 'b']),
      undefined,
      'b',
      ['a', 'b'],
    ],
    [
      'from a whole version goes to the one before',
      service({ a: 0, b: 100 }, ['a', 'b']),
      undefined,
      'a',
      ['a'],
    ],
    ['goes to the version named', service({ a: 50, b: 50, c: 0 }, ['a']), 'c', 'c', ['a', 'c']],
    [
      'to a version named forgets the one it leaves',
      service({ a: 0, b: 0, c: 100 }, ['a', 'b', 'c']),
      'a',
      'a',
      ['a', 'b', 'a'],
    ],
    [
      'after a rollback still goes to a version named',
      service({ a: 100, b: 0 }, ['a'], 'rollback'),
      'b',
      'b',
      ['b'],
    ],
    [
      'from a split made after a rollback goes back again',
      service({ a: 80, b: 20 }, ['a'], 'weights'),
      undefined,
      'a',
      ['a'],
    ],
    [
      'from a first split goes to the heaviest',
      service({ a: 10, b: 90 }, ['b'], 'seed'),
      undefined,
      'b',
      ['b'],
    ],
  ];
  for (const [what, web, to, whole, wholes] of TABLE) {
    test(what, () => {
      const rolled = next(web, rollback(to));
      assert.equal(wholeVersion(rolled.split.weights), whole);
      assert.deepEqual(rolled.wholes, wholes);
      assert.equal(rolled.split.cause, 'rollback');
      assert.equal(rolled.split.salt, 'new salt');
    });
  }

  test('pressed twice does not go forward again', () => {
    const rolled = next(service({ a: 0, b: 0, c: 100 }, ['a', 'b', 'c']), rollback());
    assert.equal(wholeVersion(rolled.split.weights), 'b');
    assert.equal(decided(rolled, rollback()), undefined);
  });

  test('to where everybody is already changes nothing', () => {
    assert.equal(decided(service({ a: 100, b: 0 }, ['b', 'a']), rollback('a')), undefined);
  });

  test('without anywhere to go names the versions to choose from', () => {
    for (const web of [service({ a: 100, b: 0 }, ['a'], 'seed'), service({ a: 50, b: 50 }, [])]) {
      const refusal = refused(web, rollback());
      assert.equal(refusal.why, 'conflict');
      assert.match(refusal.message, /name one of a, b/);
    }
  });

  test('to no version, or of no service, is refused with those there are', () => {
    const web = service({ a: 50, b: 50 }, ['a']);
    assert.equal(refused(web, rollback('z')).why, 'unknown-version');
    const refusal = refused(web, { type: 'rollback', service: 'none', to: undefined });
    assert.equal(refusal.why, 'unknown-service');
    assert.match(refusal.message, /the services are web, other/);
  });
});

describe('a version', () => {
  const web = service({ stable: 90, canary: 10, old: 0 }, ['old', 'stable']);

  test('that is put is new with weight 0, and belongs to the API', () => {
    const { versions, split } = next(web, put('v42', '127.0.0.1:9042'));
    assert.deepEqual(versions['v42'], { endpoints: ['127.0.0.1:9042'], owner: 'api' });
    assert.deepEqual(split, { ...web.split, weights: { ...web.split.weights, v42: 0 } });
  });

  test('that is put again has other endpoints and the same weight', () => {
    const changed = next(web, put('canary', '127.0.0.1:1', 'unix:/run/a.sock'));
    assert.deepEqual(changed.versions['canary']?.endpoints, ['127.0.0.1:1', 'unix:/run/a.sock']);
    assert.equal(changed.split, web.split);
    assert.equal(decided(changed, put('canary', '127.0.0.1:1', 'unix:/run/a.sock')), undefined);
  });

  test('with endpoints that cannot be reached, or a name that is none, is refused', () => {
    for (const command of [put('v42', 'nowhere'), put('v42', '127.0.0.1:0'), put('bad name', '127.0.0.1:1')])
      assert.equal(refused(web, command).why, 'invalid');
  });

  test('that is deleted leaves the split and the trail', () => {
    const { versions, split, wholes } = next(web, remove('old'));
    assert.deepEqual(Object.keys(versions), ['stable', 'canary']);
    assert.deepEqual(split.weights, { stable: 90, canary: 10 });
    assert.deepEqual(wholes, ['stable']);
  });

  test('that holds traffic, or is the only one, cannot be deleted', () => {
    const refusal = refused(web, remove('canary'));
    assert.equal(refusal.why, 'conflict');
    assert.match(refusal.message, /holds 10 % of the traffic; shift its weight/);
    assert.equal(refused(service({ v1: 100 }, ['v1']), remove('v1')).why, 'conflict');
    assert.equal(refused(web, remove('none')).why, 'unknown-version');
  });
});

describe('the database schema', () => {
  const web = (): Service => ({
    ...service({ stable: 100, canary: 0 }, ['stable']),
    versions: {
      stable: { endpoints: ['a:80'], requires: { schema: '>=11 <14' } },
      canary: { endpoints: ['b:80'], requires: { schema: '>=12' } },
    },
  });
  const schema = (version: string): Command => ({ type: 'schema', service: 'web', schema: version });
  const migrated = (version: string): Service => ({ ...web(), schema: { version, owner: 'api' } });

  test('is said through the API, and saying it again changes nothing', () => {
    const told = next(web(), schema('11'));
    assert.deepEqual(told.schema, { version: '11', owner: 'api' });
    assert.equal(decided(told, schema('11')), undefined);
    const decision = decided(told, schema('12'));
    assert.deepEqual(decision?.entry.before, { schema: '11' });
    assert.deepEqual(decision.entry.after, { schema: '12' });
  });

  test('is refused while a version that is needed cannot live with it', () => {
    assert.match(
      refused(web(), schema('14')).message,
      /^version "stable" requires schema >=11 <14, which 14/,
    );
    const { stable: _, ...versions } = web().versions;
    const alone = { ...web(), versions, split: { ...web().split, weights: { canary: 100 } }, wholes: [] };
    assert.equal(next(alone, schema('14')).schema?.version, '14');
  });

  test("that the file names is the file's", () => {
    const owned: Service = { ...web(), schema: { version: '12', owner: 'file' } };
    assert.match(refused(owned, schema('13')).message, /the config file says that schema 12 holds/);
  });

  test('lets no rollout start to a version that requires another, or of which nobody has told', () => {
    const start: Command = {
      type: 'rollout.start',
      service: 'web',
      id: 'r1',
      launch: { candidate: 'canary', strategy: { type: 'canary', steps: [5] }, policy: {} },
    };
    assert.match(refused(web(), start).message, /nobody has said which one holds/);
    assert.match(refused(migrated('11'), start).message, /requires schema >=12, and 11 holds; migrate/);
    assert.equal(next(migrated('12'), start).split.weights['canary'], 5);
  });

  test('lets no contract step be approved while a version is needed that cannot live with it', () => {
    const gates = [
      { kind: 'schema', name: 'contract', schema: '14', moment: 'start' },
      { kind: 'approval', name: 'dba', moment: 'start' },
    ] as const;
    const launch = {
      candidate: 'canary',
      strategy: { type: 'canary', steps: [5], gates },
      policy: {},
    } as const;
    const begun = decided(migrated('12'), { type: 'rollout.start', service: 'web', id: 'r1', launch })!;
    const state: State = { revision: 6, services: begun.services, rollouts: begun.rollouts! };
    const approve: Command = { type: 'rollout.ask', rollout: 'r1', event: { type: 'approve', by: 'ada' } };
    assert.throws(
      () => decide(state, approve, CIRCUMSTANCES),
      /schema "contract": version "stable" requires schema >=11 <14, which 14 is not; take its weight away/,
    );
  });

  test('a version that is put says what it requires', () => {
    const body = { endpoints: ['c:80'], requires: { schema: '>=13' } };
    const put: Command = { type: 'version.put', service: 'web', version: 'v3', body };
    assert.deepEqual(next(web(), put).versions['v3'], { ...body, owner: 'api' });
  });
});

describe('a reload', () => {
  const file = { match: [{ path: '/' }], versions: { v1: { endpoints: ['a:1'] } }, weights: { v1: 100 } };

  test('of an empty state seeds it, every service with a salt of its own', () => {
    const command: Command = { type: 'reload', services: { web: file, api: file } };
    const decision = decide({ revision: 0, services: {} }, command, CIRCUMSTANCES);
    assert.equal(decision?.entry.action, 'seed');
    assert.equal(decision?.services['web']?.split.salt, 'new salt.web');
    assert.equal(decision?.services['api']?.split.salt, 'new salt.api');
    const seeded = { revision: 1, services: decision!.services };
    assert.equal(decide(seeded, command, CIRCUMSTANCES), undefined);
  });

  test('tells the audit log which services it touched, and nothing of their secrets', () => {
    const secret = { ...file, override: { secret: 'sixteen letters!' } };
    const first = decide(
      { revision: 0, services: {} },
      { type: 'reload', services: { a: file, b: file, c: file } },
      CIRCUMSTANCES,
    );
    const second = decide(
      { revision: 1, services: first!.services },
      { type: 'reload', services: { a: file, b: secret, d: file } },
      CIRCUMSTANCES,
    );
    assert.equal(second?.entry.action, 'reload');
    assert.deepEqual(second?.entry.after, { added: ['d'], removed: ['c'], changed: ['b'] });
  });

  test('that drops a version with traffic is refused', () => {
    const refusal = refused(service({ stable: 90, canary: 10 }, ['stable']), {
      type: 'reload',
      services: { web: { ...file, versions: { stable: { endpoints: ['a:1'] } }, weights: { stable: 100 } } },
    });
    assert.equal(refusal.why, 'conflict');
    assert.match(refusal.message, /"canary", which holds 10 %/);
  });
});
