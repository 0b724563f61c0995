import type { PolicyRequest } from '../model/policy.ts';
import type { Strategy } from '../model/strategy.ts';

/** Strategies and policies that a config file gives a name. */
export interface Catalogue {
  readonly strategies: Readonly<Record<string, Strategy>>;
  readonly policies: Readonly<Record<string, PolicyRequest>>;
}

export const NO_CATALOGUE: Catalogue = { strategies: {}, policies: {} };
