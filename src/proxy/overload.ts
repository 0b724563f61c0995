import { type OverloadSettings, type Pressure, RESOURCES, type Resource } from '../model/overload.ts';

/** What a worker was found to bear. */
export interface Load {
  /** The longest that anything had to wait for its turn since the last look, ms. */
  readonly loopDelay: number;
  /** Resident megabytes. */
  readonly memory: number;
}

/** How a worker is, as far as new connections are concerned. */
export interface Overload {
  readonly pressure: Pressure;
  /** What there is too much of; undefined while all is borne. */
  readonly cause: Resource | undefined;
  /** At the last looks, ms. */
  readonly delays: readonly number[];
}

export const AT_EASE: Overload = {
  pressure: { loop: 0, memory: 0, descriptors: 0 },
  cause: undefined,
  delays: [],
};

/** A stall that is over is no overload: at so many looks in a row there must have been one. */
const STALLS = 3;
/** It is over below this share of what is borne, so that it does not begin and end all the time. */
const RELIEF = 0.9;
/** Descriptors for what is not a connection that is served: files, lines, listeners, those that are told no. */
const OTHERS = 96;

/** Descriptors that connections may take. */
export function roomFor({ descriptors }: OverloadSettings): number {
  return descriptors - OTHERS;
}

/** Descriptors that are taken, or will be when every client has a request under way. */
export function taken(clients: number, upstreams: number): number {
  return clients + Math.max(clients, upstreams);
}

/** How a worker is after another look. `descriptors`: how many are taken. */
export function weigh(
  before: Overload,
  { loopDelay, memory, descriptors }: Load & { readonly descriptors: number },
  borne: OverloadSettings,
): Overload {
  const delays = [...before.delays, loopDelay].slice(-STALLS);
  const pressure = {
    loop: delays.length < STALLS ? 0 : Math.min(...delays) / borne.loopDelay,
    memory: memory / borne.memory,
    descriptors: descriptors / roomFor(borne),
  };
  const worst = RESOURCES.reduce((most, each) => (pressure[each] > pressure[most] ? each : most));
  const lasts = before.cause !== undefined && pressure[before.cause] >= RELIEF;
  const cause = pressure[worst] >= 1 ? worst : lasts ? before.cause : undefined;
  return { pressure, cause, delays };
}
