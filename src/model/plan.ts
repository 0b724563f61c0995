import { Type } from 'typebox';
import type { Of } from './document.ts';
import { GateSchema, webhook } from './gate.ts';
import { CLOSED, Count, Percent, Seconds } from './units.ts';

const NeedsSchema = Type.Union(
  [
    Type.Literal('verdict'),
    Type.Literal('nothing'),
    Type.Object({ requests: Count('Requests that the candidate answered in this step.') }, CLOSED),
    Type.Object({ keys: Count('Distinct keys that the candidate served in this step.') }, CLOSED),
  ],
  {
    description:
      'The evidence it takes to leave a step. verdict: until the judge can tell. Whatever it is, a suspicious candidate does not go on.',
  },
);
export type Needs = Of<typeof NeedsSchema>;

const OnTimeoutSchema = Type.Enum(['hold', 'advance', 'rollback'], {
  description:
    'When atMost is over without the evidence. hold: stay, go on judging, tell people. advance: go on unless the candidate looks suspicious.',
});

export const StepSchema = Type.Object(
  {
    weight: Percent("The candidate's share."),
    atLeast: Seconds('No further earlier.'),
    atMost: Seconds('By then the evidence must be there.'),
    needs: NeedsSchema,
    onTimeout: OnTimeoutSchema,
    gates: Type.Array(GateSchema, { maxItems: 20, description: 'Moments before, during and after.' }),
  },
  { ...CLOSED, description: 'A weight, and what it takes to leave it.' },
);
export type Step = Of<typeof StepSchema>;

export const BakeSchema = Type.Object(
  {
    for: Seconds('How long the candidate is watched at full weight.'),
    keepWarm: Type.Number({
      minimum: 0,
      maximum: 50,
      description: 'Share that stays on the old version meanwhile, to compare with and to go back to.',
    }),
  },
  CLOSED,
);
export type Bake = Of<typeof BakeSchema>;

export const HookSchema = Type.Object(webhook, {
  ...CLOSED,
  description: 'A signed POST when the old version is no longer needed.',
});

/** A strategy worked out: what happens, step by step. Promotion follows the last step, and then the bake. */
export const PlanSchema = Type.Object(
  {
    strategy: Type.String({ description: 'Name of the preset, or kind of the strategy.' }),
    steps: Type.Array(StepSchema, { maxItems: 100, description: 'Below 100 %, rising.' }),
    gates: Type.Array(GateSchema, {
      maxItems: 20,
      description: 'Moments start, promotion, bake, finish, rollback and event.',
    }),
    bake: BakeSchema,
    decommission: Type.Optional(HookSchema),
  },
  CLOSED,
);
export type Plan = Of<typeof PlanSchema>;
