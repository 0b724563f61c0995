import { Type } from 'typebox';
import type { Of } from './document.ts';

/** What one worker bears before it leaves new connections to others, or turns them away. */
export const OverloadSchema = Type.Object(
  {
    loopDelay: Type.Optional(
      Type.Integer({
        minimum: 10,
        description:
          'Milliseconds that whatever happens may wait for its turn, three looks in a row. Default 1000.',
      }),
    ),
    memory: Type.Optional(
      Type.Integer({
        minimum: 16,
        description:
          'Resident megabytes. Default 90 % of its part of what the machine or the control group has, at least 256.',
      }),
    ),
    descriptors: Type.Optional(
      Type.Integer({
        minimum: 128,
        description:
          'Descriptors that it may have open, 96 of them for other things than connections; for each connection of a client one to an endpoint is reserved. Default what the system allows (RLIMIT_NOFILE).',
      }),
    ),
  },
  {
    additionalProperties: false,
    description: 'What one worker bears before it leaves new connections to others, or turns them away.',
  },
);
/** Infinity: whatever comes. */
export type OverloadSettings = Required<Of<typeof OverloadSchema>>;

export const RESOURCES = ['loop', 'memory', 'descriptors'] as const;
export type Resource = (typeof RESOURCES)[number];

/** How much of what a worker bears it has to bear: from 1 on it is too much. */
export type Pressure = Readonly<Record<Resource, number>>;
