import { Type } from 'typebox';
import { type Of, VersionName } from './document.ts';

/**
 * What a service does for a request whose attempt failed before any of an answer has gone out: another attempt
 * at the same version (retries), or one at the stable version (rescue).
 */

const BudgetSchema = (share: number) =>
  Type.Object(
    {
      share: Type.Optional(
        Type.Number({
          minimum: 0,
          maximum: 1,
          description: `As a share of the service's requests of the last ten seconds. Default ${share}.`,
        }),
      ),
      minPerSecond: Type.Optional(
        Type.Number({
          minimum: 0,
          description: 'So many a second besides, so that quiet services have some too. Default 10.',
        }),
      ),
    },
    {
      additionalProperties: false,
      description: 'How many there may be, by worker, so that an outage is not doubled.',
    },
  );

const bodyBytes = Type.Optional(
  Type.Integer({
    minimum: 0,
    description:
      'A request body is kept for another attempt up to so many bytes; a request with a longer one has one attempt. Default 65536.',
  }),
);

const ON = [
  Type.Literal('reset', { description: 'The connection closed, or the answer was not HTTP.' }),
  Type.Literal('timeout', { description: 'No answer began in time.' }),
  Type.Literal(502),
  Type.Literal(503),
  Type.Literal(504),
  Type.Literal('5xx', { description: 'Any answer from 500 on.' }),
] as const;

export const RetriesSchema = Type.Object(
  {
    attempts: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 10,
        description: 'Further attempts for one request at most. Default 2.',
      }),
    ),
    on: Type.Optional(
      Type.Array(Type.Union([...ON]), {
        description:
          'After what. Default reset and timeout. An endpoint that cannot be connected to is always passed over for another.',
      }),
    ),
    budget: Type.Optional(BudgetSchema(0.2)),
    bodyBytes,
  },
  {
    additionalProperties: false,
    description:
      'Attempts at another endpoint of the same version, for requests that are safe to repeat: idempotent methods, or an Idempotency-Key. None, if left out.',
  },
);
export type Retries = Of<typeof RetriesSchema>;

export const RescueSchema = Type.Object(
  {
    to: Type.Optional(
      Type.String({
        ...VersionName,
        description:
          'The version that is asked instead. Default: the baseline of the rollout under way, else the version that last held all traffic.',
      }),
    ),
    on: Type.Optional(
      Type.Array(
        Type.Union([
          Type.Literal('connect', {
            description: 'No endpoint could be connected to; costs nothing of the budget.',
          }),
          ...ON,
        ]),
        {
          description: 'After what. Default connect, reset, timeout, 502, 503 and 504.',
        },
      ),
    ),
    budget: Type.Optional(BudgetSchema(0.5)),
    bodyBytes,
  },
  {
    additionalProperties: false,
    description:
      'What another version fails at is asked of the stable one, if it is safe to repeat or was not sent yet. None, if left out.',
  },
);
export type Rescue = Of<typeof RescueSchema>;
