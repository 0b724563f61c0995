import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { randomFrom } from '../../bench/statistics.ts';
import { unitSlot } from '../../src/analysis/units.ts';
import { murmur3Text } from '../../src/base/hash.ts';
import type { Launch } from '../../src/control/launch.ts';
import type { Observation } from '../../src/model/api.ts';
import type { Rollout } from '../../src/model/rollout.ts';
import { isEnded } from '../../src/rollout/move.ts';
import { memoryStore } from '../../src/store/memory.ts';
import { ASKING } from '../control/house.ts';
import { HandClock } from '../support/clock.ts';
import { Helm, Node, type Outcome } from './replay/node.ts';
import { Stream, type Weather } from './replay/stream.ts';

/** How often it is tried with other streams, and where those begin. More: `REPLAYS=5000 SEED=7`. */
const REPLAYS = Number(process.env['REPLAYS'] ?? 12);
const SEED = Number(process.env['SEED'] ?? 1);

/** Between two looks, ms. */
const LOOK = 10_000;
/** Looks before the rollout, at the traffic of the baseline alone. */
const BEFORE = 3;

interface Story {
  readonly seed: number;
  readonly mode: 'request' | 'sticky';
  readonly replicas: number;
  readonly workers: number;
  readonly looks: number;
  /** Requests between two looks. */
  readonly requests: number;
  /** What the candidate does to its users: so many of 1000 more fail, and all wait so many times as long. */
  readonly failing: number;
  readonly slower: number;
  readonly buys: number;
}

const LAUNCH = (mode: Story['mode'], atLeast = 40): Launch => ({
  candidate: 'canary',
  strategy: {
    type: 'canary',
    steps: [
      { weight: 20, atLeast, needs: { requests: 100 } },
      { weight: 50, atLeast, needs: { requests: 100 } },
    ],
    bake: { for: 60, keepWarm: 5 },
  },
  policy: {
    mode,
    metrics: [
      ...(['errorRatio', 'errorCeiling', 'latencyShift', 'latencyP95', 'latencyP99'] as const).map(
        (kind) => ({ name: kind, kind }),
      ),
      { name: 'orders', kind: 'conversion', when: { method: 'POST', path: '/orders' } },
      { name: 'basket', kind: 'value', when: { event: 'order' }, worse: 'lower' },
      mode === 'sticky'
        ? { name: 'refunds', kind: 'conversion', worse: 'higher' }
        : { name: 'refunds', kind: 'conversion', worse: 'higher', by: 'version' },
    ],
  },
});

/** Users, no two of whom share a slot: which of such two came first is nobody's to say. */
const KEYS = [
  ...new Map(Array.from({ length: 3_000 }, (_, i) => [unitSlot(`user ${i}`), `user ${i}`])).values(),
];

/** All that a fleet meets, and one node that meets all of it. */
class Replay {
  readonly clock = new HandClock();
  readonly story: Story;
  readonly stream: Stream;
  nodes: readonly Node[];
  readonly one: Node;
  readonly #random: () => number;
  readonly #stores = [memoryStore(), memoryStore()] as const;
  #posted = 0;
  leader!: Helm;
  alone!: Helm;

  constructor(story: Story) {
    this.story = story;
    this.#random = randomFrom(story.seed);
    this.stream = new Stream(this.#random);
    this.nodes = Array.from(
      { length: story.replicas },
      (_, i) => new Node(`${'abcde'[i]}~1`, this.clock, story.workers, this.stream),
    );
    this.one = new Node('one', this.clock, 1);
  }

  /** The first of the nodes leads; the one alone begins as well. */
  async start(): Promise<void> {
    this.beat();
    this.leader = await Helm.of(this.nodes[0]!, this.nodes, this.clock, this.#stores[0]);
    this.alone = await Helm.of(this.one, [this.one], this.clock, this.#stores[1]);
    await this.leader.controller.start();
    await this.alone.controller.start();
  }

  /** Whoever leads is no more, and the next one does; the one alone begins anew. */
  async takeOver(): Promise<void> {
    await this.close();
    this.nodes = this.nodes.slice(1);
    await this.start();
  }

  async launch(atLeast?: number): Promise<void> {
    for (const { control } of [this.leader, this.alone])
      await control.startRollout('web', LAUNCH(this.story.mode, atLeast), ASKING);
  }

  async close(): Promise<void> {
    for (const { controller, control } of [this.leader, this.alone]) {
      await controller.close();
      await control.close();
    }
    await this.nodes[0]!.fleet!.close();
  }

  beat(): void {
    for (const node of this.nodes) node.beat(this.nodes, this.nodes[0]!.name);
  }

  /** What happens until the next look; all that is posted has arrived by then, but what is cut off. */
  async pass(cut?: Node): Promise<void> {
    const { requests } = this.story;
    this.clock.wind(LOOK);
    for (let i = 0; i < requests; i++) {
      const outcome = this.#outcome();
      const [node, worker] = [this.#pick(this.nodes.length), this.#pick(this.story.workers)];
      this.nodes[node]!.serve(worker, outcome);
      this.one.serve(0, outcome);
      if (this.#random() < 0.02) this.#observe();
      if (this.#random() < 0.03)
        this.nodes[this.#pick(this.nodes.length)]!.tell(this.#pick(this.story.workers));
      if (this.#random() < 0.03) await this.#round(this.nodes[this.#pick(this.nodes.length)]!, cut);
    }
    for (const node of this.nodes) {
      node.tellAll();
      this.stream.weather.set(node.name, node === cut ? 'lost' : 'fair');
    }
    this.one.tellAll();
    // Whoever leads is last, and hears everybody.
    for (const node of this.nodes.toReversed()) await node.round();
    this.beat();
  }

  /** Both look; the verdicts, and where the rollouts stand. */
  async look() {
    const both = [];
    for (const { control, controller } of [this.leader, this.alone]) {
      await controller.look();
      const [rollout] = Object.values(control.state().rollouts ?? {}) as Rollout[];
      both.push({ verdict: rollout && controller.verdict(rollout.id), rollout });
    }
    return both as [(typeof both)[0], (typeof both)[0]];
  }

  /** Everybody knows the same of the past. */
  async marks(): Promise<void> {
    for (const node of this.nodes) await node.round();
    for (const { evidence } of this.nodes) {
      assert.deepEqual(evidence.marks('web', 'stable'), this.one.evidence.marks('web', 'stable'));
      assert.deepEqual(evidence.baseline('web', 'stable'), this.one.evidence.baseline('web', 'stable'));
    }
  }

  async #round(node: Node, cut: Node | undefined): Promise<void> {
    const weathers: readonly Weather[] = ['fair', 'lost', 'unheard'];
    this.stream.weather.set(node.name, node === cut ? 'lost' : weathers[this.#pick(3)]!);
    await node.round();
  }

  #outcome(): Outcome {
    const { mode, failing, slower, buys } = this.story;
    const key = KEYS[this.#pick(KEYS.length)]!;
    // What a user meets is the user's alone where a user counts once: or it would be whoever told first.
    const chance =
      mode === 'sticky' ? (what: string) => murmur3Text(`${key} ${what}`, 5) / 2 ** 32 : this.#random;
    const version = chance('version') < this.#share ? 'canary' : 'stable';
    const worse = version === 'canary';
    return {
      key,
      version,
      failed: chance('fails') < 0.03 + (worse ? failing / 1000 : 0),
      ms: 2 * Math.exp(2 * chance('takes') + chance('takes longer')) * (worse ? slower : 1),
      basket: chance('buys') < buys ? Math.round(100 * (5 + 90 * chance('basket'))) / 100 : undefined,
    };
  }

  /** Somebody posts something at some replica, and perhaps again at another one. */
  #observe(): void {
    const { rollouts = {}, services } = this.one.state;
    if (Object.keys(rollouts).length === 0 || services['web']!.trial === undefined) return;
    const id = `refund ${++this.#posted}`;
    const observation: Observation =
      this.story.mode === 'sticky'
        ? { metric: 'refunds', key: KEYS[this.#pick(KEYS.length)]!, id }
        : { metric: 'refunds', version: this.#random() < this.#share ? 'canary' : 'stable', id };
    this.one.observations.post('web', [observation]);
    for (let times = 1 + this.#pick(2); times > 0; times--)
      this.nodes[this.#pick(this.nodes.length)]!.observations.post('web', [observation]);
  }

  get #share(): number {
    return (this.one.state.services['web']!.split.weights['canary'] ?? 0) / 100;
  }

  #pick(count: number): number {
    return Math.floor(this.#random() * count);
  }
}

const STORY: fc.Arbitrary<Story> = fc.record({
  seed: fc.nat(),
  mode: fc.constantFrom('request' as const, 'sticky' as const),
  replicas: fc.integer({ min: 2, max: 5 }),
  workers: fc.integer({ min: 1, max: 3 }),
  looks: fc.integer({ min: 2, max: 14 }),
  requests: fc.integer({ min: 20, max: 400 }),
  failing: fc.constantFrom(0, 0, 10, 100, 500),
  slower: fc.constantFrom(1, 1, 1.5, 3),
  buys: fc.constantFrom(0, 0.3),
});

/** Stories with an end. */
const HEALTHY: Story = {
  seed: 1,
  mode: 'request',
  replicas: 3,
  workers: 2,
  looks: 20,
  requests: 1_500,
  failing: 0,
  slower: 1,
  buys: 0.3,
};
const EXAMPLES: readonly Story[] = [
  HEALTHY,
  { ...HEALTHY, mode: 'sticky', seed: 2 },
  { ...HEALTHY, slower: 2, seed: 3 },
  { ...HEALTHY, mode: 'sticky', failing: 100, seed: 4 },
];

/** Plays a story; what was seen of it. */
async function play(story: Story) {
  const replay = new Replay(story);
  const seen = { ends: new Set<string>(), suspects: new Set<string>() };
  await replay.start();
  try {
    for (let i = 0; i < BEFORE; i++) {
      await replay.pass();
      await replay.look();
    }
    await replay.marks();
    await replay.launch();
    for (let i = 0; i < story.looks; i++) {
      await replay.pass();
      const [fleet, one] = await replay.look();
      assert.deepEqual(fleet.verdict, one.verdict);
      assert.deepEqual(fleet.rollout, one.rollout);
      seen.ends.add(one.rollout!.phase.at);
      for (const { name, standing } of one.verdict?.tests ?? [])
        if (standing === 'suspicious' || standing === 'decided') seen.suspects.add(name);
      await replay.marks();
      if (isEnded(one.rollout!.phase)) break;
    }
    assert.deepEqual(
      replay.leader.control.state().services['web']?.trial,
      replay.alone.control.state().services['web']?.trial,
    );
  } finally {
    await replay.close();
  }
  return seen;
}

describe('the verdict of a fleet', () => {
  test('is that of one node that saw it all, to the last digit, whatever happens to posts', async (t) => {
    const ends = new Set<string>();
    const suspects = new Set<string>();
    await fc.assert(
      fc.asyncProperty(STORY, async (story) => {
        const seen = await play(story);
        for (const each of seen.ends) ends.add(each);
        for (const each of seen.suspects) suspects.add(each);
      }),
      { numRuns: EXAMPLES.length + REPLAYS, seed: SEED, examples: EXAMPLES.map((story) => [story]) },
    );
    t.diagnostic(
      `${EXAMPLES.length + REPLAYS} replays: ${[...ends].join(', ')}; ${[...suspects].join(', ')}`,
    );
    // They meet what they are for.
    for (const each of ['stepping', 'baking', 'promoted', 'rolledBack']) assert.ok(ends.has(each), each);
    for (const each of ['errorRatio', 'latencyShift', 'latencyP95']) assert.ok(suspects.has(each), each);
  });

  test('names who is cut off, holds meanwhile, and misses nothing of them afterwards', async () => {
    const replay = new Replay({ ...HEALTHY, mode: 'sticky', seed: 2 });
    await replay.start();
    try {
      for (let i = 0; i < BEFORE; i++) await replay.pass();
      await replay.marks();
      await replay.launch(10_000);
      const third = replay.nodes[2]!;
      for (let i = 0; i < 6; i++) {
        await replay.pass(third);
        const [{ verdict, rollout }] = await replay.look();
        assert.deepEqual(verdict?.missing, ['worker 1 of c~1', 'worker 2 of c~1']);
        assert.deepEqual([verdict.decision, verdict.reason, rollout?.weight], ['hold', 'missing', 20]);
        assert.match(verdict.says, /nothing is heard of worker 1 of c~1, worker 2 of c~1/);
      }
      const { controller } = replay.leader;
      const [rollout] = Object.values(replay.leader.control.state().rollouts!);
      await replay.pass();
      assert.deepEqual(controller.missing(rollout!.id), []);
      await replay.look();
      const { evidence } = replay.nodes[0]!;
      assert.deepEqual(evidence.harm(rollout!.id)?.harm, replay.one.evidence.harm(rollout!.id)?.harm);
    } finally {
      await replay.close();
    }
  });

  test('begins again when another leads, says so, and is that of one node that began again', async () => {
    const replay = new Replay({ ...HEALTHY, slower: 1.2, buys: 0, seed: 3 });
    await replay.start();
    try {
      for (let i = 0; i < BEFORE; i++) await replay.pass();
      await replay.marks();
      await replay.launch();
      for (let i = 0; i < 3; i++) {
        await replay.pass();
        await replay.look();
      }
      await replay.marks();
      replay.beat();
      const [before] = Object.values(replay.leader.control.state().rollouts!);
      await replay.takeOver();
      const [after] = Object.values(replay.leader.control.state().rollouts!);
      assert.equal(after?.epoch, before!.epoch + 1);
      assert.match(after.history.at(-1)!.says, /lost its evidence, which is gathered again/);
      const { evidence } = replay.nodes[0]!;
      assert.deepEqual(evidence.harm(after.id)?.harm, replay.one.evidence.harm(after.id)?.harm);
      for (let i = 0; i < 12; i++) {
        await replay.pass();
        const [fleet, one] = await replay.look();
        assert.deepEqual(fleet.verdict, one.verdict);
        assert.deepEqual(fleet.rollout, one.rollout);
        if (isEnded(one.rollout!.phase)) break;
      }
    } finally {
      await replay.close();
    }
  });
});
