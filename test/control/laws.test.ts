import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { mergeStructure } from '../../src/config/merge.ts';
import type { ServiceCommand } from '../../src/control/change.ts';
import { Refusal } from '../../src/control/commands.ts';
import type { Control } from '../../src/control/control.ts';
import { type Command, decide } from '../../src/control/decide.ts';
import { EMPTY } from '../../src/model/empty.ts';
import type { Service, ServiceConfig, State } from '../../src/model/state.ts';
import { weightsFault, wholeVersion } from '../../src/model/weights.ts';
import { memoryStore } from '../../src/store/memory.ts';
import { ASKING, controlOver } from './house.ts';

const NAMES = ['a', 'b', 'c', 'd'] as const;
const name = fc.constantFrom(...NAMES);

/** Weights that add up, over any of the names, cut at random places between 0 and 100. */
const weights = fc
  .tuple(
    fc.shuffledSubarray([...NAMES], { minLength: 1 }),
    fc.array(fc.integer({ min: 0, max: 100 }), { minLength: 3, maxLength: 3 }),
  )
  .map(([names, cuts]) => {
    const edges = [0, ...cuts.slice(0, names.length - 1).sort((x, y) => x - y), 100];
    return Object.fromEntries(names.map((each, index) => [each, edges[index + 1]! - edges[index]!]));
  });

const file = weights.map(
  (first): ServiceConfig => ({
    match: [{ path: '/' }],
    versions: Object.fromEntries(Object.keys(first).map((each) => [each, { endpoints: [`${each}:80`] }])),
    weights: first,
  }),
);

/** The commands that are about structure and weights; those about rollouts have scenarios of their own. */
type Change = ServiceCommand | Extract<Command, { type: 'reload' }>;
const command: fc.Arbitrary<Change> = fc.oneof(
  weights.map((asked): Change => ({ type: 'weights', service: 'web', weights: asked })),
  fc.option(name, { nil: undefined }).map((to): Change => ({ type: 'rollback', service: 'web', to })),
  name.map(
    (version): Change => ({ type: 'version.put', service: 'web', version, body: { endpoints: ['x:1'] } }),
  ),
  name.map((version): Change => ({ type: 'version.delete', service: 'web', version })),
  file.map((web): Change => ({ type: 'reload', services: { web } })),
);

/** The states that commands lead through, one for each that was not refused. */
function journey(first: ServiceConfig, commands: readonly Change[]): State[] {
  const states: State[] = [];
  let state = EMPTY;
  for (const [index, each] of [
    { type: 'reload', services: { web: first } } as const,
    ...commands,
  ].entries()) {
    try {
      const circumstances = { actor: ASKING.actor, reason: undefined, now: index * 1000, salt: `${index}` };
      const decision = decide(state, each, circumstances);
      if (decision !== undefined) state = { services: decision.services, revision: state.revision + 1 };
      states.push(state);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
    }
  }
  return states;
}

function holds(check: (web: Service, before: Service | undefined) => void): void {
  fc.assert(
    fc.property(file, fc.array(command, { maxLength: 30 }), (first, commands) => {
      const states = journey(first, commands);
      for (const [index, { services }] of states.entries())
        check(services['web']!, states[index - 1]?.services['web']);
    }),
    { numRuns: 300 },
  );
}

test('whatever is asked, the weights are those of the versions and add up to 100', () => {
  holds(({ split, versions }) => {
    assert.equal(weightsFault(split.weights, Object.keys(versions)), undefined);
    assert.deepEqual(Object.keys(split.weights).sort(), Object.keys(versions).sort());
  });
});

test('whatever is asked, the trail names only versions there are, and none after itself', () => {
  holds(({ wholes, versions }) => {
    for (const [index, version] of wholes.entries()) {
      assert.ok(Object.hasOwn(versions, version), version);
      assert.notEqual(version, wholes[index - 1]);
    }
    assert.ok(wholes.length <= 20);
  });
});

test('whatever is asked, the salt changes only when one version holds all traffic', () => {
  holds(({ split }, before) => {
    if (before !== undefined && split.salt !== before.split.salt)
      assert.ok(wholeVersion(split.weights) !== undefined);
  });
});

test('whatever was asked, a rollback leads to a whole split, and a second one stays there', () => {
  holds((web) => {
    const state = { revision: 1, services: { web } };
    const circumstances = { actor: ASKING.actor, reason: undefined, now: 0, salt: 'last' };
    const rollback: Command = { type: 'rollback', service: 'web', to: undefined };
    try {
      const decision = decide(state, rollback, circumstances);
      const rolled = decision?.services ?? state.services;
      assert.ok(wholeVersion(rolled['web']!.split.weights) !== undefined);
      assert.equal(decide({ revision: 2, services: rolled }, rollback, circumstances), undefined);
    } catch (error) {
      // Only where no other version ever held all the traffic is there no way back.
      assert.ok(error instanceof Refusal && error.why === 'conflict', String(error));
      const behind = web.wholes.filter((version) => version !== wholeVersion(web.split.weights));
      assert.deepEqual(behind, []);
    }
  });
});

test('whatever was asked, the same file read twice changes nothing the second time', () => {
  fc.assert(
    fc.property(file, fc.array(command, { maxLength: 10 }), file, (first, commands, last) => {
      const state = journey(first, commands).at(-1)!;
      const once = mergeStructure(state, { web: last }, 0, () => 'salt');
      if (typeof once === 'string') return;
      assert.equal(
        mergeStructure(once, { web: last }, 1, () => 'other'),
        once,
      );
    }),
  );
});

function ask(control: Control, command: Change): Promise<unknown> {
  switch (command.type) {
    case 'weights':
      return control.setWeights(command.service, command.weights, ASKING);
    case 'rollback':
      return control.rollback(command.service, command.to, ASKING);
    case 'version.put':
      return control.putVersion(command.service, command.version, command.body, ASKING);
    case 'schema':
      return control.setSchema(command.service, command.schema, ASKING);
    case 'version.delete':
      return control.deleteVersion(command.service, command.version, ASKING);
    case 'reload':
      return control.reload(command.services, ASKING);
  }
}

test('whatever is asked of control, revisions increase by one and each has its audit entry', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(command, { maxLength: 20 }), async (commands) => {
      const store = memoryStore();
      const { control, serving } = await controlOver(store);
      const asked = commands.map((each) => ask(control, each));
      for (const outcome of await Promise.allSettled(asked))
        assert.ok(outcome.status === 'fulfilled' || outcome.reason instanceof Refusal, String(outcome));
      const { revision } = await store.read();
      const expected = Array.from({ length: revision }, (_, n) => n + 1);
      assert.deepEqual(serving.revisions, expected);
      assert.deepEqual(
        (await store.audit({ limit: 1000 })).map((entry) => entry.revision).reverse(),
        expected,
      );
      await control.close();
    }),
    { numRuns: 50 },
  );
});
