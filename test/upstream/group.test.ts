import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import type { Outcomes } from '../../src/model/health.ts';
import { Group } from '../../src/upstream/group.ts';
import { Resolver } from '../../src/upstream/resolver.ts';
import { atEnd } from '../support/end.ts';
import type { Draft } from '../support/site.ts';
import { BROKEN, docOf, HandWorld, SOUND } from './world.ts';

const [A, B, C, D] = [1, 2, 3, 4].map((i) => `10.0.0.${i}:80`) as [string, string, string, string];

function groupOf(t: TestContext | undefined, endpoints: readonly string[], more: Partial<Draft> = {}) {
  const world = new HandWorld();
  let told = 0;
  const doc = (names: readonly string[], over: Partial<Draft> = {}) =>
    docOf({ versions: { v: names }, ...more, ...over });
  const group = new Group('app', 'v', doc(endpoints), world, () => told++);
  if (t) atEnd(t, () => group.close());
  return {
    world,
    group,
    doc,
    told: () => told,
    used: () => group.members.filter(({ used }) => used).map(({ name }) => name),
    state: (name: string) => group.view().find(({ endpoint, address = endpoint }) => address === name)!,
    note: (endpoint: string, seen: Partial<Outcomes>) =>
      group.note({ endpoint, requests: 0, errors: 0, streak: 0, ...seen }),
  };
}

test('an endpoint is used until a probe says otherwise, and again when probes say so', async (t) => {
  const { world, group, used, state, told } = groupOf(t, [A, B], { health: { path: '/up' } });
  assert.deepEqual(used(), [A, B]);
  assert.equal(state(A).state, 'unknown');
  world.findings.set(A, BROKEN);
  await world.turn();
  assert.deepEqual(used(), [B], 'the first probe decides alone');
  assert.deepEqual(state(A), {
    endpoint: A,
    state: 'down',
    used: false,
    says: 'it answers 500',
    since: '2026-01-01T12:00:00.000Z',
  });
  assert.deepEqual(group.standing?.endpoints, { [A]: [{ out: 'down' }], [B]: [{ out: false }] });
  world.findings.set(A, SOUND);
  await world.turn();
  assert.deepEqual(used(), [B], 'it takes two to come back');
  await world.turn();
  assert.deepEqual(used(), [A, B]);
  assert.equal(told(), 2);
  assert.deepEqual(
    world.lines.map(({ level, message }) => `${level}: ${message}`),
    ['warn: an endpoint is down', 'info: an endpoint is up', 'info: an endpoint is up'],
  );
});

test('a single probe that fails changes nothing, and probing never ends', async (t) => {
  const { world, used } = groupOf(t, [A], { health: {} });
  for (let i = 0; i < 50; i++) {
    world.findings.set(A, i % 3 === 2 ? SOUND : BROKEN);
    if (i > 0) await world.turn();
  }
  assert.equal(world.probed.length, 49);
  assert.deepEqual(used(), [], 'as it began with a failure, and never had two sound ones in a row');
});

test('a version is gone from when its last endpoint went', async (t) => {
  const { world, group } = groupOf(t, [A, B], { health: {} });
  world.findings.set(A, BROKEN);
  await world.turn();
  assert.equal(group.goneFor, undefined);
  world.findings.set(B, BROKEN);
  await world.turn(3);
  world.clock.wind(4000);
  assert.equal(group.goneFor, 4000);
  world.findings.set(B, SOUND);
  await world.turn(2);
  assert.equal(group.goneFor, undefined);
});

test('faults in a row eject an endpoint for a time that doubles', (t) => {
  const { world, group, used, note, state } = groupOf(t, [A, B]);
  note(A, { requests: 4, errors: 4, streak: 4 });
  assert.deepEqual(used(), [A, B]);
  for (const [time, says] of [
    [10_000, 'it failed 5 times in a row; it is left alone for 10 s'],
    [20_000, 'it failed 5 times in a row; it is left alone for 20 s'],
    [40_000, 'it failed 5 times in a row; it is left alone for 40 s'],
  ] as const) {
    note(A, { requests: 1, errors: 1, streak: 5 });
    assert.deepEqual(used(), [B]);
    assert.equal(state(A).says, says);
    world.clock.wind(time - 1);
    assert.equal(group.review(), true);
    assert.deepEqual(used(), [B]);
    world.clock.wind(1);
    group.review();
    assert.deepEqual(used(), [A, B]);
    assert.equal(state(A).says, 'its time alone is over');
  }
  assert.equal(group.members[0]!.ejections, 3);
  assert.equal(group.review(), false, 'nothing more comes of time');
  world.clock.wind(30_000);
  note(A, { requests: 1, errors: 1, streak: 5 });
  assert.match(state(A).says, /10 s$/, 'three quiet times forgive three ejections');
});

test('at whatever rhythm an endpoint comes and goes, each time it is left alone twice as long, up to the longest', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 20_000 }),
      fc.integer({ min: 1, max: 50 }),
      fc.array(fc.double({ min: 0, max: 0.999, noNaN: true }), { minLength: 1, maxLength: 12 }),
      (base, times, rhythm) => {
        const longest = base * times;
        const { world, group, used, note } = groupOf(undefined, [A, B], { ejection: { base, longest } });
        for (const [i, quiet] of rhythm.entries()) {
          note(A, { requests: 5, errors: 5, streak: 5 });
          const time = Math.min(base * 2 ** i, longest);
          world.clock.wind(time - 1);
          group.review();
          assert.deepEqual(used(), [B]);
          world.clock.wind(1);
          group.review();
          assert.deepEqual(used(), [A, B]);
          // Less than what forgives one.
          world.clock.wind(Math.floor(quiet * base));
          group.review();
        }
        group.close();
      },
    ),
  );
});

test('the one that fails more often than the others is ejected, and nobody when all fail', (t) => {
  const { world, group, used, note } = groupOf(t, [A, B, C]);
  const interval = (errors: readonly [number, number, number]) => {
    for (const [i, endpoint] of [A, B, C].entries()) note(endpoint, { requests: 100, errors: errors[i]! });
    world.clock.wind(10_000);
    group.review();
  };
  interval([90, 90, 90]);
  assert.deepEqual(used(), [A, B, C]);
  interval([5, 60, 5]);
  assert.deepEqual(used(), [A, C]);
});

test('outcomes are compared within their interval, and not added up over hours', (t) => {
  const { world, group, used, note } = groupOf(t, [A, B]);
  for (let i = 0; i < 20; i++) {
    note(A, { requests: 10, errors: 9 });
    note(B, { requests: 10 });
    world.clock.wind(10_000);
    group.review();
  }
  assert.deepEqual(used(), [A, B], 'ten requests in an interval are too few');
});

test('with too few left, ejected endpoints are used, but not those that probes say are down', async (t) => {
  const { world, used, note, state } = groupOf(t, [A, B, C, D], { health: {} });
  await world.turn();
  note(A, { requests: 5, errors: 5, streak: 5 });
  note(B, { requests: 5, errors: 5, streak: 5 });
  note(C, { requests: 5, errors: 5, streak: 5 });
  assert.deepEqual(used(), [C, D], 'half is the most');
  world.findings.set(D, BROKEN);
  await world.turn(3);
  assert.deepEqual(used(), [A, B, C]);
  assert.deepEqual([state(A).state, state(A).used], ['ejected', true]);
});

test('probes that find an endpoint sound end its ejection early, and less readily each time', async (t) => {
  const { world, used, note, state } = groupOf(t, [A, B], { health: { path: '/up' } });
  await world.turn(5);
  for (const [probes, says] of [
    [2, 'it failed 5 times in a row; it is left alone for 10 s, or until 2 probes in a row find it sound'],
    [4, 'it failed 5 times in a row; it is left alone for 20 s, or until 4 probes in a row find it sound'],
  ] as const) {
    note(A, { requests: 5, errors: 5, streak: 5 });
    assert.equal(state(A).says, says);
    world.findings.set(A, SOUND);
    await world.turn();
    world.findings.set(A, BROKEN);
    await world.turn();
    world.findings.set(A, SOUND);
    await world.turn(probes - 1);
    assert.deepEqual(used(), [B], 'only those in a row count');
    await world.turn();
    assert.deepEqual(used(), [A, B]);
    assert.equal(state(A).state, 'up');
  }
});

test('probes by gRPC answer too, and so end an ejection early', async (t) => {
  const { world, used, note } = groupOf(t, [A, B], { health: { grpc: true } });
  await world.turn();
  note(A, { requests: 5, errors: 5, streak: 5 });
  assert.deepEqual(used(), [B]);
  await world.turn(2);
  assert.deepEqual(used(), [A, B]);
});

test('what came by connections that a version does not use says nothing of its endpoints', (t) => {
  const failures = { requests: 5, errors: 5, streak: 5 };
  const sharing = groupOf(t, [A, B]);
  sharing.note(A, { ...failures, owner: 'other' });
  assert.deepEqual(sharing.used(), [A, B]);
  sharing.note(A, failures);
  assert.deepEqual(sharing.used(), [B]);

  const limited = groupOf(t, [A, B], { limits: { connections: 4 } });
  limited.note(A, failures);
  assert.deepEqual(limited.used(), [A, B]);
  limited.note(A, { ...failures, owner: 'app' });
  assert.deepEqual(limited.used(), [B]);

  const bounded = groupOf(t, [A, B], { versionLimits: { connections: 4 } });
  bounded.note(A, { ...failures, owner: 'app' });
  assert.deepEqual(bounded.used(), [A, B]);
  bounded.note(A, { ...failures, owner: 'app/v' });
  assert.deepEqual(bounded.used(), [B]);
});

test('an ejection that probes could not have caused is not theirs to end', async (t) => {
  const share = groupOf(t, [A, B], { health: { path: '/up' } });
  share.note(A, { requests: 100, errors: 60 });
  share.note(B, { requests: 100 });
  share.world.clock.wind(10_000);
  share.group.review();
  assert.deepEqual(share.used(), [B]);
  await share.world.turn(20);
  assert.deepEqual(share.used(), [B], 'a share of errors is nothing that a probe sees');
  const connecting = groupOf(t, [A, B], { health: {} });
  connecting.note(A, { requests: 5, errors: 5, streak: 5 });
  await connecting.world.turn(20);
  assert.deepEqual(connecting.used(), [B], 'a process that is frozen accepts connections all the same');
});

for (const [what, broken] of [
  ['throws', () => Promise.reject(new Error('too many open files'))],
  [
    'throws at once',
    () => {
      throw new Error('too many open files');
    },
  ],
] as const)
  test(`a probe that ${what} has failed, and is not the last`, async (t) => {
    const { world, used, state } = groupOf(t, [A, B], { health: {} });
    const { probe } = world;
    world.probe = async (at) => (at.endpoint === A ? broken() : probe(at));
    await world.turn(5);
    assert.deepEqual(used(), [B]);
    assert.equal(state(A).says, 'it could not be probed: too many open files');
    world.probe = probe;
    await world.turn(3);
    assert.deepEqual(used(), [A, B]);
  });

test('an only endpoint is never ejected, whatever it does', (t) => {
  const { used, note } = groupOf(t, [A]);
  note(A, { requests: 1000, errors: 1000, streak: 1000 });
  assert.deepEqual(used(), [A]);
});

test('in any weather no more than the greatest share is ejected, and one that serves is used', async () => {
  const event = fc.oneof(
    fc.record({ fault: fc.nat(5) }),
    fc.record({ down: fc.nat(5) }),
    fc.record({ up: fc.nat(5) }),
    fc.record({ wind: fc.integer({ min: 0, max: 400_000 }) }),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 6 }),
      fc.integer({ min: 0, max: 100 }),
      fc.integer({ min: 0, max: 100 }),
      fc.array(event, { maxLength: 30 }),
      async (count, maxShare, panic, events) => {
        const names = Array.from({ length: count }, (_, i) => `10.0.0.${i + 1}:80`);
        const { world, group, note, used } = groupOf(undefined, names, {
          health: { rise: 1, fall: 1 },
          ejection: { maxShare, panic },
        });
        for (const each of events) {
          if ('fault' in each) note(names[each.fault % count]!, { requests: 9, errors: 9, streak: 9 });
          else if ('wind' in each) world.clock.wind(each.wind);
          else if ('up' in each) world.findings.set(names[each.up % count]!, SOUND);
          else world.findings.set(names[each.down % count]!, BROKEN);
          await world.turn();
          group.review();
          const { members } = group;
          const ejected = members.filter((member) => member.ejected).length;
          assert.ok(ejected * 100 <= maxShare * count);
          assert.ok(
            members.every((member) => !(member.down && member.used)),
            'none that is down is used',
          );
          const fit = members.filter((member) => !member.down && !member.ejected);
          assert.ok(
            fit.every(({ used: one }) => one),
            'all that are fit are used',
          );
          const serving = members.filter(({ down }) => !down).length;
          if (fit.length * 100 < panic * count) assert.equal(used().length, serving);
        }
        group.close();
      },
    ),
    { numRuns: 50 },
  );
});

test('one that comes back, or joins later, works up to its share', async (t) => {
  const { world, group, doc } = groupOf(t, [A, B], { health: {}, slowStart: 5000 });
  world.findings.set(A, BROKEN);
  await world.turn();
  world.clock.wind(1000);
  world.findings.set(A, SOUND);
  await world.turn(2);
  world.clock.wind(1500);
  assert.deepEqual(group.standing?.endpoints[A], [{ out: false, back: 1500 }]);
  group.follow(doc([A, B, C]));
  assert.deepEqual(group.standing?.endpoints[B], [{ out: false }]);
  assert.deepEqual(group.standing?.endpoints[C], [{ out: false, back: 0 }]);
  world.clock.wind(3500);
  assert.deepEqual(group.standing?.endpoints[A], [{ out: false }]);
});

test('what is known of an endpoint outlives a reload, and is forgotten when nobody probes any more', async (t) => {
  const { world, group, doc, used } = groupOf(t, [A, B], { health: {} });
  world.findings.set(A, BROKEN);
  await world.turn();
  group.follow(doc([A, B, C], { health: { interval: 500 } }));
  assert.deepEqual(used(), [B, C]);
  group.follow(doc([A, B], { health: undefined } as unknown as Partial<Draft>));
  assert.deepEqual(used(), [A, B]);
  const probed = world.probed.length;
  await world.turn(3);
  assert.equal(world.probed.length, probed);
});

test('every address of a name is one of its own; those that leave are dropped', async (t) => {
  const { world, group, used } = groupOf(t, ['app.internal:80'], { health: {} });
  assert.deepEqual(used(), ['app.internal:80'], 'until it is resolved, connecting resolves it');
  world.names.set('app.internal', ['10.0.0.2', '10.0.0.1', '2001:db8::1']);
  await world.turn(2);
  assert.deepEqual(used(), [A, B]);
  world.findings.set(A, BROKEN);
  await world.turn();
  assert.deepEqual(used(), [B]);
  world.names.set('app.internal', ['10.0.0.3', '10.0.0.1']);
  await world.turn();
  assert.deepEqual(used(), [C], 'what is known of an address that stays is kept');
  world.names.set('app.internal', 'SERVFAIL');
  await world.turn(2);
  assert.deepEqual(used(), [C], 'a name that cannot be resolved keeps its addresses');
  const failures = world.lines.filter(({ message }) => /cannot be resolved/.test(message));
  assert.equal(failures.length, 2, 'once for each reason');
  const seats = group.standing?.endpoints['app.internal:80'] ?? [];
  assert.deepEqual(
    seats.map(({ address, out }) => [address, out]),
    [
      [A, 'down'],
      [C, false],
    ],
  );
});

test('an endpoint whose name never led anywhere says so, and the log tells when a name is resolved again', async (t) => {
  const { world, state } = groupOf(t, ['app.internal:80'], { health: {} });
  world.findings.set('app.internal:80', BROKEN);
  await world.turn(2);
  assert.equal(state('app.internal:80').says, 'its name cannot be resolved: ENOTFOUND');
  for (const answer of [['10.0.0.1'], 'SERVFAIL', ['10.0.0.1']]) {
    world.names.set('app.internal', answer);
    await world.turn(2);
  }
  assert.equal(state(A).says, 'it answers 200');
  assert.deepEqual(
    world.lines.map(({ message }) => message).filter((message) => /name/.test(message)),
    [
      'a name cannot be resolved; it stays as it was',
      'a name has other addresses',
      'a name cannot be resolved; it stays as it was',
      'a name is resolved again, as it was',
    ],
  );
});

test('IPv6 addresses are used where they are asked for, or the only ones', async () => {
  const world = new HandWorld();
  world.names.set('both', ['10.0.0.1', '2001:db8::1']);
  world.names.set('six', ['2001:db8::1']);
  const of = (host: string, family: 'any' | '4' | '6' | 'both') =>
    world.resolver.addresses({ host, port: 80 }, family);
  assert.deepEqual(await of('both', 'any'), ['10.0.0.1:80']);
  assert.deepEqual(await of('six', 'any'), ['[2001:db8::1]:80']);
  assert.deepEqual(await of('both', '6'), ['[2001:db8::1]:80']);
  assert.deepEqual(await of('both', 'both'), ['10.0.0.1:80', '[2001:db8::1]:80']);
  assert.equal(await of('six', '4'), '"six" has no address of family 4');
  assert.equal(await of('none', 'any'), 'ENOTFOUND');
});

test('a resolver that nobody answers has no more than two lookups under way', async () => {
  const answers: (() => void)[] = [];
  const resolver = new Resolver(
    () => new Promise((resolve) => answers.push(() => resolve([{ address: '10.0.0.1', family: 4 }]))),
  );
  const lookups = Array.from({ length: 5 }, (_, i) => resolver.addresses({ host: `n${i}`, port: 1 }, 'any'));
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(answers.length, 2);
  for (let done = 0; done < 5; done++) {
    answers[done]!();
    await lookups[done];
    await new Promise((resolve) => setImmediate(resolve));
    assert.ok(answers.length - done - 1 <= 2);
  }
});
