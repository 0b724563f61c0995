import { Type } from 'typebox';
import type { Of } from './document.ts';
import { CLOSED, Percent } from './units.ts';
import { VerdictSchema } from './verdict.ts';

export const CauseSchema = Type.Enum(
  [
    'worse',
    'threshold',
    'tripwire',
    'budget',
    'gate',
    'timeout',
    'vanished',
    'newer',
    'person',
    'environment',
    'split',
  ],
  {
    description:
      'worse: the verdict. budget: of harm. vanished: no endpoint left. newer: another rollout. environment: both versions fail. split: traffic is not split as recorded.',
  },
);
export type Cause = Of<typeof CauseSchema>;

const step = Type.Integer({ minimum: 0, description: 'Index of the step.' });
const standing = Type.Optional(VerdictSchema.properties.decision);
const since = Type.Integer({ description: 'Milliseconds since 1970.' });
const late = Type.Optional(Type.Literal(true, { description: 'Its time is over; people have been told.' }));

/** At a door: it opens when every gate has passed. `step`: to be entered (before), or to be left (after). */
const AtStartSchema = Type.Object(
  { at: Type.Literal('waiting'), door: Type.Literal('start'), passed: Type.Array(Type.String()), since },
  CLOSED,
);
const AtStepSchema = Type.Object(
  {
    at: Type.Literal('waiting'),
    door: Type.Enum(['before', 'after']),
    step,
    passed: Type.Array(Type.String()),
    since,
  },
  CLOSED,
);
const AtPromotionSchema = Type.Object(
  { at: Type.Literal('waiting'), door: Type.Literal('promotion'), passed: Type.Array(Type.String()), since },
  CLOSED,
);
const AtBakeEndSchema = Type.Object(
  { at: Type.Literal('waiting'), door: Type.Literal('bake'), passed: Type.Array(Type.String()), since },
  CLOSED,
);
const SteppingSchema = Type.Object(
  {
    at: Type.Literal('stepping'),
    step,
    since,
    standing,
    late,
  },
  CLOSED,
);
const BakingSchema = Type.Object(
  {
    at: Type.Literal('baking'),
    since,
    looked: Type.Optional(
      Type.Integer({
        description: 'When time was last written down, ms since 1970: a restart goes on from there.',
      }),
    ),
    standing,
    late,
  },
  CLOSED,
);

const RunningSchema = Type.Union([
  AtStartSchema,
  AtStepSchema,
  SteppingSchema,
  AtPromotionSchema,
  BakingSchema,
  AtBakeEndSchema,
]);
/** A phase in which the rollout goes on by itself. */
export type Running = Of<typeof RunningSchema>;

const PausedSchema = Type.Object(
  {
    at: Type.Literal('paused'),
    cause: CauseSchema,
    by: Type.Optional(Type.String({ description: 'Who; left out when Spillway did it.' })),
    says: Type.String(),
    since,
    kept: RunningSchema,
    putBack: Type.Optional(
      Percent("Going on puts the candidate's part back to this and begins with new evidence."),
    ),
  },
  CLOSED,
);
const PromotedSchema = Type.Object({ at: Type.Literal('promoted'), since, says: Type.String() }, CLOSED);
const RolledBackSchema = Type.Object(
  {
    at: Type.Literal('rolledBack'),
    since,
    cause: CauseSchema,
    says: Type.String(),
    quarantined: Type.Boolean({ description: 'Whether the build is refused from now on.' }),
  },
  CLOSED,
);
export const PhaseSchema = Type.Union([
  ...RunningSchema.anyOf,
  PausedSchema,
  PromotedSchema,
  RolledBackSchema,
]);
export type Phase = Of<typeof PhaseSchema>;
export type Paused = Of<typeof PausedSchema>;
