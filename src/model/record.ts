import { Type } from 'typebox';
import type { DecisionRecord } from './decision.ts';
import { RolloutSchema, TransitionSchema } from './rollout.ts';
import { type Of, ServiceName, SplitSchema, VersionName } from './state.ts';

/** Who asked for a change, through what, and why. */
const ActorSchema = Type.Object(
  { name: Type.String(), role: Type.String(), address: Type.Optional(Type.String()) },
  { additionalProperties: false },
);
export type Actor = Of<typeof ActorSchema>;

/** One line of the audit log: a change of the truth that was accepted. */
export const AuditEntrySchema = Type.Object(
  {
    revision: Type.Integer({ description: 'The revision this change made.' }),
    at: Type.String({ format: 'date-time' }),
    actor: ActorSchema,
    action: Type.String({
      description:
        'weights, rollback, version.put, version.delete, schema, reload, seed, quarantine.release; rollout and a verb, or rollout alone when it moved by itself.',
    }),
    replica: Type.Optional(
      Type.String({ description: 'In a fleet: where it was asked, or decided by whoever led.' }),
    ),
    service: Type.Optional(ServiceName),
    reason: Type.Optional(Type.String()),
    before: Type.Optional(Type.Unknown({ description: 'What stood before.' })),
    after: Type.Optional(Type.Unknown({ description: 'What stands now.' })),
    rollout: Type.Optional(Type.String({ description: 'Id of the rollout that this was about.' })),
    transitions: Type.Optional(
      Type.Array(TransitionSchema, { description: 'Where the rollout came to by it.' }),
    ),
    decisions: Type.Optional(
      // Records are large, and so is their schema; whoever reads a log need not know it.
      Type.Unsafe<readonly DecisionRecord[]>(
        Type.Array(Type.Object({}, { additionalProperties: true }), {
          description: 'What traffic was moved on, as GET /v1/rollouts/{id}/decisions shows it.',
        }),
      ),
    ),
  },
  { additionalProperties: false },
);
export type AuditEntry = Of<typeof AuditEntrySchema>;

/** What one worker says of a revision. */
const WorkerReceiptSchema = Type.Object(
  {
    worker: Type.Integer(),
    revision: Type.Integer({ description: 'The revision this worker serves.' }),
    lastRequestAt: Type.Optional(
      Type.String({
        format: 'date-time',
        description: 'When it last sent a request to a version that lost its weight in this change.',
      }),
    ),
  },
  { additionalProperties: false },
);
export type WorkerReceipt = Of<typeof WorkerReceiptSchema>;

/** What one replica says of a revision. */
const ReplicaReceiptSchema = Type.Object(
  {
    replica: Type.String(),
    live: Type.Boolean({ description: 'Whether every worker of it serves this revision.' }),
    lastRequestAt: Type.Optional(
      Type.String({
        format: 'date-time',
        description: 'When it last sent a request to a version that lost its weight in this change.',
      }),
    ),
  },
  { additionalProperties: false },
);
export type ReplicaReceipt = Of<typeof ReplicaReceiptSchema>;

const FleetReceiptSchema = Type.Object(
  {
    of: Type.Integer({ description: 'Replicas that there are, as far as is known.' }),
    live: Type.Integer({ description: 'Replicas that serve this revision.' }),
    replicas: Type.Array(ReplicaReceiptSchema, { description: 'Those that have answered.' }),
    missing: Type.Array(Type.String(), { description: 'Those that have not confirmed in time.' }),
  },
  { additionalProperties: false, description: 'Which replicas of a fleet serve a change.' },
);
export type FleetReceipt = Of<typeof FleetReceiptSchema>;

/** Proof that a change is live: which workers serve it, and since when nobody is sent to the version left. */
const ReceiptSchema = Type.Object(
  {
    revision: Type.Integer(),
    live: Type.Boolean({ description: 'Whether every worker serves this revision, of every replica.' }),
    workers: Type.Array(WorkerReceiptSchema, { description: 'Of the replica that was asked.' }),
    missing: Type.Array(Type.Integer(), { description: 'Workers that have not confirmed in time.' }),
    lastRequestAt: Type.Optional(
      Type.String({
        format: 'date-time',
        description:
          'When the last request was sent to a version that lost all its weight, over all workers.',
      }),
    ),
    fleet: Type.Optional(FleetReceiptSchema),
  },
  { additionalProperties: false },
);
export type Receipt = Of<typeof ReceiptSchema>;

/** What a change of traffic answers. */
export const ChangeSchema = Type.Object(
  {
    service: ServiceName,
    revision: Type.Integer(),
    changed: Type.Boolean({ description: 'False when things already stood as asked.' }),
    split: SplitSchema,
    from: Type.Optional(Type.Array(VersionName, { description: 'Versions that lost weight.' })),
    to: Type.Optional(VersionName),
    durable: Type.Boolean({
      description:
        'False only for a rollback that is live although the store could not be written; it is written as soon as the store recovers.',
    }),
    local: Type.Optional(
      Type.Boolean({
        description: 'True when only the replica that was asked serves it, until the store is reached again.',
      }),
    ),
    receipt: Type.Optional(ReceiptSchema),
  },
  { additionalProperties: false, description: 'What came of a change, and who serves it.' },
);
export type Change = Of<typeof ChangeSchema>;

/** What an order to a rollout answers. */
export const RolloutChangeSchema = Type.Object(
  {
    revision: Type.Integer(),
    rollout: RolloutSchema,
    durable: ChangeSchema.properties.durable,
  },
  { additionalProperties: false, description: 'What has become of a rollout.' },
);
export type RolloutChange = Of<typeof RolloutChangeSchema>;

/** What a release from quarantine answers. */
export const ReleasedSchema = Type.Object(
  {
    service: ServiceName,
    build: Type.String(),
    revision: Type.Integer(),
    durable: ChangeSchema.properties.durable,
  },
  { additionalProperties: false, description: 'A build that may be tried again.' },
);
export type Released = Of<typeof ReleasedSchema>;
