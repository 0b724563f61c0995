import { Type } from 'typebox';

export const StreamsSchema = Type.Object(
  {
    evictOver: Type.Optional(
      Type.Integer({
        minimum: 0,
        description:
          'Milliseconds over which the streams of a version are closed, one after the other, once it was rolled back or has been left for too long. Default 10000.',
      }),
    ),
    drainFor: Type.Optional(
      Type.Integer({
        minimum: 0,
        description:
          'Milliseconds that the streams of a version may go on when its weight was set to 0. Default 3600000.',
      }),
    ),
  },
  {
    additionalProperties: false,
    description:
      'What becomes of long-lived streams (WebSockets and other upgrades, event streams, answers longer than ten seconds) when a version loses its weight.',
  },
);
