import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { silent } from '../../src/base/log.ts';
import { Evidence } from '../../src/control/evidence.ts';
import { Fleet } from '../../src/control/fleet.ts';
import type { Harm } from '../../src/model/harm.ts';
import type { State } from '../../src/model/state.ts';
import type { Trial } from '../../src/model/trial.ts';
import type { Beat, Link } from '../../src/store/link.ts';
import { HandClock } from '../support/clock.ts';
import { atEnd } from '../support/end.ts';
import { Recorder } from './house.ts';

const TRIAL: Trial = { rollout: 'r', epoch: 1, baseline: 'stable', candidate: 'canary', sticky: false };
const STATE = {
  revision: 7,
  services: { web: { trial: TRIAL } },
  rollouts: { r: { phase: { at: 'stepping' } } },
} as unknown as State;
const LEASE = 3_000;

/** One replica of three, whose line to Redis is in the test's hands. */
function replica(t: TestContext) {
  const clock = new HandClock();
  const evidence = new Evidence(clock);
  evidence.follow(STATE);
  const link = {
    self: 'a~1',
    names: { fleet: 'shop', replica: 'a' },
    health: { up: true, since: 0 },
    follow() {},
    hear() {},
    say: async () => {},
    post: async () => {},
    gather: async () => [],
  };
  const fleet = new Fleet({
    link: link as unknown as Link,
    version: '1',
    serving: new Recorder(),
    evidence,
    workers: () => 1,
    clock,
    log: silent,
  });
  atEnd(t, () => fleet.close());
  fleet.join(() => STATE);
  let seq = 0;
  return {
    clock,
    evidence,
    fleet,
    /** A sign of life that found this, from whoever leads. */
    hear(leader: string, harm: Partial<Record<string, Harm>> = {}, more: Partial<Beat> = {}) {
      link.health = { up: true, since: 0 };
      fleet.beat({
        token: leader === 'a~1' ? 'a~1 token' : undefined,
        until: clock.monotonic() + LEASE,
        now: 1_000_000 + clock.monotonic(),
        at: clock.monotonic(),
        offset: 0,
        revision: 7,
        replicas: ['a~1', 'b~1', 'c~1'].map((self) => ({
          self,
          leads: self === leader,
          age: 0,
          card: { name: self[0], revision: 7, ...(self === leader && { harm }) },
        })),
        ...more,
      });
    },
    cut() {
      link.health = { up: false, since: 0 };
      clock.wind(LEASE);
      fleet.missed();
    },
    fails(failures: number) {
      const counts = {
        rollout: 'r',
        epoch: 1,
        seq: ++seq,
        slow: [0, 0],
        dispersed: [],
        batches: [],
      } as const;
      evidence.add(
        [{ ...counts, requests: [failures, failures], failures: [0, failures] }] as never,
        'worker 1',
      );
    },
  };
}

const COST: Harm = { requests: 90, failures: 30, baselineRequests: 90, baselineFailures: 0, keys: 0 };

describe('a replica of a fleet', () => {
  test('leads as long as its lease is sure, and no longer', (t) => {
    const { fleet, hear, clock } = replica(t);
    assert.equal(fleet.stand().at, 'follows');
    hear('a~1');
    assert.deepEqual(fleet.stand(), { at: 'leads', token: 'a~1 token' });
    clock.wind(LEASE - 1);
    assert.equal(fleet.stand().at, 'leads');
    clock.wind(1);
    assert.equal(fleet.stand().at, 'follows');
  });

  test('that is cut off counts its own harm once for every replica, on top of what the fleet had spent', (t) => {
    const { fleet, hear, cut, fails } = replica(t);
    fails(10);
    hear('b~1', { r: COST });
    cut();
    assert.equal(fleet.stand().at, 'cutOff');
    assert.equal(fleet.presumed('r')?.harm.failures, 30);
    fails(5);
    assert.equal(fleet.presumed('r')?.harm.failures, 30 + 3 * 5);
    hear('b~1', { r: { ...COST, failures: 45 } });
    cut();
    assert.equal(fleet.presumed('r')?.harm.failures, 45);
  });

  test('that leads takes it that those who are silent spend as those who are heard', (t) => {
    const { fleet, hear, fails } = replica(t);
    const ages = (b: number, c: number) => ({
      replicas: Object.entries({ 'a~1': 0, 'b~1': b, 'c~1': c }).map(([self, age]) => ({
        self,
        leads: self === 'a~1',
        age,
        card: { name: self[0] },
      })),
    });
    const spent = () => fleet.presumed('r')?.harm.failures;
    hear('a~1');
    assert.equal(spent(), 0);
    fails(10);
    hear('a~1');
    assert.equal(spent(), 10);
    // From when they were seen last, although it is clear only later that they are silent.
    hear('a~1', {}, ages(2000, 2000));
    fails(4);
    assert.equal(spent(), 14);
    hear('a~1', {}, ages(4000, 4000));
    assert.equal(spent(), 10 + 3 * 4);
    fails(2);
    assert.equal(spent(), 10 + 3 * 6);
    hear('a~1', {}, ages(100, 5000));
    assert.equal(spent(), 10 + 1.5 * 6);
    hear('a~1');
    assert.equal(spent(), 16);
  });

  test('takes over what a rollout has cost from the leader before it', (t) => {
    const { fleet, hear } = replica(t);
    hear('b~1', { r: COST });
    hear('a~1');
    assert.deepEqual(fleet.inherited('r'), COST);
  });

  test('has the time of Redis, whatever becomes of its own clock', (t) => {
    const { fleet, hear, clock } = replica(t);
    hear('b~1');
    clock.wind(500);
    assert.equal(fleet.clock.now(), 1_000_500);
  });

  test('shows who is there, who leads and who is silent', (t) => {
    const { fleet, hear, clock } = replica(t);
    hear('b~1');
    clock.wind(3_500);
    const { leader, replicas, fleet: name } = fleet.view();
    assert.deepEqual({ leader, name }, { leader: 'b', name: 'shop' });
    assert.deepEqual(
      replicas.map(({ replica: each, silent: quiet, behind }) => ({ each, quiet, behind })),
      [
        { each: 'a', quiet: false, behind: 0 },
        { each: 'b', quiet: true, behind: 0 },
        { each: 'c', quiet: true, behind: 0 },
      ],
    );
  });
});
