import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { readState } from '../../src/model/check.ts';
import type { Effect } from '../../src/model/effect.ts';
import type { RolloutEvent } from '../../src/model/event.ts';
import type { Gate } from '../../src/model/gate.ts';
import type { Step } from '../../src/model/plan.ts';
import type { Policy } from '../../src/model/policy.ts';
import type { Rollout } from '../../src/model/rollout.ts';
import type { Verdict } from '../../src/model/verdict.ts';
import { begin, refusal, step } from '../../src/rollout/machine.ts';
import { isEnded } from '../../src/rollout/move.ts';
import { planFault } from '../../src/rollout/plan.ts';
import { policyOf } from '../../src/rollout/policies.ts';

/** What must hold whatever happens, in whatever order. */

const START = Date.parse('2026-03-02T12:00:00.000Z');
const RUNS = { numRuns: 400 };
/** Documents are plain objects. */
const PLAIN = { noNullPrototype: true } as const;

const verdictOf = (decision: Verdict['decision'], reason: string): Verdict => ({
  word: 'unknown',
  decision,
  reason,
  step: 0,
  elapsed: 0,
  says: decision,
  because: [],
  canary: { trials: 0, bad: 0, rate: { low: 0 } },
  stable: { trials: 0, bad: 0, rate: { low: 0 } },
  ratio: { low: 0 },
  tests: [],
});

/** An event that may need the rollout to be made out: which errand, which epoch. */
type Happening = (rollout: Rollout) => RolloutEvent;
const always =
  (event: RolloutEvent): Happening =>
  () =>
    event;

const seen = fc.record({ requests: fc.nat(300), keys: fc.nat(300) }, PLAIN);
const decision = fc.constantFrom<Verdict['decision']>(
  'continue',
  'promote',
  'promote',
  'promote',
  'hold',
  'inconclusive',
  'invalid',
  'rollback',
);
const errandAt =
  (make: (errand: string) => RolloutEvent) =>
  (index: number): Happening =>
  ({ errands }) =>
    make(errands[index % Math.max(1, errands.length)]?.id ?? 'r1.0.none');

const happening: fc.Arbitrary<Happening> = fc.oneof(
  { weight: 6, arbitrary: seen.map((seen) => always({ type: 'tick', seen })) },
  {
    weight: 6,
    arbitrary: fc.tuple(decision, fc.constantFrom('', 'environment'), fc.constantFrom(0, 0, 0, 1), seen).map(
      ([decision, reason, old, seen]): Happening =>
        ({ epoch }) => {
          return { type: 'verdict', epoch: epoch - old, verdict: verdictOf(decision, reason), seen };
        },
    ),
  },
  {
    weight: 4,
    arbitrary: fc
      .tuple(fc.nat(9), fc.boolean())
      .map(([index, pass]) => errandAt((errand) => ({ type: 'gate', errand, pass, says: 'so' }))(index)),
  },
  { weight: 1, arbitrary: fc.nat(9).map(errandAt((errand) => ({ type: 'done', errand }))) },
  {
    weight: 1,
    arbitrary: fc
      .record(
        {
          requests: fc.nat(50),
          failures: fc.nat(50),
          baselineRequests: fc.nat(500),
          baselineFailures: fc.nat(5),
          keys: fc.nat(9),
        },
        PLAIN,
      )
      .map((harm) => always({ type: 'harm', harm })),
  },
  {
    weight: 6,
    arbitrary: fc
      .constantFrom<RolloutEvent>(
        { type: 'pause', by: 'ann' },
        { type: 'resume', by: 'ann' },
        { type: 'resume', by: 'bob' },
        { type: 'approve', by: 'ann' },
        { type: 'approve', by: 'ann' },
        { type: 'promote', by: 'ann' },
        { type: 'restart', evidence: 'kept', away: 5000 },
        { type: 'restart', evidence: 'lost', away: 5000 },
        { type: 'clock', by: 3_600_000 },
        { type: 'clock', by: -3_600_000 },
        { type: 'reload', changed: true },
        { type: 'reload', changed: false },
      )
      .map(always),
  },
  {
    weight: 1,
    arbitrary: fc.oneof(
      fc
        .constantFrom<RolloutEvent>(
          { type: 'abort', by: 'ann' },
          { type: 'promote', by: 'ann', all: true },
          { type: 'vanished', says: 'gone' },
          { type: 'newer', rollout: 'r2', by: 'ann' },
        )
        .map(always),
      fc
        .tuple(fc.nat(50), fc.nat(50))
        .map(([weight, baseline]) => always({ type: 'hand', by: 'eve', weight, baseline })),
    ),
  },
);

const gate = (name: string, moments: readonly Gate['moment'][]): fc.Arbitrary<readonly Gate[]> =>
  fc
    .option(
      fc
        .tuple(fc.constantFrom(...moments), fc.constantFrom('hold', 'rollback'), fc.boolean())
        .map(
          ([moment, onFail, approval]): Gate =>
            approval && moment !== 'during' && moment !== 'rollback' && moment !== 'finish'
              ? { name, moment, kind: 'approval' }
              : { name, moment, onFail, kind: 'webhook', url: 'https://ci.example.com/' },
        ),
      { nil: undefined },
    )
    .map((one) => (one === undefined ? [] : [one]));

const steps: fc.Arbitrary<readonly Step[]> = fc
  .uniqueArray(fc.integer({ min: 1, max: 90 }), { maxLength: 4 })
  .chain((weights) =>
    fc.tuple(
      ...weights
        .sort((a, b) => a - b)
        .map((weight, index) =>
          fc.record(
            {
              weight: fc.constant(weight),
              atLeast: fc.constantFrom(0, 30),
              atMost: fc.constantFrom(60, 120),
              needs: fc.constantFrom<Step['needs']>('verdict', 'nothing', { requests: 100 }, { keys: 100 }),
              onTimeout: fc.constantFrom('hold', 'advance', 'rollback'),
              gates: gate(`gate ${index}`, ['before', 'during', 'after']),
            },
            PLAIN,
          ),
        ),
    ),
  );

const policy: fc.Arbitrary<Policy> = fc
  .record(
    {
      onWorse: fc.constantFrom('rollback', 'rollback', 'pause', 'notify'),
      dryRun: fc.constantFrom(false, false, true),
    },
    PLAIN,
  )
  .map((request) => {
    const made = policyOf({ ...request, harmBudget: { failures: 20 } });
    assert.ok(typeof made !== 'string');
    return made;
  });

const rollout = fc
  .record(
    {
      steps,
      policy,
      share: fc.constantFrom(100, 62.5),
      gates: gate('of plan', ['start', 'promotion', 'bake', 'rollback', 'finish']),
      bake: fc.record({ for: fc.constantFrom(0, 120), keepWarm: fc.constantFrom(0, 0.5) }, PLAIN),
    },
    PLAIN,
  )
  .map(({ share, policy, ...plan }) => {
    const whole = { strategy: 'canary', ...plan };
    assert.equal(planFault(whole), undefined);
    return begin(
      {
        id: 'r1',
        service: 'web',
        baseline: 'stable',
        candidate: 'canary',
        build: 'b7',
        share,
        plan: whole,
        policy,
        created: { at: new Date(START).toISOString(), by: 'ann' },
      },
      START,
    );
  });

const story = fc.array(fc.tuple(happening, fc.nat(90)), { maxLength: 60 });

interface Scene {
  readonly before: Rollout;
  readonly event: RolloutEvent;
  readonly now: number;
  readonly next: Rollout;
  readonly effects: readonly Effect[];
}

/** Every rollout and every story, scene by scene. */
function inEveryStory(law: (scenes: readonly Scene[], first: Scene['effects']) => void): void {
  fc.assert(
    fc.property(rollout, story, ({ next: first, effects }, happenings) => {
      const scenes: Scene[] = [];
      let before = first;
      let now = START;
      for (const [happen, seconds] of happenings) {
        now += seconds * 1000;
        const event = happen(before);
        if (event.type === 'clock') now += event.by;
        if (event.type === 'restart') now += event.away;
        const outcome = step(before, event, now);
        scenes.push({ before, event, now, ...outcome });
        before = outcome.next;
      }
      law(scenes, effects);
    }),
    RUNS,
  );
}

function weightsOf(effects: readonly Effect[]): Extract<Effect, { type: 'weights' }>[] {
  return effects.filter((effect) => effect.type === 'weights');
}

describe('Whatever happens to a rollout', () => {
  test('the weights of candidate and baseline add up to what they hold together', () => {
    inEveryStory((scenes) => {
      for (const { before, event, next, effects } of scenes) {
        if (event.type !== 'hand') assert.equal(next.share, before.share);
        for (const { candidate, baseline } of weightsOf(effects)) {
          assert.ok(candidate >= 0 && baseline >= 0);
          assert.equal(Math.round((candidate + baseline) * 10_000), Math.round(next.share * 10_000));
        }
        if (next.weight !== before.weight && event.type !== 'hand')
          assert.equal(weightsOf(effects).length, 1);
      }
    });
  });

  test('a worse candidate has no traffic, and gets none again', () => {
    inEveryStory((scenes) => {
      let over = false;
      for (const { before, event, next, effects } of scenes) {
        if (over) assert.deepEqual([next.weight, weightsOf(effects)], [0, []]);
        const { onWorse, dryRun } = before.policy;
        const worse =
          event.type === 'verdict' && event.verdict.decision === 'rollback' && event.epoch === before.epoch;
        if (!worse || onWorse !== 'rollback' || dryRun || isEnded(before.phase)) continue;
        assert.equal(next.phase.at, 'rolledBack');
        assert.equal(next.weight, 0);
        assert.ok(effects.some(({ type }) => type === 'quarantine'));
        over = true;
      }
    });
  });

  test('no step is left out, and none is taken twice but to begin it again', () => {
    inEveryStory((scenes) => {
      const [first] = scenes;
      let last =
        first === undefined ? -1 : first.before.phase.at === 'stepping' ? first.before.phase.step : -1;
      let { epoch } = first?.before ?? { epoch: 0 };
      for (const { event, next } of scenes) {
        if (event.type === 'promote' && event.all) return;
        const { phase } = next;
        if (phase.at === 'baking' || phase.at === 'promoted') assert.equal(last, next.plan.steps.length - 1);
        if (phase.at === 'stepping' && next.epoch !== epoch) {
          const again = ['restart', 'reload', 'resume'].includes(event.type);
          assert.ok(
            phase.step === last + 1 || (again && phase.step === last),
            `step ${phase.step} after ${last}`,
          );
          last = phase.step;
        }
        epoch = next.epoch;
      }
    });
  });

  test('a rollout that is over accepts nothing', () => {
    inEveryStory((scenes) => {
      for (const { before, event, next, effects } of scenes) {
        if (!isEnded(before.phase)) continue;
        assert.deepEqual(effects, []);
        if (event.type === 'done') assert.deepEqual({ ...next, errands: before.errands }, before);
        else assert.equal(next, before);
      }
    });
  });

  test('the same event makes the same of it, and it survives being written down', () => {
    inEveryStory((scenes) => {
      for (const { before, event, now, next, effects } of scenes) {
        const read = JSON.parse(JSON.stringify(before)) as Rollout;
        assert.deepEqual(read, before);
        assert.deepEqual(step(read, event, now), { next, effects });
      }
      const last = scenes.at(-1);
      if (last === undefined) return;
      const state = { revision: 1, services: {}, rollouts: { r1: last.next } };
      assert.equal(readState(state), state);
    });
  });

  test('epochs go up, no errand has the id of another, and none is lost but questions', () => {
    inEveryStory((scenes, first) => {
      const given = new Set<string>();
      const give = (effects: readonly Effect[]): void => {
        for (const effect of effects) {
          if (effect.type !== 'errand') continue;
          assert.ok(!given.has(effect.errand.id), effect.errand.id);
          given.add(effect.errand.id);
        }
      };
      give(first);
      for (const { before, event, next, effects } of scenes) {
        assert.ok(next.epoch === before.epoch || next.epoch === before.epoch + 1);
        assert.ok(next.seq >= before.seq);
        give(effects);
        const kept = new Set(next.errands.map(({ id }) => id));
        const lost = before.errands.filter(({ id, type }) => type !== 'gate' && !kept.has(id));
        assert.ok(lost.length === 0 || event.type === 'done');
      }
    });
  });

  test('nothing begins in the future, however clocks are set, and pauses keep what went on before them', () => {
    inEveryStory((scenes) => {
      for (const { now, next } of scenes) {
        const { phase } = next;
        if (!isEnded(phase)) assert.ok(phase.since <= now);
        if (phase.at === 'paused') assert.ok(phase.kept.since <= phase.since);
      }
    });
  });

  test('everything that moved traffic is on record', () => {
    inEveryStory((scenes) => {
      for (const { effects } of scenes) {
        const records = effects.filter(({ type }) => type === 'record');
        if (weightsOf(effects).length > 0) assert.equal(records.length, 1);
      }
    });
  });

  test('a command is refused in words exactly when it changes nothing', () => {
    inEveryStory((scenes) => {
      for (const { before, event, now, next } of scenes) {
        if (!['pause', 'resume', 'approve', 'promote', 'abort'].includes(event.type)) continue;
        assert.equal(typeof refusal(before, event, now), next === before ? 'string' : 'undefined');
      }
    });
  });

  test('nothing makes it wait for ever but people, gates and want of evidence', () => {
    fc.assert(
      fc.property(rollout, ({ next: first }) => {
        fc.pre(!first.plan.gates.some(({ moment }) => moment === 'rollback'));
        let rollout = first;
        let now = START;
        for (let i = 0; i < 100 && !isEnded(rollout.phase); i++) {
          now += 30_000;
          const seen = { requests: 100, keys: 100 };
          const asked = rollout.errands.filter(({ type }) => type === 'gate');
          for (const { id } of asked)
            rollout = step(rollout, { type: 'gate', errand: id, pass: true, says: 'yes' }, now).next;
          rollout = step(rollout, { type: 'approve', by: 'ann' }, now).next;
          const verdict = verdictOf('promote', '');
          rollout = step(rollout, { type: 'verdict', epoch: rollout.epoch, verdict, seen }, now).next;
          rollout = step(rollout, { type: 'tick', seen }, now).next;
        }
        assert.equal(rollout.phase.at, 'promoted');
        assert.equal(rollout.weight, 100);
      }),
      RUNS,
    );
  });
});
