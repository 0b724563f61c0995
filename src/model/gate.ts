import { Type } from 'typebox';
import type { Of } from './document.ts';
import { CLOSED, Instant, Seconds } from './units.ts';

const Url = Type.String({ pattern: '^https?://', maxLength: 2048, description: 'An http or https URL.' });
const Secret = Type.String({
  pattern: '^(env:[A-Za-z_][A-Za-z0-9_]*$|[^]{16})',
  description: 'Key of an HMAC-SHA-256, 16 characters or more. env:NAME reads it from the environment.',
});
const HeadersSchema = Type.Record(Type.String(), Type.String());

/**
 * When a gate is asked. Those of a step, or of a strategy for each of its steps: `before` its weight goes live,
 * `during` it, again and again, `after` it, before it is left. Those of the plan: `start`, before anything;
 * `promotion`, before the candidate gets all the traffic; `bake`, before the bake may end; `finish`, once it is
 * over, whichever way, when an answer changes nothing any more; `rollback`, again and again while it runs: a pass
 * means go back; `event`, told of everything that people are notified of, never waited for.
 */
const MomentNameSchema = Type.Enum([
  'start',
  'before',
  'during',
  'after',
  'promotion',
  'bake',
  'finish',
  'rollback',
  'event',
]);

const gate = {
  name: Type.String({ minLength: 1, maxLength: 64, description: 'Unlike every other gate of the rollout.' }),
  moment: MomentNameSchema,
  onFail: Type.Optional(
    Type.Enum(['hold', 'rollback'], {
      description: 'hold: pause, until a person resumes, and ask again then. Default rollback.',
    }),
  ),
};

export const SmokeSchema = Type.Object(
  {
    ...gate,
    kind: Type.Literal('smoke'),
    requests: Type.Array(
      Type.Object(
        {
          method: Type.Optional(Type.String({ pattern: '^[A-Z]+$', description: 'Default GET.' })),
          path: Type.String({ pattern: '^/' }),
          headers: Type.Optional(HeadersSchema),
          body: Type.Optional(Type.String()),
          expect: Type.Optional(
            Type.Object(
              {
                status: Type.Optional(
                  Type.Array(Type.Integer({ minimum: 100, maximum: 599 }), {
                    minItems: 1,
                    description: 'Any of these. Default: 200 to 299.',
                  }),
                ),
                headers: Type.Optional(HeadersSchema),
                json: Type.Optional(
                  Type.Record(Type.String({ pattern: '^(/.*)?$' }), Type.Unknown(), {
                    description: 'By JSON pointer (RFC 6901): what must stand there.',
                  }),
                ),
                within: Type.Optional(
                  Type.Number({ minimum: 1, description: 'Milliseconds to the whole answer.' }),
                ),
              },
              CLOSED,
            ),
          ),
        },
        CLOSED,
      ),
      { minItems: 1, maxItems: 50 },
    ),
    repeat: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, description: 'Rounds. Default 1.' })),
    pause: Type.Optional(Seconds('Between rounds. Default 1.')),
  },
  { ...CLOSED, description: 'Requests to the candidate alone; each must be answered as expected.' },
);

export const webhook = {
  url: Url,
  secret: Type.Optional(Secret),
  headers: Type.Optional(HeadersSchema),
  timeout: Type.Optional(Seconds('For one try. Default 10.')),
  retries: Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: 100,
      description: 'Further tries when there is no answer. Default 3.',
    }),
  ),
  allowPrivate: Type.Optional(
    Type.Boolean({ description: 'Whether it may lead to a private or loopback address. Default false.' }),
  ),
};

export const WebhookSchema = Type.Object(
  {
    ...gate,
    kind: Type.Literal('webhook'),
    ...webhook,
    every: Type.Optional(
      Seconds('Between questions while the answer is no or the moment lasts. Default 10.'),
    ),
    deadline: Type.Optional(
      Seconds('An answer other than 2xx counts as "not yet" so long. Default 0: it fails at once.'),
    ),
  },
  { ...CLOSED, description: 'A signed POST; an answer of 2xx passes.' },
);

const ApprovalSchema = Type.Object(
  {
    ...gate,
    kind: Type.Literal('approval'),
    role: Type.Optional(
      Type.Enum(['operator', 'admin'], {
        description: 'Who may, at least. Default operator.',
      }),
    ),
    link: Type.Optional(
      Type.Boolean({ description: 'Notify with a signed link that approves once. Default false.' }),
    ),
  },
  { ...CLOSED, description: 'Waits for a person.' },
);

const Time = Type.String({ pattern: '^([01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$', description: 'HH:MM.' });
const WindowSchema = Type.Object(
  {
    ...gate,
    kind: Type.Literal('window'),
    days: Type.Optional(
      Type.Array(Type.Enum(['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun']), {
        minItems: 1,
        description: 'Default: every day.',
      }),
    ),
    from: Type.Optional(Time),
    to: Type.Optional(Time),
    zone: Type.Optional(Type.String({ description: 'IANA time zone, as Europe/Berlin. Default UTC.' })),
    freeze: Type.Optional(
      Type.Array(Type.Object({ from: Instant, to: Instant, why: Type.Optional(Type.String()) }, CLOSED), {
        description: 'Times at which it is shut, whatever day it is.',
      }),
    ),
  },
  { ...CLOSED, description: 'Open on some days between some hours. To before from: over midnight.' },
);
export type Window = Of<typeof WindowSchema>;

export const query = {
  url: Url,
  query: Type.String({
    minLength: 1,
    description: 'PromQL with one value. {{service}} and {{version}} are replaced.',
  }),
  headers: Type.Optional(HeadersSchema),
  atMost: Type.Optional(Type.Number({ description: 'Good at this or below.' })),
  atLeast: Type.Optional(Type.Number({ description: 'Good at this or above.' })),
  ratioAtMost: Type.Optional(
    Type.Number({
      minimum: 0,
      description: "The query is asked for both versions: the candidate's value by the baseline's.",
    }),
  ),
  allowPrivate: Type.Optional(Type.Boolean({ description: 'Default true: Prometheus is usually inside.' })),
  timeout: webhook.timeout,
};

const PrometheusSchema = Type.Object(
  {
    ...gate,
    kind: Type.Literal('prometheus'),
    ...query,
    every: Type.Optional(
      Seconds('Between questions while there is no data or the moment lasts. Default 15.'),
    ),
  },
  {
    ...CLOSED,
    description: 'A query against a threshold, or between versions. No data: unknown, asked again.',
  },
);

const SchemaGateSchema = Type.Object(
  {
    ...gate,
    kind: Type.Literal('schema'),
    schema: Type.String({
      pattern: '^[0-9]{1,9}([.][0-9]{1,9}){0,2}$',
      description: 'The database schema that will hold afterwards.',
    }),
  },
  {
    ...CLOSED,
    description:
      'Shut while a version that cannot live with this schema holds weight or can still be rolled back to.',
  },
);

export const GateSchema = Type.Union([
  SmokeSchema,
  WebhookSchema,
  ApprovalSchema,
  WindowSchema,
  PrometheusSchema,
  SchemaGateSchema,
]);
export type Gate = Of<typeof GateSchema>;
