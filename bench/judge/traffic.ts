/** What one second of a simulated rollout brought. */
export interface Second {
  readonly t: number;
  /** The canary's share of the traffic. */
  readonly w: number;
  /** Index of the step. */
  readonly step: number;
  readonly canaryBad: number;
  readonly canary: number;
  readonly stableBad: number;
  readonly stable: number;
}

export interface Scenario {
  /** Requests per second, on average. */
  readonly rps: number;
  /** Stable's error rate. */
  readonly p: number;
  /** The canary's error rate is so many times stable's, 1 at most. */
  readonly ratio: number;
  /** Weight by step. */
  readonly weights: readonly number[];
  /** Seconds that each step lasts. */
  readonly stepSeconds: number;
}

/** Poisson traffic, split at random, failing at random. */
export function* traffic(scenario: Scenario, next: () => number): Generator<Second> {
  const { rps, p, ratio, weights, stepSeconds } = scenario;
  for (let t = 0; t < weights.length * stepSeconds; t++) {
    const step = Math.floor(t / stepSeconds);
    const w = weights[step]!;
    const canary = poisson(rps * w, next);
    const stable = poisson(rps * (1 - w), next);
    const canaryBad = binomial(canary, Math.min(1, p * ratio), next);
    yield { t, w, step, canary, stable, canaryBad, stableBad: binomial(stable, p, next) };
  }
}

/** Knuth's product for small means; a rounded normal (Box and Muller) for those above 50. */
function poisson(mean: number, next: () => number): number {
  if (mean > 50) {
    const normal = Math.sqrt(-2 * Math.log1p(-next())) * Math.cos(2 * Math.PI * next());
    return Math.max(0, Math.round(mean + Math.sqrt(mean) * normal));
  }
  const limit = Math.exp(-mean);
  let count = 0;
  for (let product = next(); product > limit; product *= next()) count++;
  return count;
}

/** Successes among `n`, found by the gaps between them, which are geometric. */
function binomial(n: number, p: number, next: () => number): number {
  if (p >= 1) return n;
  if (p > 0.5) return n - binomial(n, 1 - p, next);
  const scale = Math.log1p(-p);
  let hits = 0;
  for (let i = Math.floor(Math.log1p(-next()) / scale); i < n; hits++)
    i += 1 + Math.floor(Math.log1p(-next()) / scale);
  return hits;
}
