import type { Match } from '../model/state.ts';
import { normalisePrefix } from './path.ts';

/** What leads where, by service name. */
export type Matches = Readonly<Record<string, { readonly match: readonly Match[] }>>;

/** No service. */
export const NOWHERE = -1;

/**
 * Which service a host and path lead to, as the service's position among all services. It knows positions and
 * not services, so that it outlives every change that leaves the matches alone: a change of weight among
 * ten thousand services builds no map.
 *
 * No lookup walks over services. A host costs one lookup, and one per label if wildcards go that deep; a path
 * costs one per segment, as far as the deepest prefix of its host.
 */
export class HostMap {
  readonly #exact = new Map<string, PathMap>();
  /** By what follows the `*.`. */
  readonly #wildcards = new Map<string, PathMap>();
  /** Most labels of a wildcard: a longer end of a host need not be looked up. */
  #deepest = 0;
  #any: PathMap | undefined;
  readonly #positions: ReadonlyMap<string, number>;

  constructor(names: readonly string[]) {
    this.#positions = new Map(names.map((name, position) => [name, position]));
  }

  /** The position of a service. */
  position(name: string): number | undefined {
    return this.#positions.get(name);
  }

  /** How many path maps there are; their `index` is below it. */
  get size(): number {
    return this.#exact.size + this.#wildcards.size + (this.#any === undefined ? 0 : 1);
  }

  /** Whether some service names a host. */
  get named(): boolean {
    return this.#exact.size + this.#wildcards.size > 0;
  }

  /** The paths of a host, given in lower case and without port. */
  find(host: string): PathMap | undefined {
    const name = host.endsWith('.') ? host.slice(0, -1) : host;
    return this.#exact.get(name) ?? this.#widened(name);
  }

  /** The paths of the longest wildcard that a host is below, else those of any host. */
  #widened(host: string): PathMap | undefined {
    let dot = host.length;
    for (let labels = 0; labels < this.#deepest && dot > 0; labels++) {
      const next = host.lastIndexOf('.', dot - 1);
      if (next <= 0) break;
      dot = next;
    }
    while (dot >= 0 && dot < host.length) {
      const paths = this.#wildcards.get(host.slice(dot + 1));
      if (paths !== undefined) return paths;
      dot = host.indexOf('.', dot + 1);
    }
    return this.#any;
  }

  /** The paths of a pattern as `hostPattern` gives it back, made if there are none yet. */
  open(pattern: string): PathMap {
    if (pattern === '') {
      this.#any ??= new PathMap(this.size);
      return this.#any;
    }
    const wild = pattern.startsWith('*.');
    const group = wild ? this.#wildcards : this.#exact;
    const name = wild ? pattern.slice(2) : pattern;
    if (wild) this.#deepest = Math.max(this.#deepest, name.split('.').length);
    const known = group.get(name);
    if (known !== undefined) return known;
    const paths = new PathMap(this.size);
    group.set(name, paths);
    return paths;
  }

  /** Links every host to the next wider one, when all are there. */
  link(): void {
    for (const group of [this.#exact, this.#wildcards])
      for (const [name, paths] of group) paths.wider = this.#widened(name);
  }
}

/** The paths of one host pattern. */
export class PathMap {
  /** A number of its own within the host map. */
  readonly index: number;
  /** The paths of the next wider pattern, asked for a path that is not found here. */
  wider: PathMap | undefined;
  /** Position by prefix; the root is the empty string. */
  readonly #prefixes = new Map<string, number>();
  /** Most segments of a prefix: a longer beginning of a path need not be looked up. */
  #deepest = 0;

  constructor(index: number) {
    this.index = index;
  }

  /** The position that a normal path leads to, or NOWHERE. */
  find(path: string): number {
    let end = 0;
    for (let segments = 0; segments < this.#deepest && end < path.length; segments++) {
      const slash = path.indexOf('/', end + 1);
      end = slash < 0 ? path.length : slash;
    }
    for (; end > 0; end = path.lastIndexOf('/', end - 1)) {
      const found = this.#prefixes.get(path.slice(0, end));
      if (found !== undefined) return found;
    }
    return this.#prefixes.get('') ?? this.wider?.find(path) ?? NOWHERE;
  }

  /** The one position that every path leads to, or NOWHERE if they part or some lead nowhere. */
  only(): number {
    const rest = this.#prefixes.get('') ?? this.wider?.only() ?? NOWHERE;
    for (const position of this.#prefixes.values()) if (position !== rest) return NOWHERE;
    return rest;
  }

  /** Lets a prefix lead to a position. Returns the position it led to before, or NOWHERE. */
  lead(prefix: string, position: number): number {
    const before = this.#prefixes.get(prefix);
    if (before !== undefined) return before;
    this.#prefixes.set(prefix, position);
    this.#deepest = Math.max(this.#deepest, prefix.split('/').length - 1);
    return NOWHERE;
  }
}

/**
 * Compiles what leads to these services, whose positions are their order. Returns a sentence with the cure
 * when a host or path cannot be understood, or when two services claim the same.
 */
export function compileHosts(services: Matches): HostMap | string {
  const names = Object.keys(services);
  const hosts = new HostMap(names);
  for (const [position, name] of names.entries()) {
    for (const match of services[name]!.match) {
      const host = hostPattern(match.host);
      if (host === undefined)
        return `service "${name}": "${match.host}" is not a host; write a name without port, such as shop.example.com or *.example.com (xn--… for other scripts)`;
      const prefix = normalisePrefix(match.path ?? '/');
      if (prefix === undefined)
        return `service "${name}": "${match.path}" is not a path; write one that begins with a slash and has no "?", no "#", and "%" only before two hex digits`;
      const before = hosts.open(host).lead(prefix, position);
      if (before !== NOWHERE && before !== position)
        return `services "${names[before]}" and "${name}" both claim ${host || 'any host'} with path ${prefix || '/'}; give one of them another host or path`;
    }
  }
  hosts.link();
  return hosts;
}

/** A host of the configuration in lower case, empty for any host; undefined if it is none. */
function hostPattern(host: string | undefined): string | undefined {
  if (host === undefined) return '';
  const name = host.toLowerCase().replace(/\.$/, '');
  return /^((\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])$/.test(name) ? name : undefined;
}
