import type { Bake, Step } from '../model/plan.ts';

/** What is meant where a strategy does not say. */

export const USUAL_STEP: Omit<Step, 'weight'> = {
  atLeast: 60,
  atMost: 1800,
  needs: 'verdict',
  onTimeout: 'hold',
  gates: [],
};

export const USUAL_BAKE: Bake = { for: 1800, keepWarm: 0.5 };
