import { Type } from 'typebox';
import { type Of, ServiceName } from './document.ts';
import { HarmSchema } from './harm.ts';
import { PhaseSchema } from './phase.ts';
import { PolicySchema } from './policy.ts';
import { CLOSED, Instant } from './units.ts';
import { VerdictSchema } from './verdict.ts';

/** A decision that moved traffic, with all that is needed to make it again. */
export const DecisionRecordSchema = Type.Object(
  {
    id: Type.String(),
    rollout: Type.String(),
    service: ServiceName,
    at: Instant,
    replica: Type.Optional(
      Type.String({
        description: 'Of a fleet: which one led, and has the recording of what this was judged by.',
      }),
    ),
    epoch: Type.Integer({ minimum: 0 }),
    phase: PhaseSchema,
    verdict: Type.Optional(VerdictSchema),
    harm: Type.Optional(HarmSchema),
    digest: Type.String({
      description: 'SHA-256 of the inputs that the judge had, to hold a replay against.',
    }),
    policy: PolicySchema,
    result: Type.String({ description: 'What was done, or in a dry run would have been.' }),
  },
  CLOSED,
);
export type DecisionRecord = Of<typeof DecisionRecordSchema>;
