import { Type } from 'typebox';
import type { Of } from './document.ts';
import { query } from './gate.ts';
import { OccasionSchema, WorseSchema } from './trial.ts';
import { CLOSED, Count } from './units.ts';

const Probability = (description: string) =>
  Type.Number({ exclusiveMinimum: 0, exclusiveMaximum: 1, description });

const SeriesSchema = Type.Object(
  {
    ...query,
    every: Type.Optional(
      Type.Number({
        minimum: 1,
        maximum: 86_400,
        description:
          'Seconds between two samples. Default 60: samples that follow closely say the same thing twice.',
      }),
    ),
  },
  {
    ...CLOSED,
    description:
      'What Prometheus is asked: against a threshold, or between versions. Without a bound ratioAtMost is 1.2. Average over a minute, and by pod or request, as in avg(rate(process_cpu_seconds_total{version="{{version}}"}[1m])).',
  },
);
export type Series = Of<typeof SeriesSchema>;

const MetricSchema = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: 64 }),
    kind: Type.Enum([
      'errorRatio',
      'errorCeiling',
      'latencyShift',
      'latencyP95',
      'latencyP99',
      'conversion',
      'value',
      'gauge',
      'errorHistory',
      'latencyHistory',
    ]),
    use: Type.Optional(
      Type.Enum(['on', 'off', 'holdOnly'], {
        description:
          'holdOnly: may hold a promotion back, never roll back. Default on; of a gauge, of latencyHistory, and by version, holdOnly.',
      }),
    ),
    weight: Type.Optional(
      Type.Number({ exclusiveMinimum: 0, description: "Its part of alpha, by the others'. Default 1." }),
    ),
    trigger: Type.Optional(
      Type.Enum(['increase', 'sensitive', 'twice', 'provenTwice'], {
        description:
          'errorRatio: how much worse is too much, in a word instead of in ratios. Default increase.',
      }),
    ),
    ratios: Type.Optional(
      Type.Array(Type.Number({ exclusiveMinimum: 0 }), {
        minItems: 1,
        maxItems: 20,
        description: 'Ratios or slow-downs bet on; about the smallest is the least acted on.',
      }),
    ),
    provenAbove: Type.Optional(
      Type.Number({
        exclusiveMinimum: 0,
        description: 'Act only when the ratio is proven above this. Default 1.',
      }),
    ),
    required: Type.Optional(Type.Boolean({ description: 'No promotion without data. Default false.' })),
    when: Type.Optional(
      Type.Unsafe<Of<typeof OccasionSchema>>({
        ...OccasionSchema,
        description:
          'conversion, value: what in the traffic counts, as POST /orders answered with 2xx; a value is the number of its event. Left out: only what is posted as observations.',
      }),
    ),
    worse: Type.Optional(WorseSchema),
    by: Type.Optional(
      Type.Enum(['key', 'version'], {
        description:
          'conversion, value without when: what observations name. A key counts once a step. By version they have to be taken for independent of each other, so use is holdOnly if nothing is said. Default key.',
      }),
    ),
    series: Type.Optional(SeriesSchema),
  },
  CLOSED,
);
export type MetricRequest = Of<typeof MetricSchema>;

const ThresholdSchema = Type.Object(
  {
    metric: Type.Enum(['errorRate', 'p50', 'p95', 'p99']),
    above: Type.Number({
      minimum: 0,
      description: 'Errors as a part of 1, latencies in ms, or times the baseline.',
    }),
    of: Type.Enum(['baseline', 'value'], {
      description: 'baseline: so many times what the baseline has.',
    }),
    atLeast: Count('Requests of each version before it counts; sticky: keys. 100 is usual.'),
  },
  { ...CLOSED, description: 'Plain, without statistics: it may fire on noise.' },
);
export type Threshold = Of<typeof ThresholdSchema>;

const HarmBudgetSchema = Type.Object(
  {
    failures: Type.Optional(Count("Failures beyond what the baseline's rate explains.")),
    keys: Type.Optional(Count('Distinct keys that met a failure of the candidate.')),
  },
  {
    ...CLOSED,
    minProperties: 1,
    description: 'What a rollout may cost. Reaching it takes the traffic back.',
  },
);
export type HarmBudget = Of<typeof HarmBudgetSchema>;

const TripwireSchema = Type.Object(
  {
    failures: Count('So many failures of the candidate …'),
    share: Type.Number({
      exclusiveMinimum: 0,
      maximum: 1,
      description: '… that are this part of its requests …',
    }),
    times: Type.Number({ minimum: 1, description: "… and so many times the baseline's rate." }),
  },
  { ...CLOSED, description: 'For catastrophes: decides within the first handful of requests.' },
);
export type Tripwire = Of<typeof TripwireSchema>;

export const PolicySchema = Type.Object(
  {
    name: Type.String({ description: 'Which policy this is, as people know it.' }),
    mode: Type.Enum(['sticky', 'request'], {
      description: 'What counts once: a key in a step, or every request.',
    }),
    alpha: Probability('Chance of rolling back a candidate that is not worse, over the whole rollout.'),
    beta: Probability('Chance of calling a candidate healthy that is as bad as the margin.'),
    errorCeiling: Probability('Error rate that is too high whatever the baseline does.'),
    latencyTolerance: Type.Number({
      minimum: 0,
      description: 'How much slower is no matter, as a part of 1.',
    }),
    latencySlack: Type.Number({
      minimum: 0,
      description:
        'The same in milliseconds, if that is more: so little is up to the machine, not to the version.',
    }),
    metrics: Type.Array(MetricSchema, { minItems: 1, maxItems: 50 }),
    thresholds: Type.Array(ThresholdSchema, { maxItems: 20 }),
    onWorse: Type.Enum(['rollback', 'pause', 'notify']),
    dryRun: Type.Boolean({
      description: 'Judge and tell, but let nothing but time and people move traffic.',
    }),
    harmBudget: Type.Optional(HarmBudgetSchema),
    tripwire: Type.Optional(TripwireSchema),
  },
  { ...CLOSED, description: 'How a rollout is judged, and what is done on it.' },
);
export type Policy = Of<typeof PolicySchema>;

export const PolicyRequestSchema = Type.Object(
  {
    ...Type.Partial(PolicySchema).properties,
    tripwire: Type.Optional(Type.Union([Type.Literal(false), TripwireSchema])),
  },
  { ...CLOSED, description: 'name: the policy to begin with; all else replaces what it says.' },
);
export type PolicyRequest = Of<typeof PolicyRequestSchema>;
