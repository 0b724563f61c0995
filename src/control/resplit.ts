import { own } from '../base/own.ts';
import type { Service, Split, State } from '../model/state.ts';
import { type Weights, wholeVersion } from '../model/weights.ts';
import { withWhole } from '../model/wholes.ts';

/** What a new split takes besides the weights. */
export interface Resplitting {
  /** Milliseconds since 1970. */
  readonly now: number;
  /** Never used before; taken when a split may have a new salt. */
  readonly salt: string;
}

/** The service with other weights; undefined if it has them already. */
export function resplit(
  service: Service,
  weights: Weights,
  cause: Split['cause'],
  { now, salt }: Resplitting,
): Service | undefined {
  const before = service.split.weights;
  if (Object.keys(weights).every((name) => weights[name] === own(before, name))) return undefined;
  const whole = wholeVersion(weights);
  const split: Split = {
    ...service.split,
    weights,
    // With everybody on one version a new salt moves nobody, and lets others bear the risk next time.
    salt: whole === undefined ? service.split.salt : salt,
    cause,
    since: new Date(now).toISOString(),
  };
  const wholes = whole === undefined ? service.wholes : withWhole(service.wholes, whole);
  return { ...service, split, wholes };
}

/** A rollback that finds its weights as they should be is the last word all the same, and known as such from then on. */
export function confirmed({ services }: State, name: string, now: number): State['services'] {
  const service = own(services, name);
  if (service === undefined) return services;
  const split: Split = { ...service.split, cause: 'rollback', since: new Date(now).toISOString() };
  return { ...services, [name]: { ...service, split } };
}
