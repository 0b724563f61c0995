import { Type } from 'typebox';
import type { Of } from './document.ts';
import { CLOSED } from './units.ts';

/** What the candidate has cost, epochs together. */
export const HarmSchema = Type.Object(
  {
    requests: Type.Integer({ minimum: 0 }),
    failures: Type.Integer({ minimum: 0 }),
    baselineRequests: Type.Integer({ minimum: 0 }),
    baselineFailures: Type.Integer({ minimum: 0 }),
    keys: Type.Integer({ minimum: 0, description: 'Distinct keys that met a failure of the candidate.' }),
  },
  CLOSED,
);
export type Harm = Of<typeof HarmSchema>;
