import { DIRECT } from './rows/latency.ts';
import type { Sample } from './rows/row.ts';
import { type Summary, summarise } from './statistics.ts';

/** Samples by row, contender and round; a measurement that failed left undefined. */
export type Results = Readonly<Record<string, Readonly<Record<string, readonly (Sample | undefined)[]>>>>;

/** A bound that DESIGN.md sets. Ratios are of two measurements of the same round. */
export interface Budget {
  readonly what: string;
  readonly unit: '×' | 'bytes' | 'ms' | '%';
  readonly better: 'lower' | 'higher';
  readonly goal: number;
  readonly must: number;
  /** One value a round. */
  readonly values: (results: Results) => readonly number[];
  /** The median decides, but where even the worst round has to keep the bound. */
  readonly worst?: true;
}

export type Verdict = 'goal met' | 'within bounds' | 'MISSED' | 'not measured';

export interface Judged extends Pick<Budget, 'what' | 'unit' | 'better' | 'goal' | 'must'> {
  readonly measured: Summary | undefined;
  readonly verdict: Verdict;
}

const against = (rivals: readonly string[], goal: number, must: number): Budget[] =>
  rivals.map((rival) => ({
    what: `CPU per request, small GET, against ${rival}`,
    unit: '×',
    better: 'lower',
    goal,
    must,
    values: (results) => ratios(results['small'], 'cpu', 'spillway', rival),
  }));

export const BUDGETS: readonly Budget[] = [
  ...against(['nginx', 'haproxy'], 1, 1.15),
  ...against(['caddy', 'http-proxy', '@fastify/http-proxy'], 0.33, 0.4),
  {
    what: 'bytes per second, 1 MB bodies, against nginx',
    unit: '×',
    better: 'higher',
    goal: 1.5,
    must: 1.1,
    values: (results) => ratios(results['1m'], 'megabytes', 'spillway', 'nginx'),
  },
  {
    what: 'p99 latency added at half load, against nginx',
    unit: '×',
    better: 'lower',
    goal: 1,
    must: 1.5,
    values: (results) => addedRatios(results['latency']),
  },
  {
    what: 'memory by idle keep-alive connection',
    unit: 'bytes',
    better: 'lower',
    goal: 4 * 1024,
    must: 6 * 1024,
    values: (results) => sound(results['idle']?.['spillway'], 'bytes'),
  },
  ...['weights', 'rollback'].map(
    (call): Budget => ({
      what: `last request to the old version after ${call === 'weights' ? 'a weight change' : 'a rollback'} was answered`,
      unit: 'ms',
      better: 'lower',
      goal: 10,
      must: 50,
      values: (results) => sound(results['change']?.[call], 'after'),
      worst: true,
    }),
  ),
  ...['100', '10000'].map(
    (count): Budget => ({
      what: `CPU per request to one of ${count} services, against one of 1`,
      unit: '×',
      better: 'lower',
      goal: 1.05,
      must: 1.2,
      values: (results) => ratios(results['services'], 'cpu', count, '1'),
    }),
  ),
  {
    what: 'CPU per request to a service in a rollout, against one at rest',
    unit: '×',
    better: 'lower',
    goal: 1.02,
    must: 1.1,
    values: (results) => ratios(results['trial'], 'cpu', 'in a rollout', 'by hand'),
  },
  {
    what: 'core taken by the primary with 100 services in a rollout',
    unit: '%',
    better: 'lower',
    goal: 5,
    must: 5,
    values: (results) => sound(results['judged']?.['100'], 'core'),
  },
];

/** Holds a budget against what was measured. Nothing measured is never a pass. */
export function judge({ values, worst, ...bounds }: Budget, results: Results): Judged {
  const measured = summarise(values(results));
  return { ...bounds, measured, verdict: verdict(bounds, measured, worst) };
}

function verdict(
  { better, goal, must }: Pick<Budget, 'better' | 'goal' | 'must'>,
  measured: Summary | undefined,
  worst: true | undefined,
): Verdict {
  if (measured === undefined) return 'not measured';
  const sign = better === 'lower' ? 1 : -1;
  const value = worst ? (better === 'lower' ? measured.max : measured.min) : measured.median;
  if (sign * value <= sign * goal) return 'goal met';
  return sign * value <= sign * must ? 'within bounds' : 'MISSED';
}

/** One number a round, of the rounds without an error: broken answers are cheap. */
function sound(samples: readonly (Sample | undefined)[] | undefined, key: string): number[] {
  return (samples ?? []).flatMap((sample) => (sample?.['errors'] === 0 ? [sample[key]!] : []));
}

function ratios(row: Results[string] | undefined, key: string, name: string, over: string): number[] {
  const rounds = row?.[name] ?? [];
  return rounds.flatMap((sample, round) => {
    const [above] = sound([sample], key);
    const [below] = sound([row?.[over]?.[round]], key);
    return above === undefined || below === undefined ? [] : [above / below];
  });
}

/** What each adds to the latency of the origin alone, in the same round. */
function addedRatios(row: Results[string] | undefined): number[] {
  const rounds = row?.['spillway'] ?? [];
  return rounds.flatMap((_, round) => {
    const [direct, ours, theirs] = [DIRECT, 'spillway', 'nginx'].map(
      (name) => sound([row?.[name]?.[round]], 'p99')[0],
    );
    if (direct === undefined || ours === undefined || theirs === undefined) return [];
    // Too little added by nginx to divide by: the load generator's own noise is greater.
    return theirs > direct ? [Math.max(0, ours - direct) / (theirs - direct)] : [];
  });
}
