import type { Socket } from 'node:net';
import { availableParallelism } from 'node:os';
import { dirname, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Turns } from '../base/turns.ts';
import { ConfigError } from '../config/fault.ts';
import { loadConfig } from '../config/load.ts';
import { Evidence } from '../control/evidence.ts';
import { Totals } from '../metrics/totals.ts';
import { type Config, type Settings, settingsOf } from '../model/settings.ts';
import type { Catalogue } from '../rollout/catalogue.ts';
import { openRecordings, openStore } from '../store/open.ts';
import { Roster } from '../upstream/roster.ts';
import { systemClock } from './clock.ts';
import { Crew, type Orders } from './crew.ts';
import { Door } from './door.ts';
import { closeEntrances, entrancesOf } from './entrances.ts';
import { openSocket } from './fault.ts';
import { hireInProcess, hireProcess } from './hand.ts';
import { notLive, notReady } from './health.ts';
import { takeHelm } from './helm.ts';
import { bearable } from './load.ts';
import { createLogger, type Logger } from './logger.ts';
import { notify } from './notify.ts';
import { restartNeeded } from './restart.ts';
import { passedSockets, Sockets } from './sockets.ts';
import { Speeches } from './speeches.ts';
import { predecessorOf, Successor } from './succession.ts';
import { surroundings } from './surroundings.ts';
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
  /** Turns /ready to 503, lets balancers take note of it (`timeouts.notice`), stops accepting, lets what is in flight finish, and closes everything. */
  stop(): Promise<void>;
  /**
   * Starts this program once more and has it take over, with every listening socket; then ends as `stop` does.
   * Resolves with whether it has come to that: a successor that cannot start changes nothing.
   */
  succeed(): Promise<boolean>;
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
  let subscribers = settings.notify;
  let catalogue = catalogueOf(config);
  let linkSettings = settings.admin.links;
  let leaving = false;
  const log = createLogger(settings.logLevel);

  // Each part is closed before what it stands on, whether all of it ran or only half of it started.
  const parts: (() => unknown)[] = [];
  const close = async () => {
    for (let part = parts.pop(); part !== undefined; part = parts.pop()) await part();
  };

  try {
    const predecessor = predecessorOf(process.env);
    const sockets = new Sockets(passedSockets(process.env));
    parts.push(() => predecessor?.leave());
    parts.push(() => sockets.closeAll());
    const front = await openSocket(sockets, settings.admin.address, 'admin.address');
    let entrances = await entrancesOf(settings.listen, sockets);
    for (const { name, address } of sockets.release())
      log.warn({ name, address }, 'a socket was passed to this process at which the config does not listen');

    const speeches = new Speeches(systemClock, log);
    speeches.adopt(speeches.read(entrances));
    parts.push(() => speeches.close());
    let orders = ordersOf(settings, speeches);

    const totals = new Totals();
    const evidence = new Evidence(systemClock);
    const roster = new Roster(surroundings(log), (standings) => crew.stand(standings));
    parts.push(async () => roster.close());
    const crew: Crew = new Crew({
      size: Math.max(1, settings.workers),
      orders,
      hire: settings.workers === 0 ? hireInProcess(systemClock, log) : hireProcess(),
      totals,
      evidence,
      roster,
      clock: systemClock,
      log,
    });
    parts.push(() => crew.drain(0));
    await crew.start();
    speeches.watch(() => {
      orders = { ...orders, speeches: speeches.all };
      crew.configure(orders);
    });

    const status = {
      notLive: () => notLive(crew.roll, leaving),
      notReady: () => notReady(crew.roll, leaving),
      workers: () => crew.workers(),
      unrouted: () => crew.unrouted(),
      handshakes: () => crew.handshakes(),
      connections: () => crew.connections(),
      pressures: () => crew.pressures(),
      shed: () => crew.shed(),
      certificates: () => speeches.certificates,
      standing: (service: string, version: string) => roster.view(service, version),
      endpoints: () => roster.numbers(),
    };
    // A store that is nothing but memory has to be handed on.
    let memory = await predecessor?.ceded();
    const helmParts = {
      openStore: () =>
        openStore(settings, { base, environment: process.env, clock: systemClock, log, memory }),
      openRecordings: () => openRecordings(settings, { base, log }),
      crew,
      totals,
      evidence,
      roster,
      status,
      admin: settings.admin,
      subscribers: () => subscribers,
      catalogue: () => catalogue,
      links: () => linkSettings,
      log,
    };
    let helm = await takeHelm(helmParts);
    parts.push(() => helm.close());
    await helm.reload(config.services, 'Spillway has started.');

    const door = new Door();
    const lead = (visitor: Socket) => helm.admin.accept(visitor);
    await door.listen(front.handle);
    parts.push(() => door.close());

    parts.push(() => crew.drain(orders.settings.timeouts.drain));
    await crew.listen(entrances);
    parts.push(() => closeEntrances(entrances, sockets));
    predecessor?.release(lead);
    door.open(lead);
    log.info({ address: front.address }, 'admin listening');
    for (const { socket } of entrances) log.info({ address: socket.address }, 'listening');
    await helm.steer();
    const { pid, version: node } = process;
    log.info({ version, pid, node, workers: settings.workers }, 'serving');
    // Not waited for: who hears it may send signals at once, and they are heeded only when this is over.
    const announced = notify(log, 'READY=1', `MAINPID=${process.pid}`);

    const reload = async () => {
      const fresh = await read();
      const wanted = settingsIn(fresh, base);
      const before = entrances;
      const next = await entrancesOf(wanted.listen, sockets, before);
      const change = async () => {
        const spoken = speeches.read(next);
        const { revision } = await helm.reload(fresh.services, 'The config file was read again.');
        speeches.adopt(spoken);
        return revision;
      };
      const revision = await change().catch(async (fault: unknown) => {
        await closeEntrances(next, sockets, before);
        throw fault;
      });
      orders = ordersOf(wanted, speeches);
      subscribers = wanted.notify;
      catalogue = catalogueOf(fresh);
      linkSettings = wanted.admin.links;
      log.setLevel(orders.logLevel);
      crew.configure(orders);
      entrances = next;
      await crew.listen(next);
      await closeEntrances(before, sockets, next);
      const waiting = restartNeeded(settings, wanted);
      if (waiting.length > 0) log.warn({ settings: waiting }, 'these settings change only with a restart');
      log.info({ revision }, 'the config is reloaded');
    };
    const turns = new Turns();

    let successor: Successor | undefined;
    /** Gives the helm to a successor; takes it again if that does not come to serve. */
    const handOver = async (): Promise<Successor | undefined> => {
      successor = new Successor(sockets.all);
      log.info({ pid: successor.pid }, 'a successor is started');
      let ceded = false;
      try {
        await successor.said('ready');
        ceded = true;
        door.shut();
        if (settings.store === 'memory:') memory = await helm.cede();
        else await helm.close();
        successor.cede(memory);
        await successor.said('serving');
        return successor;
      } catch (err) {
        successor.kill();
        successor = undefined;
        if (leaving) return undefined;
        log.error({ err }, 'the successor could not take over; this process goes on');
        if (!ceded) return undefined;
        helm = await takeHelm(helmParts);
        await helm.steer();
        door.open(lead);
        return undefined;
      }
    };

    return {
      addresses: entrances.map(({ socket }) => socket.address),
      admin: front.address,
      log,
      reload() {
        crew.reopen();
        // One after the other, so that of two files read in a row the later one stays.
        return turns.take(async () => {
          await announced;
          await notify(log, 'RELOADING=1', `MONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`);
          await reload().catch((fault: unknown) => logReloadFault(log, fault));
          // A config that is bad changes nothing, so what was ready is.
          if (!leaving) await notify(log, 'READY=1');
        });
      },
      async stop() {
        leaving = true;
        successor?.kill();
        log.info({}, 'shutting down');
        await notify(log, 'STOPPING=1');
        const { notice } = orders.settings.timeouts;
        if (notice > 0) await sleep(notice);
        await close();
        log.info({}, 'all is finished');
      },
      succeed: () =>
        turns.take(async () => {
          const taken = leaving ? undefined : await handOver();
          if (taken === undefined) return false;
          leaving = true;
          sockets.leave();
          for (const visitor of door.close()) taken.receive(visitor);
          await taken.leave();
          log.info({ pid: taken.pid }, 'the successor serves; finishing what is in flight');
          await close();
          log.info({}, 'all is finished');
          return true;
        }),
      kill: () => crew.kill(),
    };
  } catch (fault) {
    await close();
    throw fault;
  }
}

/** The settings of a config on this machine, with the path of the access log taken from where the config stands. */
function settingsIn(config: Config, base: string): Settings {
  const settings = settingsOf(config, availableParallelism());
  const { accessLog, overload } = settings.proxy;
  const proxy = {
    ...settings.proxy,
    overload: { ...overload, ...bearable(settings.workers), ...config.overload },
    ...(accessLog && { accessLog: { ...accessLog, path: logPath(base, accessLog.path) } }),
  };
  return { ...settings, proxy };
}

function logPath(base: string, path: string): string {
  return path === '-' ? path : resolve(base, path);
}

function catalogueOf({ strategies = {}, policies = {} }: Config): Catalogue {
  return { strategies, policies };
}

function ordersOf({ proxy, logLevel }: Settings, speeches: Speeches): Orders {
  return { settings: proxy, speeches: speeches.all, logLevel };
}

function logReloadFault(log: Logger, fault: unknown): void {
  const faults = fault instanceof ConfigError ? fault.message.split('\n') : undefined;
  const err = faults === undefined ? fault : undefined;
  log.error({ faults, err }, 'the config is not reloaded; nothing has changed');
}
