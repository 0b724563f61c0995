import { setImmediate as settled } from 'node:timers/promises';
import { bucketOf } from '../../../src/base/histogram.ts';
import { silent } from '../../../src/base/log.ts';
import type { Timers } from '../../../src/base/timers.ts';
import { type Control, createControl } from '../../../src/control/control.ts';
import { Controller } from '../../../src/control/controller.ts';
import { Evidence } from '../../../src/control/evidence.ts';
import { Fleet } from '../../../src/control/fleet.ts';
import { ALONE } from '../../../src/control/lead.ts';
import { type Messenger, Observations } from '../../../src/control/observations.ts';
import { TrafficMeter } from '../../../src/control/traffic.ts';
import { Totals } from '../../../src/metrics/totals.ts';
import type { TrialArm } from '../../../src/metrics/trial.ts';
import { Trials } from '../../../src/metrics/trials.ts';
import type { State } from '../../../src/model/state.ts';
import type { Store } from '../../../src/store/store.ts';
import { ASKING, Recorder, SERVICES } from '../../control/house.ts';
import type { HandClock } from '../../support/clock.ts';
import { counts } from '../../support/counts.ts';
import type { Stream } from './stream.ts';

/** One request, and all that came of it. */
export interface Outcome {
  readonly key: string;
  readonly version: 'stable' | 'canary';
  readonly ms: number;
  readonly failed: boolean;
  /** What it bought. */
  readonly basket: number | undefined;
}

/** Rounds that are made when the test says so. */
class HandTimers implements Timers {
  readonly #tasks = new Set<() => void>();

  after(): () => void {
    return () => {};
  }

  every(_ms: number, task: () => void): () => void {
    this.#tasks.add(task);
    return () => this.#tasks.delete(task);
  }

  async round(): Promise<void> {
    for (const task of this.#tasks) task();
    await settled();
  }
}

/** A worker, as far as it counts. */
class Worker {
  readonly #trials = new Trials();
  #arms: Partial<Record<string, TrialArm>> = {};
  #ledgers: ReturnType<typeof counts>[] = [];

  adopt({ services }: State, now: number): void {
    this.#trials.begin();
    const service = services['web']!;
    this.#arms = {};
    for (const version of ['stable', 'canary']) {
      const arm = this.#trials.arm('web', version, service, now);
      if (arm !== undefined) this.#arms[version] = arm;
    }
    this.#trials.adopt(services);
  }

  serve({ key, version, ms, failed, basket }: Outcome, now: number): void {
    const status = failed ? 500 : 200;
    this.#ledgers.push(
      counts({ version, codes: [status, 1], errors: failed ? 1 : 0, latency: [bucketOf(ms), 1] }),
    );
    const arm = this.#arms[version];
    if (arm === undefined) return;
    const ticket = arm.assign(Buffer.from(key), 0, key.length, true, now);
    if (basket !== undefined && arm.converts)
      arm.convert(ticket, arm.occasions('POST', '/orders'), status, `order=${basket.toFixed(2)}`);
    arm.end(arm.wait(ticket, ms), status, failed, ms);
  }

  collect() {
    return { trials: this.#trials.collect(), ledgers: this.#ledgers.splice(0) };
  }
}

/** A node with workers that count: of a fleet, or, without a stream, alone. */
export class Node {
  readonly name: string;
  readonly evidence: Evidence;
  readonly observations: Observations;
  readonly fleet: Fleet | undefined;
  readonly #clock: HandClock;
  readonly #workers: Worker[];
  readonly #timers = new HandTimers();
  #state: State = { revision: 0, services: {} };

  constructor(name: string, clock: HandClock, workers: number, stream?: Stream) {
    this.name = name;
    this.#clock = clock;
    this.#workers = Array.from({ length: workers }, () => new Worker());
    this.evidence = new Evidence(clock);
    for (const i of this.#workers.keys()) this.evidence.join(`worker ${i + 1}`);
    this.fleet =
      stream &&
      new Fleet({
        link: stream.link(name),
        version: '1',
        serving: new Recorder(),
        evidence: this.evidence,
        workers: () => workers,
        clock,
        timers: this.#timers,
        log: silent,
      });
    this.fleet?.join(() => this.#state);
    const messenger: Messenger | undefined = this.fleet;
    this.observations = new Observations({
      state: () => this.#state,
      evidence: this.evidence,
      ...(messenger && { messenger }),
      clock,
    });
    this.fleet?.observe((posting) => this.observations.take(posting));
  }

  get state(): State {
    return this.#state;
  }

  announce(state: State): void {
    this.#state = state;
    this.evidence.follow(state);
    for (const worker of this.#workers) worker.adopt(state, this.#clock.monotonic());
  }

  serve(worker: number, outcome: Outcome): void {
    this.#workers[worker]!.serve(outcome, this.#clock.monotonic());
  }

  /** A worker tells what it has counted since it last did. */
  tell(worker: number): void {
    const { trials, ledgers } = this.#workers[worker]!.collect();
    this.evidence.remember(ledgers);
    if (trials.length > 0) this.evidence.add(trials, `worker ${worker + 1}`);
  }

  tellAll(): void {
    for (const i of this.#workers.keys()) this.tell(i);
  }

  /** Posts, and takes in, what there is. */
  round(): Promise<void> {
    return this.#timers.round();
  }

  /** A sign of life, that finds these to be there and this one of them to lead. */
  beat(all: readonly Node[], leader: string): void {
    this.fleet!.beat({
      ...(this.name === leader ? { token: `${leader} leads` } : { token: undefined }),
      until: this.#clock.monotonic() + 1e9,
      now: this.#clock.now(),
      at: this.#clock.monotonic(),
      offset: 0,
      revision: this.#state.revision,
      replicas: all.map((each) => ({
        self: each.name,
        leads: each.name === leader,
        age: 0,
        card: JSON.parse(JSON.stringify(each.fleet!.card())) as unknown,
      })),
    });
  }
}

/** Whoever decides: the control and the controller of a node, for all these nodes. */
export class Helm {
  readonly control: Control;
  readonly controller: Controller;

  private constructor(control: Control, controller: Controller) {
    this.control = control;
    this.controller = controller;
  }

  static async of(node: Node, all: readonly Node[], clock: HandClock, store: Store): Promise<Helm> {
    const { evidence, observations } = node;
    // It looks when the test says so.
    const timers = new HandTimers();
    let salts = 0;
    const control = await createControl({
      store,
      serving: {
        announce: (state) => {
          for (const each of all) if (each.state.revision < state.revision) each.announce(state);
        },
        receipt: async (revision) => ({ revision, live: true, workers: [], missing: [] }),
      },
      clock,
      newSalt: () => `salt ${++salts}`,
      marks: (service, version) => evidence.marks(service, version),
      timers,
      log: silent,
    });
    if (control.state().revision === 0) await control.reload(SERVICES, ASKING);
    const controller = new Controller({
      control,
      evidence,
      observations,
      lead: node.fleet ?? ALONE,
      clock,
      roster: { goneFor: () => undefined },
      errands: { attend() {}, reports: () => [], heard: () => ({}), rest() {}, async close() {} },
      samples: { attend() {}, take: () => undefined, heard: () => [], async close() {} },
      recordings: { add() {}, async flush() {}, async retain() {} },
      ways: { attend() {}, news: () => [], async close() {} },
      traffic: new TrafficMeter(new Totals()),
      timers,
      log: silent,
    });
    return new Helm(control, controller);
  }
}
