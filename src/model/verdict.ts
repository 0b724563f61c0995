import { Type } from 'typebox';
import type { Of } from './document.ts';

/** What the evidence means, said in words and numbers. Rollouts act on `decision`; people read the rest. */

const RangeSchema = Type.Object(
  {
    value: Type.Optional(Type.Number({ description: 'The best guess; left out: none yet, or unbounded.' })),
    low: Type.Number(),
    high: Type.Optional(Type.Number({ description: 'Left out: unbounded.' })),
  },
  { additionalProperties: false, description: 'A number with the 95 % interval that holds at every look.' },
);

export type Range = Of<typeof RangeSchema>;

const ArmSchema = Type.Object(
  {
    trials: Type.Number({ description: 'Requests in this step; sticky: keys.' }),
    bad: Type.Number({ description: 'Those that failed.' }),
    rate: RangeSchema,
    p50: Type.Optional(RangeSchema),
    p95: Type.Optional(RangeSchema),
    p99: Type.Optional(RangeSchema),
  },
  { additionalProperties: false, description: 'One version in this step; latencies in milliseconds.' },
);
export type Arm = Of<typeof ArmSchema>;

const TestResultSchema = Type.Object(
  {
    name: Type.String({
      description: 'A metric, promotion:errors, promotion:latency, or srm: sample ratio mismatch.',
    }),
    standing: Type.Union(
      [
        Type.Literal('off'),
        Type.Literal('nodata'),
        Type.Literal('quiet'),
        Type.Literal('suspicious'),
        Type.Literal('decided'),
      ],
      {
        description:
          'off: has no baseline. nodata: its series is missing. suspicious: near enough to hold. decided: over its threshold.',
      },
    ),
    evidence: Type.Number({ description: 'ln of the evidence; 0 at the start, may be below.' }),
    threshold: Type.Number({ description: 'ln of the evidence that decides.' }),
    events: Type.Optional(Type.Number({ description: "The canary's own units it has bet on." })),
    ratio: Type.Optional(
      Type.Number({ description: 'Label metrics: the ratio that its winning bets were on.' }),
    ),
    says: Type.String(),
  },
  { additionalProperties: false },
);
export type TestResult = Of<typeof TestResultSchema>;

export const VerdictSchema = Type.Object(
  {
    word: Type.Union([Type.Literal('healthy'), Type.Literal('worse'), Type.Literal('unknown')]),
    decision: Type.Union(
      [
        Type.Literal('continue'),
        Type.Literal('promote'),
        Type.Literal('rollback'),
        Type.Literal('hold'),
        Type.Literal('inconclusive'),
        Type.Literal('invalid'),
      ],
      { description: 'What should happen to the traffic.' },
    ),
    reason: Type.String({ description: 'The metric or guard that decided, or nothing while undecided.' }),
    step: Type.Integer({ minimum: 0, description: 'Index of the step judged.' }),
    elapsed: Type.Number({ description: 'Seconds into the step.' }),
    says: Type.String({ description: 'One sentence for people.' }),
    because: Type.Array(Type.String(), { description: 'The numbers behind it, a sentence each.' }),
    canary: ArmSchema,
    stable: ArmSchema,
    ratio: RangeSchema,
    tests: Type.Array(TestResultSchema),
    missing: Type.Optional(
      Type.Array(Type.String(), {
        description: 'Workers that have told nothing lately: what they see is not in it. Left out: none.',
      }),
    ),
    secondsToGo: Type.Optional(
      Type.Number({ description: 'About so long to a promotion at this traffic if the versions are equal.' }),
    ),
  },
  { additionalProperties: false },
);
export type Verdict = Of<typeof VerdictSchema>;
export type Decision = Verdict['decision'];
