import type { Asking } from '../../../src/control/commands.ts';
import { Refusal } from '../../../src/control/commands.ts';
import type { Launch } from '../../../src/control/launch.ts';
import { liveRollout } from '../../../src/control/rollouts.ts';
import type { Host } from './host.ts';
import type { Replica } from './replica.ts';
import type { World } from './world.ts';

/** What a person asked of a replica, and what they heard. */
export interface Deed {
  /** Stands as the reason in what comes of it. */
  readonly id: string;
  readonly type: Ask;
  readonly replica: Replica;
  /** The process that was asked. */
  readonly host: Host;
  readonly invoked: number;
  /** Undefined while nothing was heard. */
  returned: number | undefined;
  heard: 'durable' | 'local' | 'same' | 'refused' | undefined;
  revision: number | undefined;
  /** Of a rollback: the version that it led to. */
  to: string | undefined;
}

const ASKS = { weights: 5, rollback: 4, start: 5, abort: 1, pause: 1, resume: 1, promote: 2 } as const;
export type Ask = keyof typeof ASKS;

const LAUNCH: Launch = {
  candidate: 'canary',
  strategy: {
    type: 'canary',
    steps: [
      { weight: 10, atLeast: 1, needs: { requests: 50 } },
      { weight: 50, atLeast: 2, needs: { requests: 100 } },
    ],
    bake: { for: 3 },
  },
  policy: { mode: 'request' },
};

/** People, who ask things of replicas, and remember what they were told. */
export class People {
  readonly deeds: Deed[] = [];
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  ask(replica: Replica, type: Ask = this.#world.draw(ASKS)): Deed {
    const deed: Deed = {
      id: `deed ${this.deeds.length + 1}`,
      type,
      replica,
      host: replica.host,
      invoked: this.#world.now,
      returned: undefined,
      heard: undefined,
      revision: undefined,
      to: undefined,
    };
    this.deeds.push(deed);
    const { host } = replica;
    // Over the network, as all else.
    host.after(this.#world.between(0, 5), () => {
      this.#carryOut(deed).then(
        (outcome) => host.run(() => Object.assign(deed, outcome, { returned: this.#world.now })),
        (error) => {
          if (!(error instanceof Refusal)) throw error;
          Object.assign(deed, { heard: 'refused', returned: this.#world.now });
        },
      );
    });
    return deed;
  }

  async #carryOut({ id, type, replica }: Deed): Promise<Partial<Deed>> {
    const { control } = replica;
    if (control === undefined) return { heard: 'refused' };
    const world = this.#world;
    const state = control.state();
    const asking: Asking = {
      actor: { name: 'ada', role: 'admin' },
      reason: id,
      wait: world.chance(0.2) ? 300 : 0,
      ...(type !== 'rollback' && world.chance(0.4) && { ifRevision: state.revision }),
    };
    if (type === 'weights' || type === 'rollback') {
      const canary = world.pick([0, 10, 50, 100]);
      const change = await (type === 'weights'
        ? control.setWeights('web', { stable: 100 - canary, canary }, asking)
        : control.rollback('web', undefined, asking));
      const { changed, durable, revision, to } = change;
      return { heard: durable ? (changed ? 'durable' : 'same') : 'local', revision, to };
    }
    if (type === 'start') {
      // Each build is another one, or quarantine would soon end all trying.
      const { durable, revision } = await control.startRollout('web', { ...LAUNCH, build: id }, asking);
      return { heard: durable ? 'durable' : 'local', revision };
    }
    const rollout = liveRollout(state, 'web');
    if (rollout === undefined) return { heard: 'refused' };
    const { durable, revision } = await control.askRollout(rollout.id, { type }, asking);
    return { heard: durable ? 'durable' : 'local', revision };
  }
}
