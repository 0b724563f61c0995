import { Type } from 'typebox';
import { type Of, ServiceName, VersionName } from './document.ts';
import { CauseSchema, PhaseSchema } from './phase.ts';
import { PlanSchema } from './plan.ts';
import { PolicySchema } from './policy.ts';
import { CLOSED, Instant, Percent } from './units.ts';

/**
 * The journey of a candidate against a baseline: how it should go (strategy, resolved to a plan), how it is
 * judged (policy), and how far it has come (phase). Durations are seconds, weights percentages of the traffic
 * that candidate and baseline hold together, and moments milliseconds since 1970, but for those told to
 * people, which are dates.
 */

export const TransitionSchema = Type.Object(
  {
    seq: Type.Integer({ minimum: 0, description: 'Counts up by one.' }),
    at: Instant,
    to: Type.String({ description: 'Where it came to, as "step 2/4 at 5 %".' }),
    says: Type.String({ description: 'Why, in a sentence.' }),
    by: Type.Optional(Type.String()),
  },
  CLOSED,
);
export type Transition = Of<typeof TransitionSchema>;

export const NewsSchema = Type.Enum([
  'started',
  'step',
  'paused',
  'resumed',
  'approval',
  'late',
  'noted',
  'promoting',
  'rolledBack',
  'promoted',
]);
export type News = Of<typeof NewsSchema>;

const id = Type.String({ description: 'The same for the same errand, however often it is run.' });
/**
 * What should be done in the world. An errand stands in its rollout until it is reported done, so a crash
 * between writing and doing loses none, and its id keeps a second run from being a second deed.
 */
const ErrandSchema = Type.Union([
  Type.Object(
    {
      type: Type.Literal('gate'),
      id,
      gate: Type.String({ description: 'Name of the gate to ask, until it passes or fails.' }),
    },
    CLOSED,
  ),
  Type.Object(
    { type: Type.Literal('notify'), id, news: NewsSchema, says: Type.String(), at: Instant },
    CLOSED,
  ),
  Type.Object({ type: Type.Literal('decommission'), id, version: VersionName }, CLOSED),
]);
export type Errand = Of<typeof ErrandSchema>;

export const RolloutSchema = Type.Object(
  {
    id: Type.String({ minLength: 1, maxLength: 64 }),
    service: ServiceName,
    baseline: VersionName,
    candidate: VersionName,
    build: Type.String({ description: 'Which build the candidate is; what a quarantine names.' }),
    share: Percent('What candidate and baseline hold together of all traffic.'),
    plan: PlanSchema,
    policy: PolicySchema,
    created: Type.Object({ at: Instant, by: Type.String(), reason: Type.Optional(Type.String()) }, CLOSED),
    phase: PhaseSchema,
    weight: Percent("The candidate's part of the share at present."),
    epoch: Type.Integer({ minimum: 0, description: 'Counts up with every step, and when one begins again.' }),
    seq: Type.Integer({ minimum: 0, description: 'Transitions so far.' }),
    noted: Type.Array(CauseSchema, { description: 'Told, not acted on, since the step began.' }),
    history: Type.Array(TransitionSchema, { description: 'The newest hundred, oldest first.' }),
    errands: Type.Array(ErrandSchema, { description: 'Not reported done yet.' }),
    links: Type.Optional(Type.Array(Type.String(), { description: 'Ids of approval links that were used.' })),
    stranded: Type.Optional(Type.String({ description: 'Why the way back does not work now.' })),
  },
  CLOSED,
);
export type Rollout = Of<typeof RolloutSchema>;
