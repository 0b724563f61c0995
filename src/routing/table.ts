import type { Match, Service, State, Version } from '../model/state.ts';
import { compileHosts, type HostMap, type Matches, NOWHERE, type PathMap } from './hosts.ts';
import { type CompiledKey, compileKey } from './key.ts';
import { type CompiledOverride, compileOverride } from './override.ts';
import { normalisePath } from './path.ts';
import { type CompiledSplit, compileSplit } from './split.ts';

/** A version in a table. `lane` is whatever the caller sends its requests through. */
export interface RoutedVersion<L> {
  readonly name: string;
  /** Its place in the service's `versions`, which is what a split chooses. */
  readonly index: number;
  /** In percent. */
  readonly weight: number;
  readonly endpoints: readonly string[];
  readonly lane: L;
}

/** A service in a table: its document, and what was worked out from it. */
export interface RoutedService<L> {
  readonly name: string;
  readonly service: Service;
  readonly versions: readonly RoutedVersion<L>[];
  version(name: string): RoutedVersion<L> | undefined;
  readonly split: CompiledSplit;
  readonly key: CompiledKey;
  /** Undefined when nobody may choose a version. */
  readonly override: CompiledOverride | undefined;
}

/** Where the paths of one host lead. */
export interface Routes<L> {
  /** The service that every path of this host leads to, if it is one. Then no path need be looked at. */
  readonly only: RoutedService<L> | undefined;
  /** The service of a path as `normalisePath` gives it. */
  match(path: string): RoutedService<L> | undefined;
}

/** The truth compiled for requests: immutable, and swapped whole. */
export interface Table<L> {
  readonly revision: number;
  /** What a host leads to: the host itself, else the longest wildcard, else any. Lower case, without port. */
  routes(host: string): Routes<L> | undefined;
  service(name: string): RoutedService<L> | undefined;
  readonly services: Iterable<RoutedService<L>>;
  /** Whether any service names a host. Then an unknown host is a misdirected request, not a missing page. */
  readonly hosts: boolean;
}

/** Gives a version its lane. Called once for every version of a service that is compiled anew. */
export type Attach<L> = (service: string, version: string, versionDoc: Version, serviceDoc: Service) => L;

/**
 * Compiles a state. Services whose document is the very object of the `previous` table are taken over as they
 * are, and so is the map of hosts and paths when no match has changed. Throws RangeError, with a sentence
 * that names the service and the cure, on a state that cannot be compiled.
 */
export function compileTable<L>(state: State, previous: Table<L> | undefined, attach: Attach<L>): Table<L> {
  const entries = Object.entries(state.services);
  // The map first: it is what most likely fails, and then no lane has been attached.
  const kept = previous instanceof CompiledTable ? previous.hostsFor(entries) : undefined;
  const hosts = kept ?? compileHosts(state.services);
  if (typeof hosts === 'string') throw new RangeError(hosts);
  const services = entries.map(([name, service]) => {
    const known = previous?.service(name);
    return known?.service === service ? known : compileService(name, service, attach);
  });
  return new CompiledTable(state.revision, services, hosts);
}

/** What keeps these services from standing side by side, such as two with the same host and path. */
export function matchConflict(services: Matches): string | undefined {
  const hosts = compileHosts(services);
  return typeof hosts === 'string' ? hosts : undefined;
}

/**
 * The service of a request target. `malformed`: the target has no valid path. `ambiguous`: a server that takes
 * encoded slashes or backslashes for separators may find another service's path in it, and would then be
 * tricked into answering what only the other may be asked. Both deserve a 400.
 */
export function resolveService<L>(
  routes: Routes<L>,
  target: string,
): RoutedService<L> | 'ambiguous' | 'malformed' | undefined {
  if (routes.only !== undefined) return routes.only;
  const normal = normalisePath(target);
  if (normal === undefined) return 'malformed';
  const service = routes.match(normal.path);
  return normal.readings.every((path) => routes.match(path) === service) ? service : 'ambiguous';
}

class CompiledTable<L> implements Table<L> {
  readonly revision: number;
  /** By position. */
  readonly services: readonly RoutedService<L>[];
  readonly #hosts: HostMap;
  /** By index of the path map; made when a host is first asked for, since most changes touch few hosts. */
  readonly #routes: Array<Routes<L> | undefined>;

  constructor(revision: number, services: readonly RoutedService<L>[], hosts: HostMap) {
    this.revision = revision;
    this.services = services;
    this.#hosts = hosts;
    this.#routes = new Array<Routes<L> | undefined>(hosts.size).fill(undefined);
  }

  get hosts(): boolean {
    return this.#hosts.named;
  }

  service(name: string): RoutedService<L> | undefined {
    const position = this.#hosts.position(name);
    return position === undefined ? undefined : this.services[position];
  }

  routes(host: string): Routes<L> | undefined {
    const paths = this.#hosts.find(host);
    if (paths === undefined) return undefined;
    this.#routes[paths.index] ??= new HostRoutes(paths, this.services);
    return this.#routes[paths.index];
  }

  /** The map of hosts and paths, if these services have the same positions and matches as those here. */
  hostsFor(entries: readonly (readonly [string, Service])[]): HostMap | undefined {
    const same =
      entries.length === this.services.length &&
      entries.every(([name, { match }], position) => {
        const here = this.services[position]!;
        return here.name === name && sameMatches(here.service.match, match);
      });
    return same ? this.#hosts : undefined;
  }
}

class HostRoutes<L> implements Routes<L> {
  readonly only: RoutedService<L> | undefined;
  readonly #paths: PathMap;
  readonly #services: readonly RoutedService<L>[];

  constructor(paths: PathMap, services: readonly RoutedService<L>[]) {
    this.#paths = paths;
    this.#services = services;
    this.only = this.#at(paths.only());
  }

  match(path: string): RoutedService<L> | undefined {
    return this.#at(this.#paths.find(path));
  }

  #at(position: number): RoutedService<L> | undefined {
    return position === NOWHERE ? undefined : this.#services[position];
  }
}

function compileService<L>(name: string, service: Service, attach: Attach<L>): RoutedService<L> {
  const names = Object.keys(service.versions);
  const { weights } = service.split;
  try {
    const split = compileSplit(service.split, names);
    const override = compileOverride(service.override);
    const versions = names.map((version, index): RoutedVersion<L> => {
      const doc = service.versions[version]!;
      return {
        name: version,
        index,
        weight: Object.hasOwn(weights, version) ? weights[version]! : 0,
        endpoints: doc.endpoints,
        lane: attach(name, version, doc, service),
      };
    });
    return {
      name,
      service,
      versions,
      version: (wanted) => versions.find((version) => version.name === wanted),
      split,
      key: compileKey(service.key),
      override,
    };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new RangeError(`service "${name}": ${error.message}`, { cause: error });
  }
}

function sameMatches(some: readonly Match[], others: readonly Match[]): boolean {
  if (some === others) return true;
  return (
    some.length === others.length &&
    some.every((match, i) => match.host === others[i]!.host && match.path === others[i]!.path)
  );
}
