import { Type } from 'typebox';
import type { Of } from './document.ts';
import { WebhookSchema } from './gate.ts';
import { NewsSchema } from './rollout.ts';

const { secret, headers, timeout, allowPrivate } = WebhookSchema.properties;

export const SubscriberSchema = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: 64, description: 'Unlike every other subscriber.' }),
    url: Type.String({
      pattern: '^(https?://|env:[A-Za-z_][A-Za-z0-9_]*$)',
      maxLength: 2048,
      description: 'An http or https URL. env:NAME reads it from the environment, if it is itself a secret.',
    }),
    as: Type.Optional(
      Type.Enum(['json', 'slack'], {
        description:
          "json: all there is to know. slack: a message for Slack's incoming webhooks. Default json.",
      }),
    ),
    news: Type.Optional(Type.Array(NewsSchema, { minItems: 1, description: 'Only these. Default: all.' })),
    secret,
    headers,
    timeout,
    allowPrivate,
  },
  { additionalProperties: false, description: 'Who is told what becomes of rollouts, by a POST.' },
);
export type Subscriber = Of<typeof SubscriberSchema>;
