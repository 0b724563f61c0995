import { bernoulliIncrement, labelIncrement } from './label.ts';
import { logSumExp } from './logs.ts';

/**
 * Evidence that a canary is *not* worse than a margin: without it nothing is promoted. The null is that the
 * canary's rate is at least `margin` times stable's and at least `floor`. Half of the money bets against the
 * first half of that on labels, half against the second on the canary's trials alone; a test without a floor
 * (latency) bets all of it on labels. Started afresh at each step, since each step has its own margin.
 * (Non-inferiority guardrails: Schultzberg, Ankargren & Franberg 2024.)
 */
export interface Promotion {
  readonly margin: number;
  /** Rates below this are fine whatever the ratio; left out: there is none. */
  readonly floor?: number;
  /** ln of each relative bet's factor so far. */
  readonly relative: readonly number[];
  /** ln of each absolute bet's factor so far. */
  readonly absolute: readonly number[];
}

/** Shares of the money on a ratio of 1, of halfway to the margin, and of a half. */
const RELATIVE_SHARES = [0.6, 0.2, 0.2] as const;
/** Bets on a tenth, a quarter and a half of the floor, equally. */
export const ABSOLUTE_PARTS = [0.1, 0.25, 0.5] as const;

export function startPromotion(margin: number, floor?: number): Promotion {
  return { margin, ...(floor === undefined ? {} : { floor }), relative: [0, 0, 0], absolute: [0, 0, 0] };
}

/** `k` bad units of propensity `w`, `kc` of them the canary's. */
export function betOnLabels(to: Promotion, kc: number, k: number, w: number): Promotion {
  const ratios = [1, (1 + to.margin) / 2, 0.5];
  return {
    ...to,
    relative: to.relative.map((l, j) => l + labelIncrement(kc, k, w, ratios[j]!, to.margin)),
  };
}

/** `k` of `n` canary trials were bad. */
export function betOnTrials(to: Promotion, k: number, n: number): Promotion {
  const { floor } = to;
  if (floor === undefined) return to;
  return {
    ...to,
    absolute: to.absolute.map((a, j) => a + bernoulliIncrement(k, n, floor * ABSOLUTE_PARTS[j]!, floor)),
  };
}

/** ln of the evidence, tempered by the dispersion `phi`. It passes a test of level beta at ln(1/beta). */
export function promotionEvidence(of: Promotion, phi = 1): number {
  const relative = of.relative.map((l, j) => Math.log(RELATIVE_SHARES[j]!) + l / phi);
  if (of.floor === undefined) return logSumExp(relative);
  const absolute = of.absolute.map((a) => a / phi - Math.log(of.absolute.length));
  return logSumExp([...relative, ...absolute]) - Math.log(2);
}

/** Nats that the bet on equal versions, and the best on the floor, still lack to pass alone. */
export function lacking(
  of: Promotion,
  beta: number,
  phi = 1,
): { readonly labels: number; readonly trials: number } {
  const half = of.floor === undefined ? 0 : Math.log(2);
  const needed = Math.log(1 / beta) + half;
  return {
    labels: needed - Math.log(RELATIVE_SHARES[0]) - of.relative[0]! / phi,
    trials:
      of.floor === undefined
        ? Infinity
        : needed + Math.log(of.absolute.length) - Math.max(...of.absolute) / phi,
  };
}
