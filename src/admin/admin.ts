import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { own } from '../base/own.ts';
import type { Commands } from '../control/commands.ts';
import type { Insight } from '../control/insight.ts';
import type { Posted } from '../control/observations.ts';
import type { ApprovalLinks } from '../gates/links.ts';
import { createExposition } from '../metrics/exposition.ts';
import type { Totals } from '../metrics/totals.ts';
import { parseAddress } from '../model/address.ts';
import type { Settings } from '../model/settings.ts';
import type { State } from '../model/state.ts';
import type { Catalogue } from '../rollout/catalogue.ts';
import { Access } from './access.ts';
import { approvalRoutes } from './approvals.ts';
import { Changes } from './asking.ts';
import { isLoopback } from './browser.ts';
import { changeRoutes } from './changes.ts';
import { healthRoutes } from './health.ts';
import { type Observer, observationRoutes } from './observations.ts';
import { readRoutes } from './reads.ts';
import { type Recordings, recordingRoute } from './recordings.ts';
import { rolloutRoutes } from './rollouts.ts';
import { createServer } from './server.ts';
import type { Status } from './status.ts';
import { Streams } from './streams.ts';
import { standingsOf } from './view.ts';

export interface AdminOptions {
  readonly commands: Commands;
  readonly totals: Totals;
  readonly insight: Insight;
  readonly recordings: Recordings;
  readonly observations: Observer & { readonly outcomes: Iterable<Posted> };
  /** The strategies and policies that the config file names at present. */
  catalogue(): Catalogue;
  readonly links: ApprovalLinks;
  readonly status: Status;
  readonly settings: Settings['admin'];
  readonly clock: Clock;
  readonly log: Log;
  /** Spillway's own version. */
  readonly version: string;
  /** Milliseconds between signs of life on event streams. Default 15000. */
  readonly heartbeat?: number;
}

export interface Admin {
  /** Resolves when connections may be given to it. */
  ready(): Promise<void>;
  /** Serves a connection of which nothing has been read (`pauseOnConnect`). */
  accept(socket: Socket): void;
  /** Ends event streams, lets other requests finish, and closes the connections. */
  close(): Promise<void>;
}

/**
 * The HTTP API to the control plane: a thin skin over `Commands`. Throws if the settings would let anybody
 * on the network in.
 */
export function createAdmin(options: AdminOptions): Admin {
  const {
    commands,
    totals,
    insight,
    links,
    status,
    settings,
    clock,
    log,
    version,
    heartbeat = 15_000,
  } = options;
  const address = parseAddress(settings.address);
  if (typeof address === 'string') throw new Error(`admin.address "${settings.address}": ${address}.`);
  const access = new Access(settings.tokens);
  if (access.open && !isLoopback(address))
    throw new Error(
      `admin.address ${settings.address} can be reached from other machines, and without tokens everybody there could shift traffic. Configure admin.tokens, or listen on 127.0.0.1.`,
    );

  // What is no longer shown need not be kept.
  const unsubscribe = commands.subscribe((event) => {
    if (event.type === 'change')
      totals.retain((service, version) => hasVersion(event.state, service, version));
  });
  const streams = new Streams(commands, heartbeat);
  const exposition = createExposition({
    totals,
    version,
    state: () => commands.state(),
    workers: () => status.workers().length,
    unrouted: () => status.unrouted(),
    handshakes: () => status.handshakes(),
    connections: () => status.connections(),
    overload: status,
    certificates: () => status.certificates(),
    endpoints: () => status.endpoints(),
    fleet: () => status.fleet(),
    rollouts: {
      standings: () => standingsOf(commands.state(), insight),
      rollbacks: () => insight.outcomes.rollbacks.values(),
      decisions: () => insight.outcomes.decisions,
      observations: () => options.observations.outcomes,
    },
  });
  const changes = new Changes(commands, clock);
  const metricsNeed = isLoopback(address) ? 'nothing' : 'viewer';
  const { requestsPerMinute } = settings;
  const server = createServer(
    { access, requestsPerMinute, unixSocket: 'path' in address, log, version },
    (app) => {
      readRoutes(app, { commands, totals, status, streams });
      changeRoutes(app, commands, changes);
      approvalRoutes(app, { commands, links, now: () => clock.now() });
      rolloutRoutes(app, {
        commands,
        insight,
        changes,
        clock,
        links,
        catalogue: () => options.catalogue(),
      });
      recordingRoute(app, { commands, recordings: options.recordings, status });
      observationRoutes(app, options.observations);
      healthRoutes(app, { status, exposition, metricsNeed });
    },
  );
  const answering = new Set<ServerResponse>();
  server.server.on('request', (_request, response) => {
    answering.add(response);
    response.once('close', () => answering.delete(response));
  });
  server.addHook('preClose', async () => {
    unsubscribe();
    streams.close();
  });

  return {
    async ready() {
      await server.ready();
      // It never listens itself; but at this event it begins to look after slow connections.
      server.server.emit('listening');
    },
    accept(socket) {
      server.server.emit('connection', socket);
      socket.resume();
    },
    async close() {
      // Node takes a connection that has not said anything yet for a busy one, and would wait for it.
      const cut = setInterval(() => {
        if (answering.size === 0) server.server.closeAllConnections();
      }, 50);
      await server.close().finally(() => clearInterval(cut));
      server.server.close();
    },
  };
}

function hasVersion({ services }: State, service: string, version: string): boolean {
  const found = own(services, service);
  return found !== undefined && Object.hasOwn(found.versions, version);
}
