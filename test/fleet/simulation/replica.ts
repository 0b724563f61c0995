import { silent } from '../../../src/base/log.ts';
import { type Asking, Refusal, type Serving } from '../../../src/control/commands.ts';
import { type Control, createControl } from '../../../src/control/control.ts';
import { Controller } from '../../../src/control/controller.ts';
import { Evidence } from '../../../src/control/evidence.ts';
import { Fleet } from '../../../src/control/fleet.ts';
import { TrafficMeter } from '../../../src/control/traffic.ts';
import { Totals } from '../../../src/metrics/totals.ts';
import type { Tally } from '../../../src/model/evidence.ts';
import type { Receipt } from '../../../src/model/record.ts';
import type { ServiceConfig, State, Trial } from '../../../src/model/state.ts';
import type { Stamped } from '../../../src/store/mirror.ts';
import { openStore, type RedisSettings } from '../../../src/store/redis.ts';
import { Host } from './host.ts';
import { Cable, type Net, SimulatedClient } from './line.ts';

export const LEASE = 3_000;

const CONFIG: Readonly<Record<string, ServiceConfig>> = {
  web: {
    match: [{ path: '/' }],
    versions: { stable: { endpoints: ['127.0.0.1:9001'] }, canary: { endpoints: ['127.0.0.1:9002'] } },
    weights: { stable: 100, canary: 0 },
  },
};

/** How often a worker tells what it has counted, ms. */
const TELLS = 500;

/** What users of the service meet, everywhere. */
export interface Traffic {
  /** Requests that a replica gets between two posts; 0: it is night. */
  requests: number;
  /** The share of the candidate's answers that are failures. */
  failing: number;
}

/** Those who look on. */
export interface Watcher {
  announced(replica: Replica, state: State): void;
}

/** One life of a replica: all that a process has of the control plane, but for sockets. */
interface Life {
  readonly host: Host;
  readonly control: Control;
  readonly fleet: Fleet;
}

/** A machine of the fleet, with what survives on it when its process does not. */
export class Replica {
  readonly name: string;
  readonly cable = new Cable();
  readonly #net: Net;
  readonly #traffic: Traffic;
  readonly #watcher: Watcher;
  /** The mirror. */
  disk: Stamped | undefined;
  /** The newest truth known in this life. */
  known: Stamped | undefined;
  host: Host;
  #life: Life | undefined;
  #salts = 0;

  constructor(name: string, net: Net, traffic: Traffic, watcher: Watcher) {
    this.name = name;
    this.#net = net;
    this.#traffic = traffic;
    this.#watcher = watcher;
    this.host = new Host(net.world, net.world.between(-500, 500));
  }

  /** Undefined while it is dead, or has not begun to serve. */
  get control(): Control | undefined {
    return this.host.alive ? this.#life?.control : undefined;
  }

  get fleet(): Fleet | undefined {
    return this.host.alive ? this.#life?.fleet : undefined;
  }

  get able(): boolean {
    return this.control !== undefined && !this.host.frozen && !this.cable.cut;
  }

  /** `kill -9`. */
  kill(): void {
    this.host.alive = false;
    this.#life = undefined;
    this.known = undefined;
  }

  start(): void {
    const host = new Host(this.#net.world, this.host.skew);
    this.host = host;
    this.#live(host).catch(() => {
      // Whatever starts processes starts this one again.
      const { world } = this.#net;
      host.alive = false;
      world.at(world.now + 1_000, () => this.host === host && this.start());
    });
  }

  async #live(host: Host): Promise<void> {
    const settings: RedisSettings = {
      place: {
        kind: 'one',
        secure: false,
        nodes: [{ host: 'redis', port: 6379 }],
        group: '',
        db: 0,
        username: undefined,
        password: undefined,
      },
      credentials: {},
      fleet: 'fleet',
      replica: this.name,
      lease: LEASE,
      startTimeout: 3_000,
      mirror: '',
    };
    this.known = this.disk;
    const store = await openStore(settings, {
      mirror: {
        write: (known) => {
          if (this.host === host) this.known = known;
          host.after(this.#net.world.between(1, 40), () => {
            this.disk = known;
          });
        },
        async close() {},
      },
      known: this.disk,
      dial: () => SimulatedClient.dial(host, this.#net, this.cable),
      clock: host,
      timers: host,
      log: silent,
    });
    const evidence = new Evidence(host);
    const serving = this.#serving(host, evidence);
    const common = { clock: host, timers: host, log: silent };
    const fleet = new Fleet({
      ...common,
      link: store.link!,
      version: '1',
      serving,
      evidence,
      workers: () => 1,
    });
    const control = await createControl({
      ...common,
      store,
      serving: fleet.serving,
      clock: fleet.clock,
      newSalt: () => `${this.name} ${++this.#salts}`,
    });
    fleet.join(() => control.state());
    const controller = new Controller({
      ...common,
      control,
      evidence,
      lead: fleet,
      clock: fleet.clock,
      roster: { goneFor: () => undefined },
      errands: errandsOf(control),
      samples: { attend() {}, take: () => undefined, heard: () => [], async close() {} },
      observations: { attend() {} },
      recordings: { add() {}, async flush() {}, async retain() {} },
      ways: { attend() {}, news: () => [], async close() {} },
      traffic: new TrafficMeter(new Totals()),
    });
    if (this.host === host) this.#life = { host, control, fleet };
    await reload(control, fleet);
    fleet.willing = true;
    await controller.start();
  }

  /** Serves at once, by one worker that counts. */
  #serving(host: Host, evidence: Evidence): Serving {
    let trial: Trial | undefined;
    let seq = 0;
    const tell = (): void => {
      host.after(TELLS, tell);
      if (trial === undefined) return;
      const { rollout, epoch } = trial;
      evidence.add(
        [{ rollout, epoch, seq: ++seq, ...countsOf(this.#traffic, this.#net.world.random) }],
        'worker 1',
      );
    };
    evidence.join('worker 1');
    tell();
    return {
      announce: (state) => {
        evidence.follow(state);
        trial = state.services['web']?.trial;
        this.#watcher.announced(this, state);
      },
      receipt: async (revision): Promise<Receipt> => ({ revision, live: true, workers: [], missing: [] }),
    };
  }
}

/** As the helm does it. */
async function reload(control: Control, fleet: Fleet): Promise<void> {
  const asking: Asking = { actor: { name: 'config file', role: 'admin' }, wait: 0 };
  try {
    await control.reload(CONFIG, asking);
  } catch (fault) {
    if (!(fault instanceof Refusal) || fault.why !== 'unavailable' || control.state().revision === 0)
      throw fault;
    fleet.onceUp(() => void reload(control, fleet));
  }
}

/** Whatever is to be done in the world is done at once. */
function errandsOf(control: Control) {
  return {
    attend() {},
    reports: (id: string) =>
      (control.state().rollouts?.[id]?.errands ?? []).map((errand) => ({
        type: 'done' as const,
        errand: errand.id,
      })),
    heard: () => ({}),
    rest() {},
    async close() {},
  };
}

/** What one worker counts of half a second, each request a unit of its own. */
function countsOf({ requests, failing }: Traffic, random: () => number) {
  const failures = Array.from({ length: requests }, random).filter((x) => x < failing).length;
  const both = (kind: string, baseline: number, candidate: number): Tally => ({
    kind,
    counts: [0, baseline, candidate],
    keys: [],
  });
  const tallies = [
    both('seen', requests, requests),
    { kind: 'tried', counts: [0, requests, requests - failures, 1, 0, failures], keys: [] },
    both('erred', 0, failures),
  ];
  return {
    requests: [requests, requests] as const,
    failures: [0, failures] as const,
    slow: [0, 0] as const,
    dispersed: [],
    batches: requests === 0 ? [] : [{ w: 0.5, tallies }],
  };
}
