import { Type } from 'typebox';
import { type Of, VersionName } from './document.ts';

const Bucket = (description: string) => Type.Integer({ minimum: 0, description });

/** What in the traffic counts for a business metric. Everything that it says must hold; nothing said is anything. */
export const OccasionSchema = Type.Object(
  {
    method: Type.Optional(Type.String({ pattern: '^[A-Z]+$', description: 'Method of the request.' })),
    path: Type.Optional(
      Type.String({
        pattern: '^/',
        description: 'Path of the request, without query. /orders/* is everything below /orders/.',
      }),
    ),
    statuses: Type.Optional(
      Type.Array(Type.Integer({ minimum: 100, maximum: 599 }), {
        minItems: 1,
        description: 'Any of these. Default: 200 to 299.',
      }),
    ),
    event: Type.Optional(
      Type.String({
        pattern: "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$",
        description: 'Named by the response header x-spillway-event, as in "order=49.90, signup".',
      }),
    ),
  },
  {
    additionalProperties: false,
    description: 'What counts, as POST /orders answered with 2xx.',
  },
);

/** Business metrics of one rollout: a request carries a bit for each. */
export const MOST_BUSINESS = 30;

export const WorseSchema = Type.Enum(['higher', 'lower'], {
  description: 'conversion, value: which way is worse, as higher for refunds. Default lower.',
});

/** What workers need to know of a rollout. Small and still, since a service is compiled anew when it changes. */
export const TrialSchema = Type.Object(
  {
    rollout: Type.String({ description: 'Id of the rollout.' }),
    epoch: Type.Integer({
      minimum: 0,
      description:
        'Changes with every step, and when a step starts again: what is counted belongs to one epoch.',
    }),
    baseline: VersionName,
    candidate: VersionName,
    sticky: Type.Boolean({ description: 'Whether keys are counted, once an epoch, or requests.' }),
    latency: Type.Optional(
      Type.Object(
        {
          tolerance: Type.Optional(
            Type.Number({
              minimum: 0,
              description: 'How much slower the candidate may be, as a part of 1. Default 0.1.',
            }),
          ),
          slack: Type.Optional(
            Type.Number({ minimum: 0, description: 'The same in milliseconds, if that is more. Default 1.' }),
          ),
          warmUp: Type.Optional(
            Type.Number({
              minimum: 0,
              description:
                'Seconds after the epoch began in a worker whose latencies are left out. Default 30.',
            }),
          ),
          p95: Type.Optional(
            Bucket("The judge's bucket of the baseline's 95th percentile; slower requests are slow."),
          ),
          p99: Type.Optional(Bucket('The same of the 99th.')),
        },
        { additionalProperties: false, description: 'How latency is counted.' },
      ),
    ),
    past: Type.Optional(
      Type.Object(
        { requests: Type.Integer({ minimum: 0 }), failures: Type.Integer({ minimum: 0 }) },
        {
          additionalProperties: false,
          description:
            'What the baseline did in the minutes before it had no traffic any more: all there is to compare with then.',
        },
      ),
    ),
    business: Type.Optional(
      Type.Array(
        Type.Object(
          {
            name: Type.String({ description: 'Name of the metric.' }),
            when: Type.Optional(OccasionSchema),
            worse: Type.Optional(WorseSchema),
          },
          { additionalProperties: false },
        ),
        {
          maxItems: MOST_BUSINESS,
          description:
            'Business metrics: counted, or with worse: measured. Without when only what is posted counts.',
        },
      ),
    ),
  },
  { additionalProperties: false, description: 'Which two versions are being compared.' },
);
export type Trial = Of<typeof TrialSchema>;
