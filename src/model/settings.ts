import { Type } from 'typebox';
import { type Subscriber, SubscriberSchema } from './notification.ts';
import { OverloadSchema, type OverloadSettings } from './overload.ts';
import { PolicyRequestSchema } from './policy.ts';
import { type Rates, RatesSchema } from './rates.ts';
import { type Of, ServiceConfigSchema, ServiceName } from './state.ts';
import { StrategySchema } from './strategy.ts';
import { ListenerProxyProtocolSchema, ListenerTlsSchema } from './tls.ts';

/**
 * What one machine is told by its config file besides the services: where to listen, whom to trust, how much
 * to bear. A setting is never shared between replicas and never changed through the API.
 */

export const ROLES = ['viewer', 'operator', 'admin'] as const;
/** viewer reads; operator also shifts weights and rolls back; admin also changes structure. */
export type Role = (typeof ROLES)[number];

const ListenerSchema = Type.Object(
  {
    address: Type.String({ description: 'host:port, [ipv6]:port or unix:/path to accept HTTP on.' }),
    http2: Type.Optional(
      Type.Boolean({
        description:
          'Speak HTTP/2 with clients that do: by ALPN over TLS, else with those that know beforehand (h2c). Default true.',
      }),
    ),
    tls: Type.Optional(ListenerTlsSchema),
    httpsRedirect: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 65535,
        description: 'Answer every request with a 308 to the same URL under https, at this port: mostly 443.',
      }),
    ),
    proxyProtocol: Type.Optional(ListenerProxyProtocolSchema),
  },
  { additionalProperties: false },
);
export type Listener = Of<typeof ListenerSchema>;

const TokenSchema = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: 64, description: 'Who this is; stands in the audit log.' }),
    role: Type.Union([Type.Literal('viewer'), Type.Literal('operator'), Type.Literal('admin')]),
    sha256: Type.String({
      pattern: '^[0-9a-f]{64}$',
      description: 'SHA-256 of the token, in lower-case hex; the token itself is not stored.',
    }),
  },
  { additionalProperties: false },
);
export type Token = Of<typeof TokenSchema>;

const LinksSchema = Type.Object(
  {
    url: Type.String({
      pattern: '^https?://',
      maxLength: 1024,
      description: 'Where people reach the admin API, as https://spillway.example.com.',
    }),
    secret: Type.String({
      pattern: '^(env:[A-Za-z_][A-Za-z0-9_]*$|[^]{16})',
      description:
        'Key of the HMAC-SHA-256 that signs links, 16 characters or more. env:NAME reads it from the environment.',
    }),
    for: Type.Optional(
      Type.Integer({ minimum: 60, description: 'Seconds that a link can be used. Default 86400.' }),
    ),
  },
  {
    additionalProperties: false,
    description: 'Links that approve once, for notifications of approvals that ask for one.',
  },
);
export type LinkSettings = Required<Of<typeof LinksSchema>>;

const AdminSchema = Type.Object(
  {
    address: Type.Optional(
      Type.String({ description: 'Where the admin API listens. Default 127.0.0.1:8081.' }),
    ),
    tokens: Type.Optional(
      Type.Array(TokenSchema, {
        description:
          'Bearer tokens. Without any, only loopback addresses may listen, and whoever connects is admin.',
      }),
    ),
    requestsPerMinute: Type.Optional(
      Type.Integer({
        minimum: 1,
        description: 'Requests a minute and client address. Default 600. Rollbacks are never counted.',
      }),
    ),
    links: Type.Optional(LinksSchema),
  },
  { additionalProperties: false },
);

/** Milliseconds. */
const TimeoutsSchema = Type.Object(
  {
    handshake: Type.Optional(
      Type.Integer({
        minimum: 1,
        description: 'For a PROXY header and the TLS handshake, from connecting, ms. Default 10000.',
      }),
    ),
    head: Type.Optional(
      Type.Integer({
        minimum: 1,
        description:
          'For a request head to arrive, from its first byte (or from connecting), ms. Default 10000.',
      }),
    ),
    body: Type.Optional(
      Type.Integer({ minimum: 1, description: 'Silence allowed inside a request body, ms. Default 30000.' }),
    ),
    keepAlive: Type.Optional(
      Type.Integer({
        minimum: 1,
        description: 'An idle client connection is kept this long, ms. Default 75000.',
      }),
    ),
    write: Type.Optional(
      Type.Integer({
        minimum: 1,
        description: 'A client that takes none of its answer for this long is cut off, ms. Default 60000.',
      }),
    ),
    linger: Type.Optional(
      Type.Integer({
        minimum: 0,
        description:
          'After an early answer the rest of the request is read and thrown away this long, ms. Default 2000.',
      }),
    ),
    tunnel: Type.Optional(
      Type.Integer({
        minimum: 1,
        description: 'Silence allowed in a tunnel, such as a WebSocket, both ways, ms. Default 3600000.',
      }),
    ),
    notice: Type.Optional(
      Type.Integer({
        minimum: 0,
        description:
          'On shutdown, connections are still accepted for this long after GET /ready has turned to 503, so that balancers can take note, ms. Default 0.',
      }),
    ),
    drain: Type.Optional(
      Type.Integer({
        minimum: 0,
        description: 'On shutdown, what is in flight may finish for this long, ms. Default 30000.',
      }),
    ),
  },
  { additionalProperties: false },
);

const LimitsSchema = Type.Object(
  {
    targetBytes: Type.Optional(
      Type.Integer({ minimum: 64, maximum: 60000, description: 'Longest request target. Default 16384.' }),
    ),
    headBytes: Type.Optional(
      Type.Integer({
        minimum: 256,
        maximum: 60000,
        description: 'Longest request or response head. Default 32768.',
      }),
    ),
    headers: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 1000,
        description: 'Most header fields in a head or trailer. Default 100.',
      }),
    ),
    bodyBytes: Type.Optional(
      Type.Integer({ minimum: 0, description: 'Largest request body; 0 is no limit. Default 0.' }),
    ),
    requestsPerConnection: Type.Optional(
      Type.Integer({
        minimum: 1,
        description: 'After this many requests a client connection is closed. Default 100000.',
      }),
    ),
    connections: Type.Optional(
      Type.Integer({ minimum: 1, description: 'Client connections per worker. Default 50000.' }),
    ),
    connectionsPerAddress: Type.Optional(
      Type.Integer({ minimum: 1, description: 'Client connections per worker and address. Default 10000.' }),
    ),
    handshakes: Type.Optional(
      Type.Integer({
        minimum: 1,
        description:
          'Connections per worker that are in a handshake; of more the oldest is closed. Default 1000.',
      }),
    ),
    streams: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 1000,
        description: 'Requests that may be under way on one HTTP/2 connection of a client. Default 100.',
      }),
    ),
    bufferBytes: Type.Optional(
      Type.Integer({
        minimum: 65536,
        description:
          'What may wait to be written to one socket before its other side is no longer read. Default 131072.',
      }),
    ),
  },
  { additionalProperties: false },
);

const AccessLogSchema = Type.Object(
  {
    path: Type.String({
      minLength: 1,
      description: 'File to append to, or - for standard output. A relative path starts at the config file.',
    }),
    sample: Type.Optional(
      Type.Number({
        exclusiveMinimum: 0,
        maximum: 1,
        description: 'Share of the requests to log. Default 1. Faults are always logged.',
      }),
    ),
    client: Type.Optional(
      Type.Boolean({
        description:
          "Tell the client's address as well, which may be personal data, and is the raw key where clients are told apart by it. Default false.",
      }),
    ),
  },
  { additionalProperties: false },
);

const CREDENTIAL = ' env:NAME reads it from the environment.';
const PEM =
  ' A PEM file; a relative path starts at the config file. env:NAME reads the PEM itself from the environment.';

const FleetSchema = Type.Object(
  {
    name: Type.Optional(
      Type.String({
        pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$',
        description:
          'Replicas with the same name in the same Redis share truth and evidence. Default spillway.',
      }),
    ),
    replica: Type.Optional(
      Type.String({
        pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$',
        description: 'What this replica is called. Default: the name of the host.',
      }),
    ),
    lease: Type.Optional(
      Type.Integer({
        minimum: 300,
        maximum: 60000,
        description:
          'Milliseconds after which another replica leads when nothing is heard of the one that did. Default 3000.',
      }),
    ),
    startTimeout: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 3600000,
        description:
          'Milliseconds for which a replica that starts with nothing in its mirror waits for Redis before it gives up. Default 60000.',
      }),
    ),
    mirror: Type.Optional(
      Type.String({
        minLength: 1,
        description:
          'Directory in which the newest truth is kept, to start with while Redis is away. A relative one starts at the config file. Default ./data.',
      }),
    ),
    username: Type.Optional(Type.String({ minLength: 1, description: `ACL user of Redis.${CREDENTIAL}` })),
    password: Type.Optional(Type.String({ minLength: 1, description: `Its password.${CREDENTIAL}` })),
    sentinelPassword: Type.Optional(
      Type.String({ minLength: 1, description: `Password of the sentinels, if they have one.${CREDENTIAL}` }),
    ),
    ca: Type.Optional(
      Type.String({ minLength: 1, description: `Authority that a rediss:// server is verified with.${PEM}` }),
    ),
    cert: Type.Optional(Type.String({ minLength: 1, description: `Certificate shown to Redis.${PEM}` })),
    key: Type.Optional(Type.String({ minLength: 1, description: `Its key.${PEM}` })),
  },
  {
    additionalProperties: false,
    description: 'Several replicas that share a Redis: only with a store of redis:// or the like.',
  },
);
export type FleetSettings = Of<typeof FleetSchema>;

const LogSchema = Type.Object(
  {
    level: Type.Optional(
      Type.Union([Type.Literal('debug'), Type.Literal('info'), Type.Literal('warn'), Type.Literal('error')], {
        description: 'Default info.',
      }),
    ),
  },
  { additionalProperties: false },
);

export const ConfigSchema = Type.Object(
  {
    $schema: Type.Optional(Type.String({ description: 'For editors.' })),
    listen: Type.Array(ListenerSchema, {
      minItems: 1,
      description: 'Where client connections are accepted.',
    }),
    admin: Type.Optional(AdminSchema),
    store: Type.Optional(
      Type.String({
        pattern: '^(memory:$|file:.+|rediss?([+](sentinel|cluster))?://.+)',
        description:
          'Where the truth is kept: memory:, file:DIRECTORY, or redis://HOST:PORT/DB for several replicas; rediss:// with TLS, redis+sentinel://HOST:PORT,…/GROUP, redis+cluster://HOST:PORT,…. Default file:./data. A relative directory starts at the config file.',
      }),
    ),
    fleet: Type.Optional(FleetSchema),
    workers: Type.Optional(
      Type.Union([Type.Literal('auto'), Type.Integer({ minimum: 0, maximum: 256 })], {
        description:
          'Processes that serve traffic; auto is one per core; 0 serves inside the primary. Default auto.',
      }),
    ),
    trustedProxies: Type.Optional(
      Type.Array(Type.String(), {
        description:
          'Addresses or CIDR ranges whose X-Forwarded-* and X-Request-Id are believed. None by default.',
      }),
    ),
    timeouts: Type.Optional(TimeoutsSchema),
    limits: Type.Optional(LimitsSchema),
    rates: Type.Optional(RatesSchema),
    overload: Type.Optional(OverloadSchema),
    exposeVersion: Type.Optional(
      Type.Boolean({ description: 'Tell clients the version in x-spillway-version. Default true.' }),
    ),
    underscoreHeaders: Type.Optional(
      Type.Union([Type.Literal('drop'), Type.Literal('pass')], {
        description: 'Header names with an underscore, which some servers take for a dash. Default drop.',
      }),
    ),
    accessLog: Type.Optional(AccessLogSchema),
    log: Type.Optional(LogSchema),
    notify: Type.Optional(
      Type.Array(SubscriberSchema, { description: 'Who is told what becomes of every rollout.' }),
    ),
    strategies: Type.Optional(
      Type.Record(ServiceName, StrategySchema, {
        additionalProperties: false,
        description: 'Strategies by name, besides the presets; rollouts are started by it.',
      }),
    ),
    policies: Type.Optional(
      Type.Record(ServiceName, PolicyRequestSchema, {
        additionalProperties: false,
        description: 'Policies by name, besides those there are; rollouts are judged by them.',
      }),
    ),
    services: Type.Record(ServiceName, ServiceConfigSchema, {
      additionalProperties: false,
      description: 'The services by name.',
    }),
  },
  { additionalProperties: false, description: 'Configuration of one Spillway.' },
);
export type Config = Of<typeof ConfigSchema>;

/** Settings with every default filled in. */
export interface Settings {
  readonly listen: readonly Listener[];
  readonly admin: {
    readonly address: string;
    readonly tokens: readonly Token[];
    readonly requestsPerMinute: number;
    readonly links?: LinkSettings;
  };
  readonly store: string;
  readonly fleet: FleetSettings;
  readonly workers: number;
  readonly logLevel: string;
  readonly notify: readonly Subscriber[];
  readonly proxy: ProxySettings;
}

/** The part of the settings that the data plane is told. */
export interface ProxySettings {
  readonly trustedProxies: readonly string[];
  readonly timeouts: Required<Of<typeof TimeoutsSchema>>;
  readonly limits: Required<Of<typeof LimitsSchema>>;
  readonly rates: Rates;
  readonly overload: OverloadSettings;
  readonly exposeVersion: boolean;
  readonly underscoreHeaders: 'drop' | 'pass';
  readonly accessLog: Required<Of<typeof AccessLogSchema>> | undefined;
}

const TIMEOUTS: ProxySettings['timeouts'] = {
  handshake: 10_000,
  head: 10_000,
  body: 30_000,
  keepAlive: 75_000,
  write: 60_000,
  linger: 2_000,
  tunnel: 3_600_000,
  notice: 0,
  drain: 30_000,
};
const LIMITS: ProxySettings['limits'] = {
  targetBytes: 16_384,
  headBytes: 32_768,
  headers: 100,
  bodyBytes: 0,
  requestsPerConnection: 100_000,
  connections: 50_000,
  connectionsPerAddress: 10_000,
  handshakes: 1000,
  streams: 100,
  bufferBytes: 131_072,
};
const RATES: Rates = { request: 240, response: 240 };

const OVERLOAD: OverloadSettings = {
  loopDelay: 1000,
  memory: Number.POSITIVE_INFINITY,
  descriptors: Number.POSITIVE_INFINITY,
};

/** Fills in every default, as far as they do not depend on the machine. `cores` is what `workers: auto` stands for. */
export function settingsOf(config: Omit<Config, 'services'>, cores: number): Settings {
  return {
    listen: config.listen,
    admin: {
      address: config.admin?.address ?? '127.0.0.1:8081',
      tokens: config.admin?.tokens ?? [],
      requestsPerMinute: config.admin?.requestsPerMinute ?? 600,
      ...(config.admin?.links && { links: { for: 86_400, ...config.admin.links } }),
    },
    store: config.store ?? 'file:./data',
    fleet: config.fleet ?? {},
    workers: config.workers === undefined || config.workers === 'auto' ? cores : config.workers,
    logLevel: config.log?.level ?? 'info',
    notify: config.notify ?? [],
    proxy: {
      trustedProxies: config.trustedProxies ?? [],
      timeouts: { ...TIMEOUTS, ...config.timeouts },
      limits: { ...LIMITS, ...config.limits },
      rates: { ...RATES, ...config.rates },
      overload: { ...OVERLOAD, ...config.overload },
      exposeVersion: config.exposeVersion ?? true,
      underscoreHeaders: config.underscoreHeaders ?? 'drop',
      accessLog: config.accessLog && { sample: 1, client: false, ...config.accessLog },
    },
  };
}
