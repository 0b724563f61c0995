import { randomBytes } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { dirname, resolve } from 'node:path';
import { createAdmin } from '../admin/admin.ts';
import { Turns } from '../base/turns.ts';
import { ConfigError } from '../config/fault.ts';
import { loadConfig } from '../config/load.ts';
import { createControl } from '../control/control.ts';
import { Controller } from '../control/controller.ts';
import { Errands } from '../control/errands.ts';
import { Evidence } from '../control/evidence.ts';
import { Samples } from '../control/samples.ts';
import { TrafficMeter } from '../control/traffic.ts';
import { ApprovalLinks } from '../gates/links.ts';
import { Notifier } from '../gates/notifier.ts';
import { worldOf } from '../gates/world.ts';
import { Totals } from '../metrics/totals.ts';
import { type Config, type Settings, settingsOf } from '../model/settings.ts';
import type { Catalogue } from '../rollout/catalogue.ts';
import { openStore } from '../store/open.ts';
import { systemClock } from './clock.ts';
import { Crew, type Orders } from './crew.ts';
import { listenFault } from './fault.ts';
import { hireInProcess, hireProcess } from './hand.ts';
import { createLogger, type Logger } from './logger.ts';
import { restartNeeded } from './restart.ts';
import { clearStale } from './socket.ts';
import { version } from './version.ts';

/** Where the config comes from: a file, or already at hand with the directory its relative paths start at. */
export type Source = { readonly configPath: string } | { readonly config: Config; readonly base: string };

/** A Spillway that serves. */
export interface Running {
  /** Where client connections are accepted, as really bound. */
  readonly addresses: readonly string[];
  /** Where the admin API is, as really bound. */
  readonly admin: string;
  readonly log: Logger;
  /** Reads the config again and opens the access logs anew. Never rejects: a bad config changes nothing. */
  reload(): Promise<void>;
  /** Turns /ready to 503, stops accepting, lets what is in flight finish, and closes everything. */
  stop(): Promise<void>;
  /** Ends the workers at once, with whatever they have in flight. */
  kill(): void;
}

/**
 * Runs the primary inside this process, and the workers it needs. Rejects with an Error that says the cure,
 * and leaves nothing behind, if any part cannot start.
 */
export async function runSpillway(source: Source): Promise<Running> {
  const base = 'config' in source ? source.base : dirname(resolve(source.configPath));
  const read = async () => ('config' in source ? source.config : loadConfig(source.configPath));
  const config = await read();
  const settings = settingsIn(config, base);
  const listen = settings.listen.map(({ address }) => address);
  let orders = ordersOf(settings);
  let subscribers = settings.notify;
  let catalogue = catalogueOf(config);
  let linkSettings = settings.admin.links;
  let leaving = false;
  const log = createLogger(settings.logLevel);

  // Each part is closed before what it stands on, whether all of it ran or only half of it started.
  const parts: (() => Promise<unknown>)[] = [];
  const close = async () => {
    for (let part = parts.pop(); part !== undefined; part = parts.pop()) await part();
  };

  try {
    for (const address of [settings.admin.address, ...listen]) await clearStale(address);
    const store = await openStore(settings.store, base, log);
    parts.push(() => store.close());

    const totals = new Totals();
    const evidence = new Evidence(systemClock);
    const crew = new Crew({
      size: Math.max(1, settings.workers),
      listen,
      orders,
      hire: settings.workers === 0 ? hireInProcess(systemClock, log) : hireProcess(),
      totals,
      evidence,
      clock: systemClock,
      log,
    });
    const control = await createControl({
      store,
      serving: crew,
      clock: systemClock,
      newSalt: () => randomBytes(8).toString('hex'),
      marks: (service, version) => evidence.marks(service, version),
      log,
    });
    parts.push(() => control.close());
    await control.reload(config.services, asking('Spillway has started.'));

    const world = worldOf(systemClock, process.env);
    const links = new ApprovalLinks(() => linkSettings, process.env, systemClock);
    const errands = new Errands({
      state: () => control.state(),
      world,
      notifier: new Notifier(world, log),
      links,
      subscribers: () => subscribers,
      log,
    });
    const traffic = new TrafficMeter(totals);
    const samples = new Samples({ state: () => control.state(), world, log });
    const controller = new Controller({
      control,
      evidence,
      errands,
      samples,
      traffic,
      clock: systemClock,
      log,
    });
    parts.push(() => controller.close());

    const status = {
      ready() {
        if (leaving) return { ready: false, why: 'Spillway is shutting down.' };
        return crew.listening > 0
          ? { ready: true }
          : { ready: false, why: 'No worker accepts connections yet.' };
      },
      workers: () => crew.workers(),
      unrouted: () => crew.unrouted(),
    };
    const api = createAdmin({
      commands: control,
      totals,
      insight: controller,
      catalogue: () => catalogue,
      links,
      status,
      settings: settings.admin,
      clock: systemClock,
      log,
      version,
    });
    parts.push(() => api.close());
    const admin = await api.listen().catch((fault: unknown) => {
      throw listenFault(fault, settings.admin.address, 'give another admin.address in the config file');
    });
    log.info({ address: admin }, 'admin listening');

    parts.push(() => crew.drain(orders.settings.timeouts.drain));
    const addresses = await crew.start();
    for (const address of addresses) log.info({ address }, 'listening');
    // What is judged has to be served first.
    await controller.start();

    const reload = async () => {
      const fresh = await read();
      const wanted = settingsIn(fresh, base);
      const { revision } = await control.reload(fresh.services, asking('The config file was read again.'));
      orders = ordersOf(wanted);
      subscribers = wanted.notify;
      catalogue = catalogueOf(fresh);
      linkSettings = wanted.admin.links;
      log.setLevel(orders.logLevel);
      crew.configure(orders);
      const waiting = restartNeeded(settings, wanted);
      if (waiting.length > 0) log.warn({ settings: waiting }, 'these settings change only with a restart');
      log.info({ revision }, 'the config is reloaded');
    };
    const reloads = new Turns();

    return {
      addresses,
      admin,
      log,
      reload() {
        crew.reopen();
        // One after the other, so that of two files read in a row the later one stays.
        return reloads.take(reload).catch((fault: unknown) => logReloadFault(log, fault));
      },
      async stop() {
        leaving = true;
        log.info({}, 'shutting down');
        await close();
        log.info({}, 'all is finished');
      },
      kill: () => crew.kill(),
    };
  } catch (fault) {
    await close();
    throw fault;
  }
}

function asking(reason: string) {
  return { actor: { name: 'config file', role: 'admin' }, reason, wait: 0 };
}

/** The settings of a config, with the path of the access log taken from where the config stands. */
function settingsIn(config: Config, base: string): Settings {
  const settings = settingsOf(config, availableParallelism());
  const { accessLog } = settings.proxy;
  if (accessLog === undefined || accessLog.path === '-') return settings;
  const path = resolve(base, accessLog.path);
  return { ...settings, proxy: { ...settings.proxy, accessLog: { ...accessLog, path } } };
}

function catalogueOf({ strategies = {}, policies = {} }: Config): Catalogue {
  return { strategies, policies };
}

function ordersOf({ proxy, logLevel }: Settings): Orders {
  return { settings: proxy, logLevel };
}

function logReloadFault(log: Logger, fault: unknown): void {
  const faults = fault instanceof ConfigError ? fault.message.split('\n') : undefined;
  const err = faults === undefined ? fault : undefined;
  log.error({ faults, err }, 'the config is not reloaded; nothing has changed');
}
