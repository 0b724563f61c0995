/** How a rollout is to be judged. Probabilities and weights are fractions of 1 here, times are seconds. */
export interface Policy {
  /** request: every request is its own coin. sticky: a key is hashed once, and is the unit that counts. */
  readonly mode: 'request' | 'sticky';
  /** Chance of rolling back a canary that is not worse, over the whole rollout and all metrics. */
  readonly alpha: number;
  /** Chance of promoting a canary as bad as the margin. */
  readonly beta: number;
  /** Chance of calling a sound split broken. */
  readonly alphaSrm: number;
  readonly metrics: readonly Metric[];
  readonly steps: readonly Step[];
  /** Further steps to keep alpha for in sticky mode: weights changed by hand, state lost. */
  readonly spareSteps: number;
  /** The error rate that is too high whatever stable does. */
  readonly errorCeiling: number;
  /** How much slower a canary may be, as a fraction. */
  readonly latencyTolerance: number;
  /** And in milliseconds, if that is more: below it the machine is measured, not the version. */
  readonly latencySlack: number;
  /** Latencies of a step's first seconds are left out. */
  readonly latencyWarmup: number;
  /** Stable latencies that a baseline must hold; with fewer all latency tests stay off. */
  readonly minBaseline: number;
  /** No rollback on fewer bad units of the canary. */
  readonly minCanaryEvents: number;
  readonly epochs: number;
  /** Evidence at this part of a threshold is suspicious: no promotion. */
  readonly holdFraction: number;
  /** Stable is failing: over so many seconds its failure rate is above so many ceilings. */
  readonly environment: {
    readonly windows: readonly (readonly [seconds: number, ceilings: number])[];
    readonly minTrials: number;
  };
  /** Stable fails far more than it did in this step. */
  readonly incident: {
    readonly seconds: number;
    readonly factor: number;
    readonly minFailures: number;
    readonly minReference: number;
  };
  /** The ceiling blames a canary only if it fails so many times as often as stable. */
  readonly blameRatio: number;
  /** Sticky mode: whether a promotion claims that users, or that requests, do not fail more often. */
  readonly promotionEstimand: 'users' | 'requests';
  /** Once more than this part of either version's users has erred, 'users' cannot pass. */
  readonly maxErredShare: number;
  /** How long an inconclusive step may stand before its weight goes to 0. The caller acts on it. */
  readonly inconclusiveTimeout: number;
}

export interface Step {
  /** The canary's share of the traffic. */
  readonly weight: number;
  /** Promote only if the canary's error rate is shown to be below this many times stable's … */
  readonly margin: number;
  /** … or below this rate. */
  readonly floor: number;
  /** No promotion earlier. */
  readonly minSeconds: number;
  /** Inconclusive if not decided by then. */
  readonly maxSeconds: number;
}

export type MetricKind =
  | 'errorRatio'
  | 'errorCeiling'
  | 'latencyShift'
  | 'latencyP95'
  | 'latencyP99'
  | 'conversion'
  | 'value'
  | 'gauge'
  /** Against stable's past, once nothing is kept on it. */
  | 'errorHistory'
  | 'latencyHistory';

export interface Metric {
  readonly name: string;
  readonly kind: MetricKind;
  /** Its part of alpha, in proportion to the others'. */
  readonly weight: number;
  /** Ratios or slow-downs bet on instead of the usual ones. About the smallest is the least acted on. */
  readonly ratios?: readonly number[];
  /** Label metrics: act only when the ratio is proven above this. Default 1. */
  readonly provenAbove?: number;
  /** May hold a promotion back, never roll back. */
  readonly holdOnly?: boolean;
  /** No promotion without data. */
  readonly required?: boolean;
}

/** What an error-ratio metric can be asked for: `{ ...metric, ...ERROR_POLICIES.twice }`. */
export const ERROR_POLICIES = {
  /** Any increase that can be told: acts from 1.23 times stable's rate. */
  increase: { ratios: [1.5, 2, 3, 5, 10, 30, 100], provenAbove: 1 },
  /** Acts from 1.05 times, and so later on all others. */
  sensitive: { ratios: [1.1, 1.25, 1.5, 2, 3, 5, 10, 30, 100], provenAbove: 1 },
  /** The trigger "twice stable's error rate": acts from 1.44 times, finds a true 2 at once. */
  twice: { ratios: [2, 3, 5, 10, 30, 100], provenAbove: 1 },
  /** Only when the rate is proven to be above twice stable's. */
  provenTwice: { ratios: [3, 5, 10, 30, 100], provenAbove: 2 },
} as const satisfies Record<string, Pick<Metric, 'ratios' | 'provenAbove'>>;

/** Looser while little traffic is exposed: harm is weight times excess. */
export const DEFAULT_STEPS: readonly Step[] = [
  { weight: 0.01, margin: 5, floor: 0.01, minSeconds: 60, maxSeconds: 1800 },
  { weight: 0.05, margin: 3, floor: 0.005, minSeconds: 60, maxSeconds: 1800 },
  { weight: 0.25, margin: 2, floor: 0.002, minSeconds: 60, maxSeconds: 1800 },
  { weight: 0.5, margin: 1.5, floor: 0.001, minSeconds: 60, maxSeconds: 1800 },
];

export const DEFAULT_METRICS: readonly Metric[] = [
  { name: 'errorRatio', kind: 'errorRatio', weight: 4 },
  { name: 'errorCeiling', kind: 'errorCeiling', weight: 1 },
  { name: 'latencyShift', kind: 'latencyShift', weight: 2 },
  { name: 'latencyP95', kind: 'latencyP95', weight: 1 },
  { name: 'latencyP99', kind: 'latencyP99', weight: 2 },
];

export const DEFAULT_POLICY: Policy = {
  mode: 'request',
  alpha: 0.01,
  beta: 0.05,
  alphaSrm: 0.001,
  metrics: DEFAULT_METRICS,
  steps: DEFAULT_STEPS,
  spareSteps: 0,
  errorCeiling: 0.05,
  latencyTolerance: 0.1,
  latencySlack: 1,
  latencyWarmup: 30,
  minBaseline: 500,
  minCanaryEvents: 3,
  epochs: 64,
  holdFraction: 0.5,
  environment: {
    windows: [
      [1, 2],
      [10, 1.5],
      [60, 1],
    ],
    minTrials: 50,
  },
  incident: { seconds: 10, factor: 3, minFailures: 10, minReference: 1000 },
  blameRatio: 1.25,
  promotionEstimand: 'users',
  maxErredShare: 0.1,
  inconclusiveTimeout: 1800,
};

/** What is wrong with a policy, in a sentence with the cure; undefined if nothing is. */
export function policyFault(policy: Policy): string | undefined {
  for (const name of ['alpha', 'beta', 'alphaSrm', 'errorCeiling'] as const) {
    if (!(policy[name] > 0 && policy[name] < 1))
      return `${name} is ${policy[name]}; it is a probability between 0 and 1, as in ${DEFAULT_POLICY[name]}`;
  }
  if (policy.steps.length === 0) return 'there are no steps; a rollout needs at least one';
  for (const [index, { weight, margin, floor, minSeconds, maxSeconds }] of policy.steps.entries()) {
    const step = `step ${index + 1}`;
    if (!(weight > 0 && weight <= 1))
      return `${step} has weight ${weight}; it is a fraction from above 0 to 1`;
    if (!(margin > 1))
      return `${step} has margin ${margin}; nothing can be shown unless it is above 1, as in 1.5`;
    if (!(floor > 0 && floor < 1))
      return `${step} has floor ${floor}; it is a rate between 0 and 1, as in 0.001`;
    if (!(minSeconds >= 0 && maxSeconds > minSeconds))
      return `${step} lasts from ${minSeconds} to ${maxSeconds} s; the second must be the greater`;
  }
  const names = new Set<string>();
  for (const { name, weight, ratios, provenAbove = 1 } of policy.metrics) {
    if (names.has(name)) return `two metrics are called "${name}"; give each its own name`;
    names.add(name);
    if (!(weight > 0)) return `metric "${name}" has weight ${weight}; leave it out or give it some of alpha`;
    if (ratios?.some((ratio) => !(ratio > 0) || ratio === provenAbove))
      return `metric "${name}" bets on ${ratios.join(', ')}; ratios are above 0 and differ from provenAbove, ${provenAbove}`;
  }
  return names.size === 0 ? 'there are no metrics; without one nothing would ever be rolled back' : undefined;
}

/** Steps that share a metric's part of alpha: in request mode one detector lasts the whole rollout. */
export function sharingSteps(policy: Policy): number {
  return policy.mode === 'sticky' ? policy.steps.length + policy.spareSteps : 1;
}

/** ln wealth at which a metric fires. The parts of alpha add up to it: a union bound over metrics and steps. */
export function metricThreshold(policy: Policy, metric: Metric): number {
  const total = policy.metrics.reduce((sum, { weight }) => sum + weight, 0);
  return Math.log((sharingSteps(policy) * total) / (policy.alpha * metric.weight));
}

/** ln wealth at which the split is called broken. */
export function srmThreshold(policy: Policy): number {
  return Math.log(sharingSteps(policy) / policy.alphaSrm);
}

/** Seconds between a detector's later starts: its horizon in `epochs` parts. */
export function epochLength(policy: Policy, step: number): number {
  const horizon =
    policy.mode === 'sticky'
      ? policy.steps[step]!.maxSeconds
      : policy.steps.reduce((sum, { maxSeconds }) => sum + maxSeconds, 0);
  return Math.max(1, horizon / policy.epochs);
}
