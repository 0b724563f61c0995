import type { MetricRequest, Policy, PolicyRequest } from '../model/policy.ts';
import { MOST_BUSINESS } from '../model/trial.ts';
import type { Catalogue } from './catalogue.ts';

/** A policy under a name, and what it does in words. */
export interface NamedPolicy {
  readonly says: string;
  readonly policy: Policy;
}

const STANDARD: Policy = {
  name: 'standard',
  mode: 'sticky',
  alpha: 0.01,
  beta: 0.05,
  errorCeiling: 0.05,
  latencyTolerance: 0.1,
  latencySlack: 1,
  metrics: [
    { name: 'errorRatio', kind: 'errorRatio', weight: 4 },
    { name: 'errorCeiling', kind: 'errorCeiling', weight: 1 },
    { name: 'latencyShift', kind: 'latencyShift', weight: 2 },
    { name: 'latencyP95', kind: 'latencyP95', weight: 1 },
    { name: 'latencyP99', kind: 'latencyP99', weight: 2 },
  ],
  thresholds: [],
  onWorse: 'rollback',
  dryRun: false,
  tripwire: { failures: 4, share: 0.3, times: 3 },
};

type Trigger = NonNullable<Policy['metrics'][number]['trigger']>;

function triggeredBy(name: string, trigger: Trigger): Policy {
  const metrics = STANDARD.metrics.map((metric) =>
    metric.kind === 'errorRatio' ? { ...metric, trigger } : metric,
  );
  return { ...STANDARD, name, metrics };
}

/** All of them by name. */
export const POLICIES: Readonly<Record<string, NamedPolicy>> = {
  standard: {
    says: 'back on any increase of errors, or slowness, that can be told from chance; wrongly at most once in a hundred rollouts',
    policy: STANDARD,
  },
  sensitive: {
    says: 'as standard, but small increases too, for which it waits longer',
    policy: triggeredBy('sensitive', 'sensitive'),
  },
  twice: {
    says: "back when the candidate's error rate is about twice the baseline's, and not by chance",
    policy: triggeredBy('twice', 'twice'),
  },
  provenTwice: {
    says: "back only when the candidate's error rate is proven to be above twice the baseline's",
    policy: triggeredBy('provenTwice', 'provenTwice'),
  },
  plainTwice: {
    says: "as standard, and back as soon as 100 requests show twice the baseline's error rate, be it by chance",
    policy: {
      ...STANDARD,
      name: 'plainTwice',
      thresholds: [{ metric: 'errorRate', above: 2, of: 'baseline', atLeast: 100 }],
    },
  },
};

/**
 * The policy that is asked for, or a sentence that says what is wrong with it and the cure. `own`: what names
 * stand for besides those here.
 */
export function policyOf(
  { name = STANDARD.name, tripwire, ...rest }: PolicyRequest,
  own: Catalogue['policies'] = {},
): Policy | string {
  const named = namedPolicy(name, own);
  if (typeof named === 'string') return named;
  const { tripwire: usual, ...base } = named;
  const wire = tripwire === undefined ? usual : tripwire === false ? undefined : tripwire;
  const policy: Policy = { ...base, ...rest, ...(wire && { tripwire: wire }) };
  const names = policy.metrics.map((metric) => metric.name);
  const twin = names.find((each, index) => names.indexOf(each) !== index);
  if (twin !== undefined) return `two metrics are called "${twin}"; give each its own name`;
  if (policy.metrics.every(({ use }) => use === 'off'))
    return 'every metric is off; leave one on, or use dryRun to judge without acting';
  return businessFault(policy) ?? seriesFault(policy.metrics) ?? policy;
}

/** What is wrong with the business metrics, in a sentence with the cure. */
function businessFault({ metrics, mode }: Policy): string | undefined {
  const business = metrics.filter(({ kind }) => kind === 'conversion' || kind === 'value');
  if (business.length > MOST_BUSINESS)
    return `there are ${business.length} metrics of kind conversion and value; ${MOST_BUSINESS} are the most that a request is looked at for`;
  const mute = business.find(({ kind, when }) => kind === 'value' && when && when.event === undefined);
  if (mute)
    return `metric "${mute.name}" is a value, and its when names no event; a value is the number in x-spillway-event, so say which, as in event: order`;
  const keyless = business.find(({ when, by = 'key' }) => mode === 'request' && !when && by === 'key');
  if (keyless)
    return `metric "${keyless.name}" is posted by key, and mode request counts no keys; use mode sticky, or by: version`;
  const twice = metrics.find(
    ({ when, by, kind }) => by && (when || !(kind === 'conversion' || kind === 'value')),
  );
  if (twice)
    return `metric "${twice.name}" says by, which is for conversions and values that are posted, without when; leave one of them out`;
  const astray = metrics.find((metric) => metric.when && !business.includes(metric));
  if (astray)
    return `metric "${astray.name}" of kind ${astray.kind} says when; only those of kind conversion and value are counted by it`;
  return undefined;
}

/** What is wrong with the series that are asked for, in a sentence with the cure. */
function seriesFault(metrics: readonly MetricRequest[]): string | undefined {
  for (const { name, kind, series } of metrics) {
    if (kind !== 'gauge') {
      if (series) return `metric "${name}" of kind ${kind} has a series; only a gauge is asked for`;
      continue;
    }
    if (series === undefined)
      return `metric "${name}" is a gauge without a series, so nothing would ever be heard of it; say which url and query`;
    const { query, atMost, atLeast, ratioAtMost } = series;
    const bounds = [atMost, atLeast, ratioAtMost].filter((bound) => bound !== undefined);
    if (bounds.length > 1)
      return `metric "${name}" has ${bounds.length} bounds; give it one of atMost, atLeast and ratioAtMost`;
    if (atMost === undefined && atLeast === undefined && !/\{\{\s*version\s*\}\}/.test(query))
      return `the query of metric "${name}" says nowhere {{version}}, so it cannot tell two versions apart`;
  }
  return undefined;
}

function namedPolicy(name: string, own: Catalogue['policies']): Policy | string {
  if (Object.hasOwn(own, name)) {
    // One's own begin with those here, so that none leads back to itself.
    const made = policyOf(own[name]!);
    return typeof made === 'string' ? made : { ...made, name };
  }
  return Object.hasOwn(POLICIES, name)
    ? POLICIES[name]!.policy
    : `there is no policy "${name}"; the policies are ${[...Object.keys(own), ...Object.keys(POLICIES)].join(', ')}`;
}

/** One's own policy in words, by what it changes of which. */
export function tellPolicy({ name = STANDARD.name, ...changed }: PolicyRequest): string {
  const parts = Object.entries(changed).map(([key, value]) =>
    key === 'metrics'
      ? `metrics ${(changed.metrics ?? []).map((metric) => metric.name).join(', ')}`
      : `${key} ${typeof value === 'object' ? JSON.stringify(value) : value}`,
  );
  return parts.length === 0 ? `as ${name}` : `as ${name}, but ${parts.join('; ')}`;
}
