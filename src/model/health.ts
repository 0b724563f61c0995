import { Type } from 'typebox';
import type { Of } from './document.ts';

/**
 * How it is found out which endpoints serve, and what is done without them. Durations are milliseconds,
 * shares are percentages.
 */

export const HealthPolicySchema = Type.Object(
  {
    path: Type.Optional(
      Type.String({
        pattern: '^/[!-~]*$',
        description: 'What each endpoint is asked with GET. Left out: that it can be connected to is enough.',
      }),
    ),
    grpc: Type.Optional(
      Type.Union([Type.Literal(true), Type.String({ minLength: 1, maxLength: 127, pattern: '^[!-~]+$' })], {
        description:
          'Ask grpc.health.v1.Health/Check instead: for the service of this name, or for the server as a whole (true). Sound is SERVING. Default: not.',
      }),
    ),
    status: Type.Optional(
      Type.Union(
        [
          Type.Integer({ minimum: 100, maximum: 599 }),
          Type.String({ pattern: '^[1-5][0-9]{2}(-[1-5][0-9]{2})?$' }),
        ],
        { description: 'Status, or range of them as 200-299, of a sound answer. Default 200-399.' },
      ),
    ),
    host: Type.Optional(
      Type.String({
        pattern: '^[A-Za-z0-9.:_[\\]-]+$',
        description: 'Host that is asked for. Default: the endpoint itself.',
      }),
    ),
    port: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 65535, description: "Ask at this port. Default: the endpoint's." }),
    ),
    scheme: Type.Optional(
      Type.Union([Type.Literal('http'), Type.Literal('https')], {
        description:
          'Ask by HTTP/1.1 in plain, or over TLS on the terms of the version, whatever it speaks with requests, and without a PROXY header. Default: as requests are sent.',
      }),
    ),
    interval: Type.Optional(
      Type.Integer({ minimum: 10, description: 'Milliseconds from one probe to the next. Default 1000.' }),
    ),
    timeout: Type.Optional(
      Type.Integer({ minimum: 1, description: 'Milliseconds until an answer is too late. Default 1000.' }),
    ),
    rise: Type.Optional(
      Type.Integer({
        minimum: 1,
        description: 'Probes in a row that must succeed until an endpoint is used again. Default 2.',
      }),
    ),
    fall: Type.Optional(
      Type.Integer({
        minimum: 1,
        description: 'Probes in a row that must fail until an endpoint is not used any more. Default 3.',
      }),
    ),
    jitter: Type.Optional(
      Type.Number({
        minimum: 0,
        maximum: 100,
        description: 'An interval is up to so many percent longer or shorter. Default 10.',
      }),
    ),
  },
  {
    additionalProperties: false,
    description:
      'Probes of every endpoint, for as long as it is one. Its first probe decides alone; before it, an endpoint is used. Without this key nothing is probed.',
  },
);

export const EjectionPolicySchema = Type.Object(
  {
    consecutive: Type.Optional(
      Type.Integer({
        minimum: 0,
        description:
          'Faults in a row (no connection, no answer, a broken one, 502, 503, 504), as one worker sees them, that eject an endpoint. 0: none do. Default 5.',
      }),
    ),
    margin: Type.Optional(
      Type.Number({
        minimum: 1,
        maximum: 100,
        description:
          'Its share of errors (5xx and faults) must be so many percentage points above that of the other endpoints together. Default 30; 100: never.',
      }),
    ),
    interval: Type.Optional(
      Type.Integer({
        minimum: 100,
        description: 'Milliseconds over which shares of errors are compared. Default 10000.',
      }),
    ),
    requests: Type.Optional(
      Type.Integer({
        minimum: 1,
        description:
          'Fewer requests in an interval, to it or to the others together, compare nothing. Default 50.',
      }),
    ),
    base: Type.Optional(
      Type.Integer({
        minimum: 1,
        description:
          'Milliseconds of the first ejection; each one soon after is twice as long. Default 10000.',
      }),
    ),
    longest: Type.Optional(
      Type.Integer({ minimum: 1, description: 'Milliseconds of the longest ejection. Default 300000.' }),
    ),
    maxShare: Type.Optional(
      Type.Number({
        minimum: 0,
        maximum: 100,
        description:
          "Most of a version's endpoints, in percent, that may be ejected at a time. 0: none ever is. Default 50.",
      }),
    ),
    panic: Type.Optional(
      Type.Number({
        minimum: 0,
        maximum: 100,
        description:
          "While less than this percentage of a version's endpoints is in use, ejected ones are used too. Default 50.",
      }),
    ),
  },
  {
    additionalProperties: false,
    description:
      'Endpoints that do worse than the others of their version are left alone for a time, unless nobody else is left to answer. Never the only one.',
  },
);

export const DnsPolicySchema = Type.Object(
  {
    interval: Type.Optional(
      Type.Integer({
        minimum: 100,
        description: 'Milliseconds after which a name is resolved again. Default 5000.',
      }),
    ),
    family: Type.Optional(
      Type.Union([Type.Literal('any'), Type.Literal('4'), Type.Literal('6'), Type.Literal('both')], {
        description: 'any: the IPv4 addresses, or IPv6 if there are none. Default any.',
      }),
    ),
  },
  {
    additionalProperties: false,
    description:
      'How endpoints that are names are resolved. Every address of a name is used; while a name cannot be resolved its last addresses are. localhost is left to the system.',
  },
);

export type HealthPolicy = Of<typeof HealthPolicySchema> & {
  readonly [K in 'status' | 'interval' | 'timeout' | 'rise' | 'fall' | 'jitter']-?: NonNullable<
    Of<typeof HealthPolicySchema>[K]
  >;
};
export type EjectionPolicy = Required<Of<typeof EjectionPolicySchema>>;
export type DnsPolicy = Required<Of<typeof DnsPolicySchema>>;

export const HEALTH: HealthPolicy = {
  status: '200-399',
  interval: 1000,
  timeout: 1000,
  rise: 2,
  fall: 3,
  jitter: 10,
};
export const EJECTION: EjectionPolicy = {
  consecutive: 5,
  margin: 30,
  interval: 10_000,
  requests: 50,
  base: 10_000,
  longest: 300_000,
  maxShare: 50,
  panic: 50,
};
export const DNS: DnsPolicy = { interval: 5000, family: 'any' };

/** One address that serves an endpoint: the endpoint itself, or one that its name was resolved to. */
export interface Seat {
  /** Left out: where the endpoint says. */
  readonly address?: string;
  /** Why it is not to be used, if so: ejected ones are all the same before nobody is, those that are down never. */
  readonly out: false | 'down' | 'ejected';
  /** For how many ms it has been back in use, while that is less than the version's slow start. */
  readonly back?: number;
}

/** How the endpoints of a version stand. Endpoints not named are used, where they say they are. */
export interface Standing {
  readonly service: string;
  readonly version: string;
  readonly endpoints: Readonly<Record<string, readonly Seat[]>>;
}

/** What one worker saw of an address since it last told. */
export interface Outcomes {
  readonly endpoint: string;
  readonly address?: string;
  /** Whose connections they came by; left out: those that services share. */
  readonly owner?: string;
  readonly requests: number;
  /** Of them: faults, and answers with 5xx. */
  readonly errors: number;
  /** Faults and 502, 503, 504 in a row, up to now. */
  readonly streak: number;
}

export const EndpointViewSchema = Type.Object(
  {
    endpoint: Type.String(),
    address: Type.Optional(Type.String({ description: 'What the name was resolved to.' })),
    state: Type.Union(
      [Type.Literal('unknown'), Type.Literal('up'), Type.Literal('down'), Type.Literal('ejected')],
      {
        description: 'unknown: not probed, or not yet. down: by probes. ejected: by what requests met there.',
      },
    ),
    used: Type.Boolean({ description: 'Whether requests are sent there.' }),
    says: Type.String({ description: 'Why it is in this state.' }),
    since: Type.String({ format: 'date-time' }),
  },
  { additionalProperties: false, description: 'How an endpoint stands.' },
);
export type EndpointView = Of<typeof EndpointViewSchema>;

/** An endpoint in numbers, for the metrics. */
export interface EndpointNumbers {
  readonly service: string;
  readonly version: string;
  /** Its address, where its name has several. */
  readonly endpoint: string;
  readonly healthy: boolean;
  readonly ejections: number;
  readonly probes: { readonly sound: number; readonly failed: number };
}
