import { Type } from 'typebox';

/** What the schemas of a rollout are made of. Durations are seconds, weights percentages. */

export const CLOSED = { additionalProperties: false } as const;

export const Seconds = (description: string) => Type.Number({ minimum: 0, maximum: 31_536_000, description });
export const Percent = (description: string) => Type.Number({ minimum: 0, maximum: 100, description });
export const Count = (description: string) => Type.Integer({ minimum: 1, description });
export const Instant = Type.String({ format: 'date-time' });
