import { Type } from 'typebox';
import type { Of } from './document.ts';

/** How fast clients have to be at least, so that none can hold a request for ever by moving a byte now and then. */
export const RatesSchema = Type.Object(
  {
    request: Type.Optional(
      Type.Integer({
        minimum: 0,
        description:
          'Bytes a second that a request body comes at while it is waited for, or it ends in 408. One may fall behind by timeouts.body. Not asked of gRPC. 0: any byte is enough. Default 240.',
      }),
    ),
    response: Type.Optional(
      Type.Integer({
        minimum: 0,
        description:
          'Bytes a second that a client takes while more of its answer waits than limits.bufferBytes, or it is cut off. One may fall behind by timeouts.write. 0: any byte is enough. Default 240.',
      }),
    ),
  },
  {
    additionalProperties: false,
    description: 'How fast clients have to be at least. What a service says goes before.',
  },
);
export type Rates = Required<Of<typeof RatesSchema>>;
