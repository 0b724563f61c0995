import { Type } from 'typebox';
import type { Of } from './document.ts';
import { GateSchema } from './gate.ts';
import { BakeSchema, PlanSchema, StepSchema } from './plan.ts';
import { CLOSED, Percent, Seconds } from './units.ts';

const { weight: _, ...terms } = StepSchema.properties;
const stepTerms = Type.Partial(Type.Object(terms), CLOSED).properties;
const ending = {
  gates: Type.Optional(
    Type.Array(GateSchema, {
      maxItems: 20,
      description:
        'Moments before, during and after: at every step, called by its weight, as in "qa at 5 %". All others: once.',
    }),
  ),
  bake: Type.Optional(Type.Partial(BakeSchema, CLOSED)),
  decommission: PlanSchema.properties.decommission,
};

const StepRequestSchema = Type.Object(
  { weight: StepSchema.properties.weight, ...stepTerms },
  {
    ...CLOSED,
    description:
      'What is left out is as usual: at least 60 s, at most 30 min, until the judge can tell, then hold.',
  },
);
export type StepRequest = Of<typeof StepRequestSchema>;

const CanarySchema = Type.Object(
  {
    type: Type.Literal('canary'),
    steps: Type.Array(Type.Union([Percent('A step as usual at this weight.'), StepRequestSchema]), {
      minItems: 1,
      maxItems: 100,
    }),
    ...ending,
  },
  { ...CLOSED, description: 'Step by step, as listed. 100 at the end may be left out.' },
);
const LinearSchema = Type.Object(
  {
    type: Type.Literal('linear'),
    percent: Type.Number({ minimum: 0.1, maximum: 100, description: 'Added with every step.' }),
    every: Seconds('At least so long a step.'),
    ...stepTerms,
    ...ending,
  },
  { ...CLOSED, description: 'The same amount more with every step.' },
);
const ExponentialSchema = Type.Object(
  {
    type: Type.Literal('exponential'),
    start: Type.Number({ minimum: 0.01, maximum: 100, description: 'Weight of the first step.' }),
    factor: Type.Optional(
      Type.Number({
        minimum: 1.1,
        maximum: 100,
        description: 'Every step is so many times the last. Default 2.',
      }),
    ),
    every: Seconds('At least so long a step.'),
    ...stepTerms,
    ...ending,
  },
  { ...CLOSED, description: 'A multiple more with every step.' },
);
const BlueGreenSchema = Type.Object(
  { type: Type.Literal('blueGreen'), ...ending },
  {
    ...CLOSED,
    description: 'Green stands at 0 %, is tried by override and gates, then gets everything at once.',
  },
);
const OverrideSchema = Type.Object(
  { type: Type.Literal('override'), ...ending },
  {
    ...CLOSED,
    description:
      'A/B by override only: the candidate serves whom overrides name, until a person promotes or aborts.',
  },
);
const PresetSchema = Type.Object(
  { type: Type.Literal('preset'), name: Type.String({ minLength: 1 }), ...ending },
  { ...CLOSED, description: 'One of those that GET /v1/strategies lists.' },
);
export const StrategySchema = Type.Union([
  CanarySchema,
  LinearSchema,
  ExponentialSchema,
  BlueGreenSchema,
  OverrideSchema,
  PresetSchema,
]);
export type Strategy = Of<typeof StrategySchema>;
