import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Tick } from '../../src/analysis/evidence.ts';
import { latencyBucket } from '../../src/analysis/latency.ts';
import { Gathering } from '../../src/metrics/gathering.ts';
import { type TrialArm, TrialRecorder } from '../../src/metrics/trial.ts';
import type { TrialCounts } from '../../src/model/evidence.ts';
import type { Trial } from '../../src/model/trial.ts';

const REQUEST: Trial = {
  rollout: 'r1',
  epoch: 1,
  baseline: 'stable',
  candidate: 'canary',
  sticky: false,
  latency: { tolerance: 0, slack: 0, warmUp: 0, p95: latencyBucket(50), p99: latencyBucket(200) },
  business: [{ name: 'orders', when: { method: 'POST', path: '/orders' } }],
};
const STICKY: Trial = { ...REQUEST, sticky: true };

const bytes = (key: string) => Buffer.from(key);
const assign = (arm: TrialArm, key: string, keyed = true, now = 0) =>
  arm.assign(bytes(key), 0, key.length, keyed, now);

/** What one worker's recorder says in one post. */
function tickOf(recorder: TrialRecorder): Tick {
  const gathering = new Gathering(recorder.trial);
  gathering.add(recorder.collect(), 'a worker');
  return gathering.take(0);
}

function armsOf(recorder: TrialRecorder, canary = 5, stable = 95): readonly [TrialArm, TrialArm] {
  return [recorder.arm('stable', canary, stable)!, recorder.arm('canary', canary, stable)!];
}

test('a request is a unit where requests are counted, and its result is told once it is over', () => {
  const recorder = new TrialRecorder(REQUEST, 0);
  const [stable, canary] = armsOf(recorder);
  canary.end(assign(canary, 'ann'), 500, true, 3);
  canary.end(assign(canary, 'ann'), 200, false, 3);
  stable.end(assign(stable, 'otto'), 200, false, 3);
  assign(stable, 'otto');
  assert.deepEqual(tickOf(recorder), {
    t: 0,
    batches: [
      {
        w: 0.05,
        units: [2, 4],
        errors: [1, 1],
        latency: [[latencyBucket(3), 1, 2]],
        slow95: [0, 0],
        slow99: [0, 0],
        conversions: { orders: [0, 0] },
      },
    ],
    trials: [1, 2],
    stableTrials: [0, 1],
  });
  assert.deepEqual(tickOf(recorder).batches, [], 'what was told is not told again');
});

test('a key counts once an epoch for each kind of event, and its requests are counted besides', () => {
  const recorder = new TrialRecorder(STICKY, 0);
  const [, canary] = armsOf(recorder);
  canary.end(assign(canary, 'ann'), 200, false, 3);
  for (let i = 0; i < 3; i++) canary.end(assign(canary, 'ann'), 502, true, -1);
  canary.end(assign(canary, 'eve'), 502, true, -1);
  const { batches, trials, requests, requestErrors } = tickOf(recorder);
  assert.deepEqual(batches[0]?.units, [2, 2]);
  assert.deepEqual(batches[0]?.errors, [2, 2]);
  assert.deepEqual(trials, [1, 2], "ann's first request was good");
  assert.deepEqual(requests, [5, 5]);
  assert.deepEqual(requestErrors, [4, 4]);
});

test('a request whose key was made up for it alone is its own unit', () => {
  const recorder = new TrialRecorder(STICKY, 0);
  const [stable] = armsOf(recorder);
  for (let i = 0; i < 3; i++) stable.end(assign(stable, 'x', false), 500, true, -1);
  assert.deepEqual(tickOf(recorder).batches[0]?.errors, [0, 3]);
});

test('a client that leaves has been assigned, and is neither good nor bad', () => {
  const recorder = new TrialRecorder(REQUEST, 0);
  const [, canary] = armsOf(recorder);
  assign(canary, 'ann');
  const { batches, trials } = tickOf(recorder);
  assert.deepEqual(batches[0]?.units, [1, 1]);
  assert.deepEqual(trials, [0, 0]);
});

test("with three versions w is the candidate's share of the two, by the split of each decision", () => {
  const recorder = new TrialRecorder(REQUEST, 0);
  assert.equal(recorder.arm('other', 10, 30), undefined);
  assign(armsOf(recorder, 10, 30)[1], 'ann');
  assign(armsOf(recorder, 20, 20)[0], 'otto');
  const late = armsOf(recorder, 10, 30)[1];
  late.end(assign(late, 'eve'), 500, true, -1);
  assert.deepEqual(
    tickOf(recorder).batches.map(({ w, units, errors }) => [w, units, errors]),
    [
      [0.25, [2, 2], [1, 1]],
      [0.5, [0, 1], [0, 0]],
    ],
  );
});

test('an event keeps the w of the decision, however the weights change meanwhile', () => {
  const recorder = new TrialRecorder(REQUEST, 0);
  const [, before] = armsOf(recorder, 10, 90);
  const ticket = assign(before, 'ann');
  armsOf(recorder, 50, 50);
  before.end(ticket, 500, true, -1);
  assert.deepEqual(
    tickOf(recorder).batches.map(({ w, errors }) => [w, errors]),
    [[0.1, [1, 1]]],
  );
});

test("latencies leave out the warm-up, errors do not; the candidate's get their head start", () => {
  const recorder = new TrialRecorder({ ...REQUEST, latency: { tolerance: 0.5, warmUp: 30 } }, 1000);
  const [stable, canary] = armsOf(recorder);
  const cold = assign(canary, 'ann', true, 30_999);
  canary.end(cold, 200, false, 90);
  canary.end(cold, 500, true, 90);
  canary.end(assign(canary, 'ann', true, 31_000), 200, false, 90);
  stable.end(assign(stable, 'ann', true, 31_000), 200, false, 90);
  stable.end(assign(stable, 'ann', true, 31_000), 404, false, 1);
  const { batches } = tickOf(recorder);
  assert.deepEqual(batches[0]?.errors, [1, 1]);
  assert.deepEqual(batches[0]?.latency, [
    [latencyBucket(60), 1, 1],
    [latencyBucket(90), 0, 1],
  ]);
});

test('what is slower by no more than the slack is not slower', () => {
  const latency = { tolerance: 0.1, slack: 1, warmUp: 0, p95: latencyBucket(2) };
  const recorder = new TrialRecorder({ ...REQUEST, latency }, 0);
  const [plain, lenient] = armsOf(recorder);
  plain.end(assign(plain, 'ann'), 200, false, 0.3);
  lenient.end(assign(lenient, 'ann'), 200, false, 0.9);
  lenient.end(assign(lenient, 'bob'), 200, false, 3);
  lenient.end(assign(lenient, 'cid'), 200, false, 110);
  const buckets = tickOf(recorder).batches[0]?.latency?.map(([bucket]) => bucket);
  assert.deepEqual(
    buckets?.toSorted((a, b) => a - b),
    [latencyBucket(0), latencyBucket(0.3), latencyBucket(2), latencyBucket(100)],
  );
  const waits = assign(lenient, 'dan');
  assert.equal(lenient.wait(waits, 2.9), waits);
  assert.notEqual(lenient.wait(waits, 3.3), waits);
});

test('a request that hangs is slow as soon as it has waited so long, and slow once', () => {
  const recorder = new TrialRecorder(REQUEST, 0);
  const [, canary] = armsOf(recorder);
  let ticket = assign(canary, 'ann');
  ticket = canary.wait(ticket, 40);
  assert.deepEqual(tickOf(recorder).batches[0]?.slow95, [0, 0]);
  ticket = canary.wait(ticket, 100);
  ticket = canary.wait(ticket, 150);
  assert.deepEqual(tickOf(recorder).batches[0]?.slow95, [1, 1]);
  ticket = canary.wait(ticket, 1000);
  canary.end(ticket, 504, true, -1);
  const { batches } = tickOf(recorder);
  assert.deepEqual(
    [batches[0]?.slow95, batches[0]?.slow99],
    [
      [0, 0],
      [1, 1],
    ],
  );
});

test('without marks nothing is slow, so that the judge reads it off the latencies', () => {
  const recorder = new TrialRecorder({ ...REQUEST, latency: { warmUp: 0 } }, 0);
  const [, canary] = armsOf(recorder);
  canary.end(canary.wait(assign(canary, 'ann'), 5000), 200, false, 5000);
  const [batch] = tickOf(recorder).batches;
  assert.equal(batch?.slow95, undefined);
  assert.equal(batch?.latency?.length, 1);
});

test('conversions are told by method, path, status, and what the endpoint says has happened', () => {
  const recorder = new TrialRecorder(
    {
      ...REQUEST,
      business: [
        { name: 'orders', when: { method: 'POST', path: '/orders' } },
        { name: 'below', when: { path: '/orders/*', statuses: [404] } },
        { name: 'signups', when: { event: 'signup' } },
        { name: 'posted' },
      ],
    },
    0,
  );
  const [stable, canary] = armsOf(recorder);
  const ask = (arm: TrialArm, method: string, target: string, status: number, events = '') =>
    arm.convert(assign(arm, 'ann'), arm.occasions(method, target), status, events);
  ask(canary, 'POST', '/orders?from=mail', 201);
  ask(stable, 'POST', '/orders', 302);
  ask(stable, 'GET', '/orders', 200);
  ask(stable, 'POST', '/orders/17', 200);
  ask(stable, 'GET', '/orders/17', 404);
  ask(stable, 'GET', '/', 200, 'order=49.90, signup=1,');
  ask(canary, 'GET', '/', 200, 'signup');
  ask(canary, 'GET', '/', 500, 'signup');
  ask(canary, 'GET', '/', 200, 'signups');
  assert.deepEqual(tickOf(recorder).batches[0]?.conversions, {
    orders: [1, 1],
    below: [0, 1],
    signups: [1, 2],
    posted: [0, 0],
  });
});

const BASKET: NonNullable<Trial['business']>[number] = {
  name: 'basket',
  when: { event: 'order' },
  worse: 'lower',
};
/** Fifty usual orders of the baseline, 51 to 100. */
function usualOrders(recorder: TrialRecorder): void {
  const [stable] = armsOf(recorder);
  for (let i = 1; i <= 50; i++)
    stable.convert(assign(stable, `usual ${i}`), stable.occasions('POST', '/'), 200, `order=${50 + i}`);
}

test('values are marked by what was usual for the baseline before them, lower being worse', () => {
  const recorder = new TrialRecorder({ ...REQUEST, business: [BASKET] }, 0);
  const gathering = new Gathering(recorder.trial);
  const look = () => {
    gathering.add(recorder.collect(), 'a worker');
    return gathering.take(0).batches[0]?.values;
  };
  const [, canary] = armsOf(recorder);
  const order = (events: string) =>
    canary.convert(assign(canary, 'ann'), canary.occasions('POST', '/'), 200, events);
  order('order=1');
  usualOrders(recorder);
  assert.deepEqual(look(), { basket: [] }, 'nobody knows yet what is usual');
  order('signup=3, order=75, order=500');
  order('order=10');
  order('order=999999');
  const marks = look()!['basket']!.map(([mark, canary, all]) => [Number(mark.toFixed(1)) + 0, canary, all]);
  assert.deepEqual(
    marks.sort(([a], [b]) => a! - b!),
    [-3, 0, 3].map((mark) => [mark, 1, 1]),
  );
  const next = new Gathering({ ...recorder.trial, epoch: 2 }, gathering);
  const later = new TrialRecorder({ ...recorder.trial, epoch: 2 }, 0);
  const [stable] = armsOf(later);
  stable.convert(assign(stable, 'otto'), stable.occasions('POST', '/'), 200, 'order=10');
  next.add(later.collect(), 'a worker');
  assert.deepEqual(next.take(0).batches[0]?.values, { basket: [[3, 0, 1]] }, 'the next epoch knows it');
});

test('a key has one value an epoch, though it buys in two workers', () => {
  const trial = { ...STICKY, business: [BASKET] };
  const [one, two] = [new TrialRecorder(trial, 0), new TrialRecorder(trial, 0)];
  usualOrders(one);
  const gathering = new Gathering(trial);
  gathering.add(one.collect(), 'one');
  gathering.take(0);
  for (const recorder of [one, two, one]) {
    const [, canary] = armsOf(recorder);
    canary.convert(assign(canary, 'ann'), canary.occasions('POST', '/'), 200, 'order=10');
    gathering.add(recorder.collect(), recorder === one ? 'one' : 'two');
  }
  assert.deepEqual(gathering.take(1).batches[0]?.values, { basket: [[3, 1, 1]] });
});

test('what is no plain number has no value, and counts for nothing', () => {
  const recorder = new TrialRecorder({ ...REQUEST, business: [BASKET] }, 0);
  const [, canary] = armsOf(recorder);
  for (const said of [
    '1e9',
    'NaN',
    'Infinity',
    '0x10',
    '+1',
    '1,5',
    '',
    '.5',
    '5.',
    '٣',
    '1_000',
    '9'.repeat(23),
    ' ',
  ])
    canary.convert(assign(canary, 'ann'), canary.occasions('POST', '/'), 200, `order=${said}`);
  const { batches } = recorder.collect();
  const kinds = batches.flatMap(({ tallies }) => tallies.map(({ kind, counts }) => `${kind} ${counts[2]}`));
  // "1,5" is two events, of which the first is worth 1.
  assert.deepEqual(kinds, ['seen 13', 'value:basket 1']);
});

test('a key that errs in two workers is one unit, whoever tells first', () => {
  const [one, two] = [new TrialRecorder(STICKY, 0), new TrialRecorder(STICKY, 0)];
  for (const recorder of [one, two]) {
    const [stable] = armsOf(recorder);
    stable.end(assign(stable, 'ann'), 500, true, -1);
  }
  const gathering = new Gathering(STICKY);
  gathering.add(one.collect(), 'one');
  assert.deepEqual(gathering.take(1).batches[0]?.errors, [0, 1]);
  gathering.add(two.collect(), 'two');
  const tick = gathering.take(2);
  assert.deepEqual(tick.batches[0]?.errors, [0, 0]);
  assert.deepEqual(tick.requestErrors, [0, 1]);
});

test("stable's failures are told apart by how unequal keys are", () => {
  const even = new TrialRecorder(STICKY, 0);
  const uneven = new TrialRecorder(STICKY, 0);
  for (const [recorder, bad] of [
    [even, (i: number, j: number) => (i + j) % 20 === 0],
    [uneven, (i: number) => i < 2],
  ] as const) {
    const [stable] = armsOf(recorder);
    for (let i = 0; i < 40; i++)
      for (let j = 0; j < 20; j++) stable.end(assign(stable, `user-${i}`), 200, bad(i, j), 1);
  }
  const [phi, phiUneven] = [tickOf(even).phi!, tickOf(uneven).phi!];
  assert.ok(phi < 3 && phiUneven > 10, `${phi} and ${phiUneven}`);
});

// ---- any interleaving over several workers is what one worker would have seen

const WORKERS = 3;
interface Happening {
  readonly worker: number;
  readonly key: number;
  readonly split: number;
  readonly failed: boolean;
  readonly latency: number;
  readonly left: boolean;
  readonly converts: boolean;
}
const happening: fc.Arbitrary<Happening> = fc.record({
  worker: fc.nat(WORKERS - 1),
  key: fc.nat(12),
  split: fc.nat(1),
  failed: fc.boolean(),
  latency: fc.constantFrom(1, 20, 60, 300),
  left: fc.boolean(),
  converts: fc.boolean(),
});
/** Exchanges, and in which order they begin, end, and workers tell: a number below 0 is a post of a worker. */
const story = fc.array(happening, { minLength: 1, maxLength: 25 }).chain((exchanges) => {
  const turns = exchanges.flatMap((_, i) => [i, i]);
  const posts = [-1, -2, -3, -1, -2, -3];
  return fc.tuple(
    fc.constant(exchanges),
    fc.shuffledSubarray([...turns, ...posts], { minLength: turns.length + posts.length }),
  );
});

/** Plays a story over so many workers. */
function play(
  trial: Trial,
  [exchanges, turns]: readonly [readonly Happening[], readonly number[]],
  workers: number,
) {
  const recorders = Array.from({ length: workers }, () => new TrialRecorder(trial, 0));
  const gathering = new Gathering(trial);
  const post = (worker: number) => gathering.add(recorders[worker]!.collect(), `worker ${worker}`);
  const begun = new Map<number, readonly [TrialArm, number]>();
  for (const turn of turns) {
    if (turn < 0) {
      post((-turn - 1) % workers);
      continue;
    }
    const { worker, key, split, failed, latency, left, converts } = exchanges[turn]!;
    const known = begun.get(turn);
    if (known === undefined) {
      const stable = split === 0 || trial.sticky ? 90 : 50;
      const arm = armsOf(recorders[worker % workers]!, 10, stable)[key % 4 === 0 ? 1 : 0];
      begun.set(turn, [arm, assign(arm, `key ${key}`)]);
      continue;
    }
    const [arm, ticket] = known;
    if (converts) arm.convert(ticket, arm.occasions('POST', '/orders'), 200, '');
    const waited = arm.wait(ticket, latency);
    if (!left) arm.end(waited, failed ? 500 : 200, failed, latency);
  }
  for (let worker = 0; worker < workers; worker++) post(worker);
  return gathering;
}

/** In another order of propensities: they come as they were first told. */
function ordered(tick: Tick): Tick {
  return { ...tick, batches: [...tick.batches].sort((a, b) => a.w - b.w) };
}

test('requests counted by several workers, told in any order, are what one would have counted', () => {
  fc.assert(
    fc.property(story, (told) => {
      const [several, one] = [play(REQUEST, told, WORKERS), play(REQUEST, told, 1)];
      assert.deepEqual(several.harm, one.harm);
      assert.deepEqual(several.seen, one.seen);
      assert.deepEqual(ordered(several.take(1)), ordered(one.take(1)));
    }),
  );
});

test('keys counted by several workers, told in any order, are what one would have counted', () => {
  fc.assert(
    fc.property(story, (told) => {
      const [several, one] = [play(STICKY, told, WORKERS), play(STICKY, told, 1)];
      assert.deepEqual(several.harm, one.harm);
      assert.deepEqual(several.seen, one.seen);
      assert.deepEqual(withoutFirsts(several.take(1)), withoutFirsts(one.take(1)));
    }),
    { numRuns: 50 },
  );
});

/** Which of a key's requests was the first is the order's; that there was one is not. */
function withoutFirsts({ trials, stableTrials, batches, ...rest }: Tick) {
  return {
    ...rest,
    tried: [trials?.[1], stableTrials?.[1]],
    batches: batches.map(({ latency, ...batch }) => ({
      ...batch,
      timed: latency?.reduce(([c, n], [, canary, all]) => [c! + canary, n! + all], [0, 0]),
    })),
  };
}

test('a post that comes twice, or of an earlier epoch, or of another rollout, counts nothing', () => {
  const post = fc.record({ epoch: fc.nat(2), rollout: fc.constantFrom('r0', 'r1'), times: fc.nat(3) });
  fc.assert(
    fc.property(fc.array(post, { maxLength: 20 }), (posts) => {
      const gathering = new Gathering(REQUEST);
      let seq = 0;
      let own = 0;
      for (const { epoch, rollout, times } of posts) {
        const recorder = new TrialRecorder({ ...REQUEST, epoch, rollout }, 0);
        const [, canary] = armsOf(recorder);
        canary.end(assign(canary, 'ann'), 200, false, 1);
        const counts: TrialCounts = { ...recorder.collect(), seq: ++seq };
        for (let i = 0; i < times; i++) gathering.add(counts, 'worker 1');
        if (epoch === 1 && rollout === 'r1' && times > 0) own++;
      }
      assert.deepEqual(gathering.seen.requests, own);
      assert.deepEqual(gathering.take(1).trials, [0, own]);
    }),
  );
});

test('one millionth of the traffic is counted by its own w', () => {
  const recorder = new TrialRecorder(REQUEST, 0);
  const [, canary] = armsOf(recorder, 0.0001, 99.9999);
  assign(canary, 'ann');
  assert.equal(tickOf(recorder).batches[0]?.w, 1e-6);
});
