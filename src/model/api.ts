import { Type } from 'typebox';
import { DecisionRecordSchema } from './decision.ts';
import { DnsPolicySchema, EjectionPolicySchema, EndpointViewSchema, HealthPolicySchema } from './health.ts';
import { EndpointLimitsSchema, VersionLimitsSchema } from './limits.ts';
import { PolicyRequestSchema, PolicySchema } from './policy.ts';
import { RatesSchema } from './rates.ts';
import { AuditEntrySchema, RolloutChangeSchema } from './record.ts';
import { RescueSchema, RetriesSchema } from './retry.ts';
import { RolloutSchema } from './rollout.ts';
import {
  KeyPolicySchema,
  MatchSchema,
  type Of,
  QuarantineSchema,
  SchemaStandSchema,
  SchemaVersionSchema,
  ServiceName,
  ServiceTimeoutsSchema,
  SplitSchema,
  VersionName,
  VersionSchema,
  WeightsSchema,
} from './state.ts';
import { StrategySchema } from './strategy.ts';
import { StreamsSchema } from './streams.ts';
import { VerdictSchema } from './verdict.ts';

/**
 * What the admin API is asked and what it answers, as far as that is not one of the nouns themselves. The
 * server checks and serialises by these schemas, OpenAPI shows them, and clients take their types from here.
 */

const Reason = Type.String({ maxLength: 1000, description: 'Why; stands in the audit log.' });

export const WeightsRequestSchema = Type.Object(
  { weights: WeightsSchema, reason: Type.Optional(Reason) },
  { additionalProperties: false, description: 'How the traffic shall be split.' },
);
export type WeightsRequest = Of<typeof WeightsRequestSchema>;

export const RollbackRequestSchema = Type.Object(
  { to: Type.Optional(VersionName), reason: Type.Optional(Reason) },
  {
    additionalProperties: false,
    description:
      'Where to go back to; left out, the baseline of the rollout under way, else the version that last held all the traffic.',
  },
);
export type RollbackRequest = Of<typeof RollbackRequestSchema>;

export const VersionRequestSchema = Type.Object(
  {
    endpoints: VersionSchema.properties.endpoints,
    requires: VersionSchema.properties.requires,
    reason: Type.Optional(Reason),
  },
  { additionalProperties: false, description: 'What serves a version.' },
);
export type VersionRequest = Of<typeof VersionRequestSchema>;

export const SchemaRequestSchema = Type.Object(
  { schema: SchemaVersionSchema, reason: Type.Optional(Reason) },
  { additionalProperties: false, description: 'The database schema that holds from now on.' },
);
export type SchemaRequest = Of<typeof SchemaRequestSchema>;

export const RolloutRequestSchema = Type.Object(
  {
    candidate: VersionName,
    baseline: Type.Optional(VersionName),
    build: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 200,
        description:
          'Which build the candidate is, as a commit or an image digest: what a quarantine names. Left out, its name and endpoints stand for it.',
      }),
    ),
    strategy: Type.Optional(
      Type.Union(
        [Type.String({ minLength: 1, maxLength: 64, description: 'Name of a strategy.' }), StrategySchema],
        {
          description: 'How it goes. Default 1-5-25-50-100; GET /v1/strategies lists what has a name.',
        },
      ),
    ),
    policy: Type.Optional(
      Type.Union(
        [Type.String({ minLength: 1, maxLength: 64, description: 'Name of a policy.' }), PolicyRequestSchema],
        {
          description: 'How it is judged. Default standard.',
        },
      ),
    ),
    reason: Type.Optional(Reason),
  },
  {
    additionalProperties: false,
    description:
      'A candidate that is to take over. baseline: from which; default: the version with the most traffic.',
  },
);
export type RolloutRequest = Of<typeof RolloutRequestSchema>;

export const OrderRequestSchema = Type.Object(
  {
    reason: Type.Optional(Reason),
    gate: Type.Optional(
      Type.String({ description: 'approve: which approval. Default: the one waited for.' }),
    ),
    all: Type.Optional(
      Type.Boolean({ description: 'promote: to full weight at once, not to the next step.' }),
    ),
  },
  { additionalProperties: false, description: 'What is asked of a rollout.' },
);
export type OrderRequest = Of<typeof OrderRequestSchema>;

export const ORDERS = ['pause', 'resume', 'approve', 'promote', 'abort'] as const;
export type OrderName = (typeof ORDERS)[number];

export const RolloutPathSchema = Type.Object(
  { id: Type.String({ minLength: 1, maxLength: 64 }) },
  { additionalProperties: false },
);
export type RolloutPath = Of<typeof RolloutPathSchema>;

export const ApprovalQuerySchema = Type.Object(
  { link: Type.String({ maxLength: 2048, description: 'As the notification shows it.' }) },
  { additionalProperties: false },
);
export type ApprovalQuery = Of<typeof ApprovalQuerySchema>;

export const BuildPathSchema = Type.Object(
  { service: ServiceName, build: Type.String({ minLength: 1, maxLength: 200 }) },
  { additionalProperties: false },
);
export type BuildPath = Of<typeof BuildPathSchema>;

export const StartQuerySchema = Type.Object(
  {
    dryRun: Type.Optional(
      Type.Literal('plan', { description: 'plan: only say what would happen, and how long it would take.' }),
    ),
  },
  { additionalProperties: false },
);
export type StartQuery = Of<typeof StartQuerySchema>;

const PlanViewSchema = Type.Object(
  {
    steps: Type.Array(Type.String(), { description: 'What happens, a line each.' }),
    takes: Type.String({ description: 'How long, at the traffic of the last minute.' }),
  },
  { additionalProperties: false, description: 'A plan in words.' },
);
export type PlanView = Of<typeof PlanViewSchema>;

export const RolloutStartSchema = Type.Object(
  { ...Type.Partial(RolloutChangeSchema).properties, plan: PlanViewSchema },
  { additionalProperties: false, description: 'What has begun; the plan alone in a dry run.' },
);
export type RolloutStart = Of<typeof RolloutStartSchema>;

export const RolloutViewSchema = Type.Object(
  {
    ...RolloutSchema.properties,
    status: Type.String({ description: 'Where it stands, why, and what is missing, in a sentence or two.' }),
    verdict: Type.Optional(VerdictSchema),
    rollbackReady: Type.Object(
      { ready: Type.Boolean(), says: Type.String() },
      { additionalProperties: false, description: 'Whether the way back works now.' },
    ),
  },
  {
    additionalProperties: false,
    description: 'A rollout: how it goes, and where it stands. Secrets are not shown.',
  },
);
export type RolloutView = Of<typeof RolloutViewSchema>;

export const RolloutListSchema = Type.Object(
  { revision: Type.Integer(), rollouts: Type.Array(RolloutViewSchema, { description: 'Newest first.' }) },
  { additionalProperties: false, description: 'Rollouts under way, and the last few that ended.' },
);
export type RolloutList = Of<typeof RolloutListSchema>;

export const DecisionListSchema = Type.Object(
  { decisions: Type.Array(DecisionRecordSchema, { description: 'Newest first.' }) },
  { additionalProperties: false, description: 'What traffic was moved on, with all that it was judged by.' },
);
export type DecisionList = Of<typeof DecisionListSchema>;

const ObservationSchema = Type.Object(
  {
    metric: Type.String({ description: 'Of kind conversion or value, without when.' }),
    key: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 4096,
        description:
          'Of the user it happened to, exactly as it is in the requests: header, cookie or address.',
      }),
    ),
    version: Type.Optional(VersionName),
    value: Type.Optional(Type.Number({ minimum: -1e12, maximum: 1e12, description: 'Of a value.' })),
    id: Type.Optional(
      Type.String({ minLength: 1, maxLength: 128, description: 'What has this id counts once a rollout.' }),
    ),
  },
  { additionalProperties: false, description: 'Something that happened to a user, or to a version.' },
);
export type Observation = Of<typeof ObservationSchema>;

export const ObservationsRequestSchema = Type.Object(
  { observations: Type.Array(ObservationSchema, { minItems: 1, maxItems: 1000 }) },
  { additionalProperties: false, description: 'What happened to users or versions.' },
);
export type ObservationsRequest = Of<typeof ObservationsRequestSchema>;

export const ObservedSchema = Type.Object(
  {
    rollout: Type.String(),
    taken: Type.Integer({
      description: 'Taken for evidence. Of a key only the first of a metric counts in a step.',
    }),
    waiting: Type.Integer({
      description: 'Nothing has been heard of their key in this step yet; it is looked for again for 5 s.',
    }),
    repeated: Type.Integer({ description: 'Their id has been posted before.' }),
    unknown: Type.Integer({ description: 'Their version is not one of the two, or too many are waiting.' }),
    passed: Type.Integer({
      description:
        'Passed on to the replica that leads the fleet; what becomes of them there is counted in its metrics.',
    }),
  },
  { additionalProperties: false, description: 'What has become of the observations.' },
);
export type Observed = Of<typeof ObservedSchema>;

export const EvidenceViewSchema = Type.Object(
  {
    service: ServiceName,
    rollout: Type.Optional(
      Type.String({ description: 'Id of the rollout under way; left out: there is none.' }),
    ),
    verdict: Type.Optional(VerdictSchema),
    missing: Type.Array(Type.String(), { description: 'Workers that have told nothing lately.' }),
    samples: Type.Array(
      Type.Object(
        {
          metric: Type.String(),
          at: Type.String({ format: 'date-time' }),
          answer: Type.Enum(['pass', 'fail', 'unknown'], {
            description: 'fail: above what is tolerated. unknown: no data.',
          }),
          says: Type.String(),
        },
        { additionalProperties: false },
      ),
      { description: 'What was last heard of each series from Prometheus.' },
    ),
  },
  {
    additionalProperties: false,
    description: 'What was seen of the two versions of a rollout, and what it means.',
  },
);
export type EvidenceView = Of<typeof EvidenceViewSchema>;

const Named = {
  name: Type.String(),
  says: Type.String(),
  own: Type.Boolean({ description: 'Whether it stands in the config file.' }),
};
export const StrategyListSchema = Type.Object(
  {
    strategies: Type.Array(
      Type.Object({ ...Named, steps: PlanViewSchema.properties.steps }, { additionalProperties: false }),
    ),
    policies: Type.Array(Type.Object({ ...Named, policy: PolicySchema }, { additionalProperties: false })),
  },
  { additionalProperties: false, description: 'Strategies and policies that have a name.' },
);
export type StrategyList = Of<typeof StrategyListSchema>;

export const ServicePathSchema = Type.Object({ service: ServiceName }, { additionalProperties: false });
export type ServicePath = Of<typeof ServicePathSchema>;

export const VersionPathSchema = Type.Object(
  { service: ServiceName, version: VersionName },
  { additionalProperties: false },
);
export type VersionPath = Of<typeof VersionPathSchema>;

export const WaitQuerySchema = Type.Object(
  {
    wait: Type.Optional(
      Type.Union([Type.Literal('all'), Type.Literal('none')], {
        description: 'all: answer when every worker serves the change, with a receipt; none: at once.',
        default: 'all',
      }),
    ),
    timeout: Type.Optional(
      Type.String({
        description: 'How long to wait for the workers, as 500ms or 2s; 30s at most.',
        pattern: '^[0-9]{1,5}(ms|s)$',
        default: '2s',
      }),
    ),
  },
  { additionalProperties: false },
);
export type WaitQuery = Of<typeof WaitQuerySchema>;

export const ChangeHeadersSchema = Type.Object({
  'if-match': Type.Optional(
    Type.String({ description: 'The change is refused (412) unless this ETag is still the newest.' }),
  ),
  'idempotency-key': Type.Optional(
    Type.String({
      description: 'The same request with the same key is done once and gets the same answer, for a day.',
    }),
  ),
  'x-reason': Type.Optional(
    Type.String({ maxLength: 1000, description: 'Why, for requests whose body does not say it.' }),
  ),
});

export const AuditQuerySchema = Type.Object(
  {
    service: Type.Optional(ServiceName),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, default: 100 })),
    before: Type.Optional(
      Type.Integer({ minimum: 0, description: 'Only entries of revisions below this one, for paging.' }),
    ),
  },
  { additionalProperties: false },
);
export type AuditPageQuery = Of<typeof AuditQuerySchema>;

/** What one version did since Spillway started, all workers together. */
const VersionSummarySchema = Type.Object(
  {
    requests: Type.Integer(),
    errors: Type.Integer({
      description: 'Answers with a 5xx status, and answers that the endpoint broke off.',
    }),
    p50: Type.Optional(
      Type.Number({ description: 'Half of the upstream latencies are at most this, milliseconds.' }),
    ),
    p95: Type.Optional(Type.Number()),
    p99: Type.Optional(Type.Number()),
  },
  { additionalProperties: false },
);
export type VersionSummary = Of<typeof VersionSummarySchema>;

const VersionViewSchema = Type.Object(
  {
    ...VersionSchema.properties,
    weight: Type.Number({ description: 'Percentage of the traffic.' }),
    inFlight: Type.Integer({ description: 'Requests at this moment.' }),
    standing: Type.Array(EndpointViewSchema, { description: 'How its endpoints stand, by address.' }),
    totals: VersionSummarySchema,
  },
  { additionalProperties: false },
);
export type VersionView = Of<typeof VersionViewSchema>;

export const ServiceViewSchema = Type.Object(
  {
    name: ServiceName,
    match: Type.Array(MatchSchema),
    key: Type.Optional(KeyPolicySchema),
    override: Type.Optional(
      Type.Object(
        {
          signed: Type.Boolean({ description: 'Whether a signature is believed; the secret is not shown.' }),
          addresses: Type.Array(Type.String()),
        },
        { additionalProperties: false },
      ),
    ),
    timeouts: Type.Optional(ServiceTimeoutsSchema),
    limits: Type.Optional(EndpointLimitsSchema),
    versionLimits: Type.Optional(VersionLimitsSchema),
    rates: Type.Optional(RatesSchema),
    retries: Type.Optional(RetriesSchema),
    rescue: Type.Optional(RescueSchema),
    streams: Type.Optional(StreamsSchema),
    health: Type.Optional(HealthPolicySchema),
    ejection: Type.Optional(EjectionPolicySchema),
    dns: Type.Optional(DnsPolicySchema),
    slowStart: Type.Optional(Type.Integer({ description: 'Milliseconds.' })),
    fallback: Type.Optional(VersionName),
    maxBodyBytes: Type.Optional(Type.Integer()),
    split: SplitSchema,
    schema: Type.Optional(SchemaStandSchema),
    quarantine: Type.Optional(Type.Array(QuarantineSchema)),
    wholes: Type.Array(VersionName, {
      description: 'Versions that held all the traffic, oldest first: where a rollback can go.',
    }),
    versions: Type.Record(VersionName, VersionViewSchema),
  },
  { additionalProperties: false, description: 'A service: how it is built, split, and doing.' },
);
export type ServiceView = Of<typeof ServiceViewSchema>;

export const ServiceListSchema = Type.Object(
  {
    revision: Type.Integer({ description: 'The newest revision of the truth.' }),
    workers: Type.Array(
      Type.Object(
        {
          worker: Type.Integer(),
          pid: Type.Integer(),
          revision: Type.Integer({ description: 'The revision this worker serves.' }),
          overloaded: Type.Optional(
            Type.Union([Type.Literal('loop'), Type.Literal('memory'), Type.Literal('descriptors')], {
              description: 'What this worker has too much of, so that it takes no new connections.',
            }),
          ),
        },
        { additionalProperties: false },
      ),
    ),
    services: Type.Array(ServiceViewSchema),
  },
  { additionalProperties: false, description: 'Every service, by name, and who serves them.' },
);
export type ServiceList = Of<typeof ServiceListSchema>;

export const AuditPageSchema = Type.Object(
  {
    entries: Type.Array(AuditEntrySchema, { description: 'Newest first.' }),
    next: Type.Optional(
      Type.Integer({ description: 'Ask again with before=next for older entries; absent on the last page.' }),
    ),
  },
  { additionalProperties: false, description: 'Changes of the truth that were accepted.' },
);
export type AuditPage = Of<typeof AuditPageSchema>;

const ReplicaViewSchema = Type.Object(
  {
    replica: Type.String({ description: 'What it is called.' }),
    id: Type.String({ description: 'Its name and a mark of this one run of it.' }),
    leads: Type.Boolean({ description: 'Whether it is the one that moves rollouts.' }),
    version: Type.String({ description: 'Of Spillway.' }),
    revision: Type.Integer({ description: 'The revision it serves.' }),
    behind: Type.Integer({ description: 'Revisions that it is behind.' }),
    workers: Type.Integer({ description: 'Its workers alive.' }),
    seen: Type.String({ format: 'date-time', description: 'Its last sign of life.' }),
    silent: Type.Boolean({ description: 'Whether that is three seconds ago or more.' }),
    clockOffset: Type.Integer({ description: 'Its clock less that of Redis, in milliseconds.' }),
  },
  { additionalProperties: false },
);
export type ReplicaView = Of<typeof ReplicaViewSchema>;

export const FleetViewSchema = Type.Object(
  {
    fleet: Type.String(),
    replica: Type.String({ description: 'The replica that answers.' }),
    store: Type.Object(
      {
        up: Type.Boolean({ description: 'Whether the store is reached.' }),
        since: Type.String({ format: 'date-time', description: 'Since when.' }),
        why: Type.Optional(Type.String({ description: 'Why it is not.' })),
        lag: Type.Optional(Type.Number({ description: 'Milliseconds that it took to answer, last.' })),
      },
      { additionalProperties: false },
    ),
    leader: Type.Optional(Type.String({ description: 'The replica that moves rollouts.' })),
    revision: Type.Integer({ description: 'The newest that is known.' }),
    replicas: Type.Array(ReplicaViewSchema, {
      description: 'Those that gave a sign of life in the last 30 seconds.',
    }),
  },
  { additionalProperties: false, description: 'The replicas that share a store.' },
);
export type FleetView = Of<typeof FleetViewSchema>;

export const HealthSchema = Type.Object(
  {
    status: Type.Literal('ok'),
    degraded: Type.Optional(
      Type.String({ description: 'What does not work at present although requests are served.' }),
    ),
  },
  { additionalProperties: false, description: 'Yes.' },
);

/** RFC 9457, with `faults` where more than one thing can be wrong at once. */
export const ProblemSchema = Type.Object(
  {
    type: Type.String({ description: 'What kind of problem; about:blank when the status says it all.' }),
    title: Type.String(),
    status: Type.Integer(),
    detail: Type.String({ description: 'What is wrong here, and what would be right.' }),
    instance: Type.String({ description: 'The path that was asked for.' }),
    faults: Type.Optional(
      Type.Array(
        Type.Object(
          { path: Type.String({ description: 'Where, as body/weights/canary.' }), message: Type.String() },
          { additionalProperties: false },
        ),
      ),
    ),
  },
  { description: 'What went wrong.' },
);
export type ProblemBody = Of<typeof ProblemSchema>;
