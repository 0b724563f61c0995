import type { EndpointNumbers, EndpointView, Outcomes, Standing } from '../model/health.ts';
import type { Service, State } from '../model/state.ts';
import { Group, type Surroundings } from './group.ts';

/** How often it is looked at what time alone brings about, ms. */
const PERIOD = 200;

/**
 * Every endpoint of every version, and how it stands. There is one for all workers, in the primary: who probes
 * is not multiplied by who serves, what one worker meets keeps the others from it, and all of them agree.
 * Whoever serves is told only of what is not taken for granted: that every endpoint is used, where it says.
 */
export class Roster {
  readonly #world: Surroundings;
  readonly #tell: (standings: readonly Standing[]) => void;
  /** By service, then by version. */
  readonly #groups = new Map<string, { doc: Service; readonly versions: Map<string, Group> }>();
  /** By endpoint. */
  readonly #naming = new Map<string, Set<Group>>();
  /** Those of which something will come with time. */
  readonly #awake = new Set<Group>();
  readonly #timer: NodeJS.Timeout;

  /** `tell` is called with the versions whose endpoints stand otherwise than before. */
  constructor(world: Surroundings, tell: (standings: readonly Standing[]) => void) {
    this.#world = world;
    this.#tell = tell;
    this.#timer = setInterval(() => this.look(), PERIOD);
    this.#timer.unref();
  }

  /** The truth has changed. Services that are the same object are as they were. */
  follow({ services }: State): void {
    for (const [name, { versions }] of this.#groups) {
      if (Object.hasOwn(services, name)) continue;
      for (const group of versions.values()) this.#drop(group);
      this.#groups.delete(name);
    }
    for (const [name, doc] of Object.entries(services)) {
      const known = this.#groups.get(name);
      if (known?.doc !== doc) this.#service(name, doc, known?.versions ?? new Map());
    }
  }

  /** What workers saw of endpoints. */
  note(outcomes: readonly Outcomes[]): void {
    for (const each of outcomes)
      for (const group of this.#naming.get(each.endpoint) ?? []) {
        group.note(each);
        this.#awake.add(group);
      }
  }

  /** Looks at what time has brought about. */
  look(): void {
    for (const group of this.#awake) if (!group.review()) this.#awake.delete(group);
  }

  /** Every version of which there is something to tell. */
  standings(): Standing[] {
    return [...this.#all()].flatMap((group) => group.standing ?? []);
  }

  view(service: string, version: string): readonly EndpointView[] {
    return this.#group(service, version)?.view() ?? [];
  }

  /** For how many ms probes have found no endpoint of a version that serves; undefined while one does. */
  goneFor(service: string, version: string): number | undefined {
    return this.#group(service, version)?.goneFor;
  }

  *numbers(): Generator<EndpointNumbers> {
    for (const { service, version, members } of this.#all())
      for (const { name: endpoint, down, ejected, ejections, probes } of members)
        yield { service, version, endpoint, healthy: !down && !ejected, ejections, probes };
  }

  close(): void {
    clearInterval(this.#timer);
    for (const group of this.#all()) group.close();
  }

  #service(name: string, doc: Service, groups: Map<string, Group>): void {
    for (const [version, group] of groups) {
      if (Object.hasOwn(doc.versions, version)) continue;
      this.#drop(group);
      groups.delete(version);
    }
    for (const version of Object.keys(doc.versions)) {
      const known = groups.get(version);
      if (known !== undefined) this.#unname(known);
      known?.follow(doc);
      const group = known ?? new Group(name, version, doc, this.#world, (of) => this.#changed(of));
      groups.set(version, group);
      for (const endpoint of group.endpoints) {
        const naming = this.#naming.get(endpoint) ?? new Set();
        this.#naming.set(endpoint, naming.add(group));
      }
    }
    this.#groups.set(name, { doc, versions: groups });
  }

  #drop(group: Group): void {
    group.close();
    this.#awake.delete(group);
    this.#unname(group);
  }

  #unname(group: Group): void {
    for (const endpoint of group.endpoints) {
      const naming = this.#naming.get(endpoint);
      naming?.delete(group);
      if (naming?.size === 0) this.#naming.delete(endpoint);
    }
  }

  #changed(group: Group): void {
    const { service, version } = group;
    this.#tell([group.standing ?? { service, version, endpoints: {} }]);
  }

  #group(service: string, version: string): Group | undefined {
    return this.#groups.get(service)?.versions.get(version);
  }

  *#all(): Generator<Group> {
    for (const { versions } of this.#groups.values()) yield* versions.values();
  }
}
