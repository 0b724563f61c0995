import type { PolicyRequest, Strategy } from '../model/rollout.ts';

/** Strategies and policies that a config file gives a name. */
export interface Catalogue {
  readonly strategies: Readonly<Record<string, Strategy>>;
  readonly policies: Readonly<Record<string, PolicyRequest>>;
}

export const NO_CATALOGUE: Catalogue = { strategies: {}, policies: {} };
