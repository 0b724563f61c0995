import { Type } from 'typebox';
import { type Of, ServiceName, VersionName } from './document.ts';
import { DnsPolicySchema, EjectionPolicySchema, HealthPolicySchema } from './health.ts';
import { EndpointLimitsSchema, VersionLimitsSchema } from './limits.ts';
import { RatesSchema } from './rates.ts';
import { RescueSchema, RetriesSchema } from './retry.ts';
import { RolloutSchema } from './rollout.ts';
import { StreamsSchema } from './streams.ts';
import { EndpointProxyProtocolSchema, EndpointTlsSchema } from './tls.ts';
import { TrialSchema } from './trial.ts';

/**
 * The truth: which services there are, which versions they have, and how traffic is split over them. One
 * document with a revision, changed only by compare-and-set in a store. What is compiled from it for
 * requests is a table; what one machine is told besides (addresses, limits, logs) is settings.
 *
 * These schemas are the only definition of the nouns: config files, admin bodies and OpenAPI read them, and
 * the TypeScript types are derived from them.
 */

export { type Document, isName, type Of, ServiceName, VersionName } from './document.ts';
export { type Trial, TrialSchema } from './trial.ts';

export const MatchSchema = Type.Object(
  {
    host: Type.Optional(
      Type.String({
        minLength: 1,
        description:
          'A host name without port, or *.example.com for every name below it. Left out: any host.',
      }),
    ),
    path: Type.Optional(
      Type.String({
        pattern: '^/',
        default: '/',
        description:
          'A path prefix; it matches on whole segments, so /api matches /api and /api/x, not /apix.',
      }),
    ),
  },
  {
    additionalProperties: false,
    description: 'What leads to a service. The most exact host wins, then the longest path.',
  },
);
export type Match = Of<typeof MatchSchema>;

export const KeyPolicySchema = Type.Object(
  {
    header: Type.Optional(
      Type.String({
        pattern: "^[A-Za-z0-9!#$%&'*+.^`|~-]+$",
        description: 'Request header that holds the key.',
      }),
    ),
    cookie: Type.Optional(
      Type.String({
        pattern: "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$",
        description: 'Request cookie that holds the key.',
      }),
    ),
    mint: Type.Optional(
      Type.Boolean({
        description: 'Give a client without a key a random one, in the cookie spillway_key. Default true.',
      }),
    ),
    address: Type.Optional(
      Type.Boolean({ description: 'Use the client address as key when there is no other. Default false.' }),
    ),
  },
  {
    additionalProperties: false,
    description:
      'Where the key comes from: header, then cookie, then the minted cookie, then the client address.',
  },
);
export type KeyPolicy = Of<typeof KeyPolicySchema>;

const OverridePolicySchema = Type.Object(
  {
    secret: Type.Optional(
      Type.String({
        pattern: '^(env:[A-Za-z_][A-Za-z0-9_]*$|[^]{16})',
        description:
          'Key of the HMAC-SHA-256 that signs an x-spillway-version request header, 16 characters or more. env:NAME reads it from the environment.',
      }),
    ),
    addresses: Type.Optional(
      Type.Array(Type.String(), {
        description: 'Addresses or CIDR ranges whose x-spillway-version is believed without a signature.',
      }),
    ),
  },
  {
    additionalProperties: false,
    description: 'Who may choose a version with the x-spillway-version request header. Nobody, if left out.',
  },
);
export type OverridePolicy = Of<typeof OverridePolicySchema>;

/** A database schema, as `12`, `12.3` or `12.3.1`. */
const SCHEMA_VERSION = '^[0-9]{1,9}([.][0-9]{1,9}){0,2}$';
export const SchemaVersionSchema = Type.String({
  pattern: SCHEMA_VERSION,
  description: 'The database schema, as 12 or 12.3.1.',
});

/** `>=12`, `<15.2` or, for just that one, `12.3.1`. */
const COMPARISON = '(>=|<=|>|<|=)?[0-9]{1,9}([.][0-9]{1,9}){0,2}';

const Fallback = Type.String({
  ...VersionName,
  description:
    'Version that answers in place of one of which no endpoint can be used; each such request counts as a failure of the latter. Default: none, and the answer is 503.',
});

const ProtocolSchema = Type.Union([Type.Literal('http1'), Type.Literal('h2c'), Type.Literal('h2')], {
  description:
    'What endpoints are spoken to in: http1 is HTTP/1.1; h2c is HTTP/2 in plain, h2 the same over TLS, as gRPC wants it. Default http1. A version may differ from its service.',
});

export const VersionSchema = Type.Object(
  {
    endpoints: Type.Array(Type.String({ minLength: 1 }), {
      description: 'Addresses that serve this version: host:port, [ipv6]:port or unix:/path.',
    }),
    tls: Type.Optional(
      Type.Union([EndpointTlsSchema, Type.Literal(false)], {
        description: 'In place of what the service says of TLS; false: none.',
      }),
    ),
    proxyProtocol: Type.Optional(
      Type.Union([EndpointProxyProtocolSchema, Type.Literal(false)], {
        description: 'In place of what the service says of the PROXY protocol; false: none.',
      }),
    ),
    fallback: Type.Optional(Fallback),
    limits: Type.Optional(VersionLimitsSchema),
    protocol: Type.Optional(ProtocolSchema),
    owner: Type.Optional(
      Type.Union([Type.Literal('file'), Type.Literal('api')], {
        description:
          'Who defined the version: the config file, or the admin API. A reload touches only those of the file.',
      }),
    ),
    requires: Type.Optional(
      Type.Object(
        {
          schema: Type.String({
            pattern: `^${COMPARISON}( +${COMPARISON})*$`,
            description: 'Range of database schemas it can live with: ">=12" or ">=12 <15".',
          }),
        },
        { additionalProperties: false, description: 'What a version cannot do without.' },
      ),
    ),
  },
  { additionalProperties: false },
);
export type Version = Of<typeof VersionSchema>;

export const WeightsSchema = Type.Record(VersionName, Type.Number({ minimum: 0, maximum: 100 }), {
  additionalProperties: false,
  description: 'Percentage of the traffic by version; must add up to 100. A version left out holds 0.',
});

export const SplitSchema = Type.Object(
  {
    weights: WeightsSchema,
    salt: Type.String({
      description:
        'Mixed into the hash of keys; changes when one version holds all traffic, so nobody moves.',
    }),
    hashVersion: Type.Literal(1, { description: '1: weighted rendezvous over murmur3 32 bit.' }),
    cause: Type.Union([Type.Literal('seed'), Type.Literal('weights'), Type.Literal('rollback')], {
      description: 'What made this split.',
    }),
    since: Type.String({ format: 'date-time', description: 'When it was made.' }),
  },
  { additionalProperties: false, description: 'Weights over the versions of a service.' },
);
export type Split = Of<typeof SplitSchema>;

export const ServiceTimeoutsSchema = Type.Object(
  {
    connect: Type.Optional(
      Type.Integer({ minimum: 1, description: 'Milliseconds to connect to an endpoint. Default 3000.' }),
    ),
    head: Type.Optional(
      Type.Integer({
        minimum: 1,
        description: 'Milliseconds from the request being sent to the head of the response. Default 60000.',
      }),
    ),
    body: Type.Optional(
      Type.Integer({
        minimum: 1,
        description: 'Milliseconds of silence allowed inside a response body. Default 60000.',
      }),
    ),
    keepAlive: Type.Optional(
      Type.Integer({
        minimum: 1,
        description:
          'Milliseconds an idle connection to an endpoint is kept; a shorter Keep-Alive hint of the endpoint wins. Default 30000.',
      }),
    ),
  },
  { additionalProperties: false },
);

const structure = {
  match: Type.Array(MatchSchema, { minItems: 1 }),
  protocol: Type.Optional(ProtocolSchema),
  key: Type.Optional(KeyPolicySchema),
  override: Type.Optional(OverridePolicySchema),
  timeouts: Type.Optional(ServiceTimeoutsSchema),
  limits: Type.Optional(EndpointLimitsSchema),
  versionLimits: Type.Optional(VersionLimitsSchema),
  rates: Type.Optional(RatesSchema),
  retries: Type.Optional(RetriesSchema),
  rescue: Type.Optional(RescueSchema),
  streams: Type.Optional(StreamsSchema),
  tls: Type.Optional(EndpointTlsSchema),
  proxyProtocol: Type.Optional(EndpointProxyProtocolSchema),
  health: Type.Optional(HealthPolicySchema),
  ejection: Type.Optional(EjectionPolicySchema),
  dns: Type.Optional(DnsPolicySchema),
  slowStart: Type.Optional(
    Type.Integer({
      minimum: 0,
      description:
        'Milliseconds over which an endpoint that is new, or back in use, works up to its full share of requests. Default 0: at once.',
    }),
  ),
  fallback: Type.Optional(Fallback),
  maxBodyBytes: Type.Optional(
    Type.Integer({
      minimum: 0,
      description: 'Largest request body. 0: no limit. Default: the listener-wide limit.',
    }),
  ),
};

/** A service as a config file writes it. */
export const ServiceConfigSchema = Type.Object(
  {
    ...structure,
    versions: Type.Record(VersionName, VersionSchema, { minProperties: 1, additionalProperties: false }),
    weights: WeightsSchema,
    schema: Type.Optional(
      Type.String({
        pattern: SCHEMA_VERSION,
        description:
          'The database schema that the service has now, as 12 or 12.3.1. Left out: the admin API is told.',
      }),
    ),
  },
  {
    additionalProperties: false,
    description: 'A service: what leads to it, and the versions it is split over.',
  },
);
export type ServiceConfig = Of<typeof ServiceConfigSchema>;

export const QuarantineSchema = Type.Object(
  {
    build: Type.String({ description: 'The build that is refused.' }),
    rollout: Type.String({ description: 'Id of the rollout that found it worse.' }),
    since: Type.String({ format: 'date-time' }),
    says: Type.String({ description: 'Why, in a sentence.' }),
  },
  {
    additionalProperties: false,
    description: 'A build that was rolled back, and is refused until released.',
  },
);
export type Quarantine = Of<typeof QuarantineSchema>;

export const SchemaStandSchema = Type.Object(
  { version: SchemaVersionSchema, owner: Type.Enum(['file', 'api']) },
  { additionalProperties: false, description: 'The database schema that holds, and who says so.' },
);

/** A service as the truth holds it. */
const ServiceSchema = Type.Object(
  {
    ...structure,
    versions: Type.Record(VersionName, VersionSchema, { additionalProperties: false }),
    split: SplitSchema,
    wholes: Type.Array(VersionName, {
      description: 'Versions that held all the traffic, oldest first: where a rollback can go.',
    }),
    schema: Type.Optional(SchemaStandSchema),
    trial: Type.Optional(TrialSchema),
    quarantine: Type.Optional(Type.Array(QuarantineSchema)),
  },
  { additionalProperties: false },
);
export type Service = Of<typeof ServiceSchema>;

export const StateSchema = Type.Object(
  {
    revision: Type.Integer({ minimum: 0 }),
    services: Type.Record(ServiceName, ServiceSchema, { additionalProperties: false }),
    rollouts: Type.Optional(
      Type.Record(Type.String(), RolloutSchema, {
        description: 'By id: those under way, and the last few that ended of each service.',
      }),
    ),
  },
  { additionalProperties: false },
);
export type State = Of<typeof StateSchema>;
