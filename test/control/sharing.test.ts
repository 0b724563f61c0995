import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { unitSlot } from '../../src/analysis/units.ts';
import { silent } from '../../src/base/log.ts';
import { Evidence } from '../../src/control/evidence.ts';
import { Observations } from '../../src/control/observations.ts';
import { Sharing } from '../../src/control/sharing.ts';
import type { TrialCounts } from '../../src/model/evidence.ts';
import type { State } from '../../src/model/state.ts';
import type { Trial } from '../../src/model/trial.ts';
import type { Link } from '../../src/store/link.ts';
import { StoreUnavailable } from '../../src/store/store.ts';
import { nodeTimers } from '../../src/store/timers.ts';
import { HandClock } from '../support/clock.ts';
import { atEnd } from '../support/end.ts';

const BUSINESS = [{ name: 'orders' }, { name: 'tickets' }];
const TRIAL: Trial = { rollout: 'r', epoch: 1, baseline: 'stable', candidate: 'canary', sticky: false };
const STATE = at(1);

function at(epoch: number, sticky = false): State {
  const trial: Trial = { ...TRIAL, epoch, sticky, ...(sticky && { business: BUSINESS }) };
  const versions = { stable: {}, canary: {} };
  const split = { weights: { stable: 50, canary: 50 } };
  const policy = { metrics: [{ name: 'tickets', by: 'version' }] };
  const rollout = { id: 'r', service: 'web', phase: { at: 'stepping' }, policy };
  return {
    revision: epoch,
    services: { web: { trial, versions, split } },
    rollouts: { r: rollout },
  } as unknown as State;
}

/** What a worker posts: requests of the baseline and of the candidate, and the failures among them. */
function post(seq: number, requests: [number, number], failures: [number, number]): TrialCounts {
  return {
    rollout: 'r',
    epoch: 1,
    seq,
    requests,
    failures,
    slow: [0, 0],
    dispersed: [],
    batches: [
      {
        w: 0.5,
        tallies: [
          { kind: 'seen', counts: [0, ...requests], keys: [] },
          { kind: 'erred', counts: [0, ...failures], keys: [] },
        ],
      },
    ],
  };
}

/** What replicas leave for each other: kept in order, as a stream of Redis does. */
class Stream {
  readonly posted: string[] = [];
  /** Whether what is posted arrives, and whether it is said to have. */
  weather: 'fair' | 'lost' | 'unheard' = 'fair';

  link(self: string): Link {
    let read = 0;
    return {
      self,
      post: async (_: string, words: string) => {
        if (this.weather !== 'lost') this.posted.push(words);
        if (this.weather !== 'fair') throw new StoreUnavailable('no answer');
      },
      gather: async () => {
        const from = read;
        read = this.posted.length;
        return this.posted.slice(from);
      },
    } as unknown as Link;
  }
}

function replica(t: TestContext | undefined, stream: Stream, self: string, leads: boolean) {
  const clock = new HandClock();
  const evidence = new Evidence(clock);
  let state = STATE;
  evidence.follow(state);
  const role = { leads };
  const sharing = new Sharing({
    link: stream.link(self),
    evidence,
    observed: (posting) => observations.take(posting),
    leads: () => role.leads,
    timers: nodeTimers,
    log: silent,
  });
  const observations = new Observations({
    state: () => state,
    evidence,
    messenger: {
      get leads() {
        return role.leads;
      },
      pass: (posting) => sharing.pass(posting),
    },
    clock,
  });
  if (t) atEnd(t, () => sharing.close());
  const follow = (next: State) => {
    state = next;
    evidence.follow(next);
  };
  return { clock, evidence, sharing, observations, role, follow };
}

describe('evidence of a fleet', () => {
  test('comes to the same for the leader as for one node that saw it all, whatever is repeated', async () => {
    const counts = fc.nat({ max: 50 });
    const step = fc.record({
      who: fc.constantFrom('leader', 'b', 'c'),
      requests: fc.tuple(counts, counts),
      weather: fc.constantFrom<Stream['weather']>('fair', 'lost', 'unheard'),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const stream = new Stream();
        const fleet = {
          leader: replica(undefined, stream, 'a~1', true),
          b: replica(undefined, stream, 'b~1', false),
          c: replica(undefined, stream, 'c~1', false),
        };
        const alone = replica(undefined, new Stream(), 'one', true);
        const seq = { leader: 0, b: 0, c: 0 };
        for (const { who, requests, weather } of steps) {
          const told = post(++seq[who], requests, [0, 0]);
          fleet[who].evidence.add([told], 'worker 1');
          alone.evidence.add([told], `${who} worker 1`);
          stream.weather = weather;
          await fleet[who].sharing.exchange();
        }
        stream.weather = 'fair';
        for (const each of [fleet.b, fleet.c, fleet.leader]) await each.sharing.exchange();
        assert.deepEqual(fleet.leader.evidence.take('r', 1), alone.evidence.take('r', 1));
        assert.deepEqual(fleet.leader.evidence.harm('r'), alone.evidence.harm('r'));
        for (const each of [...Object.values(fleet), alone]) await each.sharing.close();
      }),
      { numRuns: 100 },
    );
  });

  test('of a worker that began anew is counted, and what comes late of its life before is not', async (t) => {
    const stream = new Stream();
    const leader = replica(t, stream, 'a~1', true);
    const other = replica(t, stream, 'b~1', false);
    other.evidence.add([post(1, [0, 10], [0, 0])], 'worker 1');
    stream.weather = 'unheard';
    await other.sharing.exchange();
    const [before] = stream.posted;
    other.evidence.leave('worker 1');
    other.evidence.add([post(1, [0, 5], [0, 0])], 'worker 1');
    stream.weather = 'fair';
    await other.sharing.exchange();
    stream.posted.push(before!);
    await leader.sharing.exchange();
    assert.equal(leader.evidence.seen('r')?.requests, 15);
  });

  test('of a replica that was forgotten and comes back is not counted again', async (t) => {
    const stream = new Stream();
    const leader = replica(t, stream, 'a~1', true);
    const other = replica(t, stream, 'b~1', false);
    other.evidence.add([post(1, [0, 10], [0, 0])], 'worker 1');
    stream.weather = 'unheard';
    await other.sharing.exchange();
    await leader.sharing.exchange();
    leader.sharing.expect([]);
    stream.weather = 'fair';
    await other.sharing.exchange();
    await leader.sharing.exchange();
    assert.equal(leader.evidence.seen('r')?.requests, 10);
  });

  test('of an epoch that a follower began waits until the leader hears of it', async (t) => {
    const stream = new Stream();
    const leader = replica(t, stream, 'a~1', true);
    const other = replica(t, stream, 'b~1', false);
    other.follow(at(2));
    for (const seq of [1, 2]) other.evidence.add([{ ...post(seq, [0, 10], [0, 0]), epoch: 2 }], 'worker 1');
    await other.sharing.exchange();
    await leader.sharing.exchange();
    assert.equal(leader.evidence.seen('r')?.requests, 0);
    leader.follow(at(2));
    assert.equal(leader.evidence.seen('r')?.requests, 20);
  });

  test('of a replica that is silent is missing, until the replica is forgotten', (t) => {
    const { clock, evidence, sharing } = replica(t, new Stream(), 'a~1', true);
    sharing.expect(['worker 1 of b~1']);
    assert.deepEqual(evidence.missing('r'), []);
    clock.wind(2_500);
    assert.deepEqual(evidence.missing('r'), ['worker 1 of b~1']);
    sharing.expect([]);
    assert.deepEqual(evidence.missing('r'), []);
  });
});

describe('observations in a fleet', () => {
  /** A user whom a replica has sent to the candidate. */
  function seen(key: string): TrialCounts {
    const tallies = [{ kind: 'seen', counts: [], keys: [2 * unitSlot(key) + 1, 0] }];
    return { ...post(1, [0, 0], [0, 0]), epoch: 2, batches: [{ w: 0.5, tallies }] };
  }

  function three(t: TestContext) {
    const stream = new Stream();
    const [leader, b, c] = [
      replica(t, stream, 'a~1', true),
      replica(t, stream, 'b~1', false),
      replica(t, stream, 'c~1', false),
    ];
    for (const each of [leader, b, c]) each.follow(at(2, true));
    const told = () => leader.evidence.take('r', 1)!.batches.map(({ conversions }) => conversions);
    return { stream, leader, b, c, told };
  }
  const NOTHING = { rollout: 'r', taken: 0, waiting: 0, repeated: 0, unknown: 0, passed: 0 };

  test('count once at the leader, wherever they are posted and wherever their key was seen', async (t) => {
    const { stream, leader, b, c, told } = three(t);
    const order = { metric: 'orders', key: 'ann', id: 'o1' };
    assert.deepEqual(c.observations.post('web', [order]), { ...NOTHING, passed: 1 });
    stream.weather = 'unheard';
    await c.sharing.exchange();
    await leader.sharing.exchange();
    b.evidence.add([seen('ann')], 'worker 1');
    stream.weather = 'lost';
    await b.sharing.exchange();
    b.observations.post('web', [{ ...order, id: 'o2' }]);
    stream.weather = 'fair';
    for (const each of [b, c, leader]) await each.sharing.exchange();
    leader.observations.attend();
    assert.deepEqual(told(), [{ orders: [1, 1], tickets: [0, 0] }]);
  });

  test('are known by their id at every replica, also when the link was cut for a moment', async (t) => {
    const { stream, leader, b, c, told } = three(t);
    const ticket = { metric: 'tickets', version: 'canary', id: 't1' };
    for (const weather of ['unheard', 'lost', 'fair'] as const) {
      stream.weather = weather;
      for (const each of [b, c]) {
        each.observations.post('web', [ticket]);
        await each.sharing.exchange();
      }
    }
    await leader.sharing.exchange();
    assert.deepEqual(leader.observations.post('web', [ticket]), { ...NOTHING, repeated: 1 });
    assert.deepEqual(told(), [{ orders: [0, 0], tickets: [1, 1] }]);
  });

  test('that were posted while nobody led are taken by whoever leads then, be it this replica', async (t) => {
    const { stream, b } = three(t);
    stream.weather = 'lost';
    b.observations.post('web', [{ metric: 'tickets', version: 'canary' }]);
    await b.sharing.exchange();
    b.role.leads = true;
    await b.sharing.exchange();
    assert.deepEqual(b.evidence.take('r', 1)!.batches[0]?.conversions, { orders: [0, 0], tickets: [1, 1] });
  });

  test('of a step that the leader has not heard of wait for it, and those of one that is over count nowhere', async (t) => {
    const { leader, b, c, told } = three(t);
    const ticket = { metric: 'tickets', version: 'canary' };
    c.observations.post('web', [ticket]);
    b.follow(at(3, true));
    b.observations.post('web', [ticket]);
    await b.sharing.exchange();
    await leader.sharing.exchange();
    leader.observations.attend();
    leader.follow(at(3, true));
    await c.sharing.exchange();
    await leader.sharing.exchange();
    leader.observations.attend();
    assert.deepEqual(told(), [{ orders: [0, 0], tickets: [1, 1] }]);
  });

  test('are refused when more of them wait than can be kept', async (t) => {
    const { stream, b } = three(t);
    stream.weather = 'lost';
    const many = Array.from({ length: 1_000 }, () => ({ metric: 'tickets', version: 'canary' }));
    for (let i = 0; i < 10; i++) b.observations.post('web', many);
    assert.throws(() => b.observations.post('web', many), /post these again later/);
  });
});
