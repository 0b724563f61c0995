import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { type Admin, createAdmin } from '../admin/admin.ts';
import type { Status } from '../admin/status.ts';
import type { Log } from '../base/log.ts';
import { Refusal } from '../control/commands.ts';
import { createControl } from '../control/control.ts';
import { Controller } from '../control/controller.ts';
import { Errands } from '../control/errands.ts';
import type { Evidence } from '../control/evidence.ts';
import { aloneView, Fleet } from '../control/fleet.ts';
import { Observations } from '../control/observations.ts';
import { Samples } from '../control/samples.ts';
import { TrafficMeter } from '../control/traffic.ts';
import { WaysBack } from '../control/waysback.ts';
import { ApprovalLinks } from '../gates/links.ts';
import { Notifier } from '../gates/notifier.ts';
import { reaches } from '../gates/reach.ts';
import { worldOf } from '../gates/world.ts';
import type { Totals } from '../metrics/totals.ts';
import type { Subscriber } from '../model/notification.ts';
import type { Config, Settings } from '../model/settings.ts';
import type { State } from '../model/state.ts';
import type { Catalogue } from '../rollout/catalogue.ts';
import type { Memory } from '../store/memory.ts';
import type { Recordings } from '../store/recordings.ts';
import type { Store } from '../store/store.ts';
import type { Roster } from '../upstream/roster.ts';
import { systemClock } from './clock.ts';
import type { Crew } from './crew.ts';
import { version } from './version.ts';

/** What the helm is told of the process it stands in. */
export interface HelmParts {
  /** Opens the store, which is closed with the helm. */
  readonly openStore: () => Promise<Store>;
  /** The same of what rollouts are judged by; called while the store is open. */
  readonly openRecordings: () => Recordings;
  readonly crew: Crew;
  readonly totals: Totals;
  readonly evidence: Evidence;
  readonly roster: Roster;
  readonly status: Omit<Status, 'fleet'>;
  readonly admin: Settings['admin'];
  readonly subscribers: () => readonly Subscriber[];
  readonly catalogue: () => Catalogue;
  readonly links: () => Settings['admin']['links'];
  readonly log: Log;
}

/**
 * Whence Spillway is steered: the store, the commands on it, the controller and the admin API. Of one store there is
 * only ever one helm; it can be given up, and taken again, while the crew goes on serving.
 */
export interface Helm {
  readonly admin: Admin;
  /** Takes over the structure that a config file has. Resolves with the state that came of it. */
  reload(services: Config['services'], reason: string): Promise<State>;
  /** Looks after rollouts from now on. What is judged has to be served first. */
  steer(): Promise<void>;
  /** Lets whatever is being done finish, and lets go of the store. */
  close(): Promise<void>;
  /** As `close`; resolves with all that the store held, for one that is nothing but memory. */
  cede(): Promise<Memory>;
}

/** Announces what the store holds. Rejects, and leaves nothing open, if any part cannot be had. */
export async function takeHelm(parts: HelmParts): Promise<Helm> {
  const { crew, totals, evidence, roster, log } = parts;
  // Each part is closed before what it stands on, whether all of it ran or only half of it started.
  const open: (() => Promise<unknown>)[] = [];
  const close = async () => {
    for (let part = open.pop(); part !== undefined; part = open.pop()) await part();
  };
  try {
    const store = await parts.openStore();
    open.push(() => store.close());
    const recordings = parts.openRecordings();
    open.push(() => recordings.close());
    const fleet =
      store.link &&
      new Fleet({
        link: store.link,
        version,
        serving: crew,
        evidence,
        workers: () => crew.workers().length,
        clock: systemClock,
        log,
      });
    if (fleet !== undefined) open.push(() => fleet.close());
    const clock = fleet?.clock ?? systemClock;
    const control = await createControl({
      store,
      serving: fleet?.serving ?? crew,
      clock,
      newSalt: () => randomBytes(8).toString('hex'),
      marks: (service, version) => evidence.marks(service, version),
      log,
    });
    open.push(() => control.close());
    fleet?.join(() => control.state());

    const world = worldOf(systemClock, process.env);
    const links = new ApprovalLinks(parts.links, process.env, systemClock);
    const errands = new Errands({
      state: () => control.state(),
      world,
      notifier: new Notifier(world, log),
      links,
      subscribers: parts.subscribers,
      log,
    });
    const traffic = new TrafficMeter(totals);
    const samples = new Samples({ state: () => control.state(), world, log });
    const observations = new Observations({
      state: () => control.state(),
      evidence,
      ...(fleet && { messenger: fleet }),
      clock: systemClock,
    });
    fleet?.observe((posting) => observations.take(posting));
    const ways = new WaysBack({ state: () => control.state(), reaches, roster, clock: systemClock });
    const controller = new Controller({
      control,
      evidence,
      roster,
      errands,
      samples,
      observations,
      recordings,
      ways,
      traffic,
      ...(fleet && { lead: fleet }),
      clock,
      log,
    });
    open.push(() => controller.close());

    fleet?.tell((rollout) => controller.verdict(rollout));

    const admin = createAdmin({
      commands: control,
      totals,
      insight: controller,
      recordings,
      observations,
      catalogue: parts.catalogue,
      links,
      status: {
        ...parts.status,
        fleet: () =>
          fleet?.view() ??
          aloneView(hostname(), version, control.state().revision, crew.workers().length, systemClock.now()),
      },
      settings: parts.admin,
      clock: systemClock,
      log,
      version,
    });
    open.push(() => admin.close());
    await admin.ready();

    const reload: Helm['reload'] = async (services, reason) => {
      try {
        return await control.reload(services, asking(reason));
      } catch (fault) {
        if (fleet === undefined || !(fault instanceof Refusal) || fault.why !== 'unavailable') throw fault;
        if (control.state().revision === 0) {
          // Without any truth there is nothing to serve meanwhile.
          log.warn({ why: fault.message }, 'there is nothing to serve before the store can be written');
          await new Promise<void>((resolve) => fleet.onceUp(resolve));
          return reload(services, reason);
        }
        log.warn({ why: fault.message }, 'the config is taken over as soon as the store can be written');
        fleet.onceUp(() => {
          reload(services, reason).catch((err: unknown) =>
            log.error({ err }, 'the config is not taken over; have it read again'),
          );
        });
        return control.state();
      }
    };

    return {
      admin,
      reload,
      async steer() {
        if (fleet !== undefined) fleet.willing = true;
        await controller.start();
      },
      close,
      async cede() {
        await close();
        return { state: await store.read(), entries: await store.audit({ limit: Number.POSITIVE_INFINITY }) };
      },
    };
  } catch (fault) {
    await close();
    throw fault;
  }
}

function asking(reason: string) {
  return { actor: { name: 'config file', role: 'admin' }, reason, wait: 0 };
}
