import { Type } from 'typebox';
import { AuditEntrySchema } from './record.ts';
import {
  EndpointLimitsSchema,
  KeyPolicySchema,
  MatchSchema,
  type Of,
  ServiceName,
  ServiceTimeoutsSchema,
  SplitSchema,
  VersionName,
  VersionSchema,
  WeightsSchema,
} from './state.ts';

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
    description: 'Where to go back to; left out, the version that last held all the traffic.',
  },
);
export type RollbackRequest = Of<typeof RollbackRequestSchema>;

export const VersionRequestSchema = Type.Object(
  { endpoints: VersionSchema.properties.endpoints, reason: Type.Optional(Reason) },
  { additionalProperties: false, description: 'What serves a version.' },
);
export type VersionRequest = Of<typeof VersionRequestSchema>;

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
export type ChangeHeaders = Of<typeof ChangeHeadersSchema>;

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
export const VersionSummarySchema = Type.Object(
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

export const VersionViewSchema = Type.Object(
  {
    ...VersionSchema.properties,
    weight: Type.Number({ description: 'Percentage of the traffic.' }),
    inFlight: Type.Integer({ description: 'Requests at this moment.' }),
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
    maxBodyBytes: Type.Optional(Type.Integer()),
    split: SplitSchema,
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

export const HealthSchema = Type.Object(
  { status: Type.Literal('ok') },
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
