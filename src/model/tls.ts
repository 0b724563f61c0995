import { Type } from 'typebox';
import type { Of } from './document.ts';

/** What is spoken below HTTP: TLS and the PROXY protocol, towards clients and towards endpoints. */

const PemPath = (what: string) =>
  Type.String({
    minLength: 1,
    description: `PEM file with ${what}. A relative path starts at the config file.`,
  });

const VERIFIED = 'Certificates of the authorities that are believed';

const CertificateSchema = Type.Object(
  {
    cert: PemPath('the certificate, followed by those between it and its authority'),
    key: PemPath('its private key, without a passphrase'),
  },
  { additionalProperties: false, description: 'A certificate; it serves the names it holds.' },
);

const ClientCertificatesSchema = Type.Object(
  {
    ca: PemPath('the authorities whose client certificates are believed'),
    required: Type.Optional(
      Type.Boolean({
        description:
          'Refuse a client without a valid certificate. false: let it in, as one that showed none. Default true.',
      }),
    ),
    forward: Type.Optional(
      Type.Boolean({
        description:
          'Tell endpoints of the certificate in client-cert (RFC 9440), x-client-cert-subject and x-client-cert-sha256. Default false.',
      }),
    ),
  },
  { additionalProperties: false, description: 'Ask clients for a certificate.' },
);

const HstsSchema = Type.Object(
  {
    maxAge: Type.Integer({
      minimum: 0,
      description: 'Seconds for which browsers shall use nothing but https.',
    }),
    includeSubDomains: Type.Optional(Type.Boolean({ description: 'Default false.' })),
    preload: Type.Optional(
      Type.Boolean({ description: 'Consent to the lists built into browsers. Default false.' }),
    ),
  },
  {
    additionalProperties: false,
    description: 'Send Strict-Transport-Security with answers that have none of their own.',
  },
);

const TlsVersion = Type.Union([Type.Literal('1.2'), Type.Literal('1.3')], {
  description: 'Oldest version of TLS. Default "1.2".',
});

export const ListenerTlsSchema = Type.Object(
  {
    certificates: Type.Array(CertificateSchema, {
      minItems: 1,
      description: 'Chosen by the name the client asks for, exact before wildcard; the first for all others.',
    }),
    minVersion: Type.Optional(TlsVersion),
    ciphers: Type.Optional(
      Type.String({
        minLength: 1,
        description: 'OpenSSL cipher list for TLS 1.2. Default: AEAD with ECDHE, so with forward secrecy.',
      }),
    ),
    clientCertificates: Type.Optional(ClientCertificatesSchema),
    hsts: Type.Optional(HstsSchema),
  },
  { additionalProperties: false, description: 'Accept TLS here, and only TLS.' },
);
export type ListenerTls = Of<typeof ListenerTlsSchema>;

export const ListenerProxyProtocolSchema = Type.Object(
  {
    from: Type.Array(Type.String(), {
      minItems: 1,
      description:
        'Addresses or CIDR ranges that must begin each connection with a PROXY header, version 1 or 2, and are believed. All others are clients themselves.',
    }),
  },
  {
    additionalProperties: false,
    description: 'Take the address of the client from the PROXY protocol.',
  },
);

export const EndpointProxyProtocolSchema = Type.Union([Type.Literal('v1'), Type.Literal('v2')], {
  description:
    'Begin each connection to endpoints with a PROXY header of this version, which tells the address and port of the client and those it connected to; so requests of different clients share no connection. Default: none.',
});
export type ProxyProtocol = Of<typeof EndpointProxyProtocolSchema>;

export const EndpointTlsSchema = Type.Object(
  {
    ca: Type.Optional(PemPath(`${VERIFIED.toLowerCase()}, instead of those that Node.js brings along`)),
    serverName: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 253,
        description: 'Name to ask for and to find in the certificate. Default: the host of the endpoint.',
      }),
    ),
    verify: Type.Optional(
      Type.Boolean({
        description:
          'false: any certificate will do, so anybody in between can be the endpoint. Default true.',
      }),
    ),
    cert: Type.Optional(PemPath('the certificate to show to endpoints')),
    key: Type.Optional(PemPath('the private key of that certificate')),
  },
  { additionalProperties: false, description: 'Speak TLS, 1.2 or newer, to endpoints.' },
);
export type EndpointTls = Of<typeof EndpointTlsSchema>;

/** A certificate and its private key, as PEM text. */
export interface KeyPair {
  readonly cert: string;
  readonly key: string;
}

/** TLS of one listener, with what its files hold. */
export interface TlsTerms {
  readonly certificates: readonly KeyPair[];
  readonly minVersion: '1.2' | '1.3';
  readonly ciphers: string;
  readonly clients:
    | { readonly ca: string; readonly required: boolean; readonly forward: boolean }
    | undefined;
  /** The line that is added to answers; empty if none is. */
  readonly hsts: string;
  /** Seals the sessions of this listener, in every worker: 48 bytes in hex. */
  readonly ticketKey: string;
}

/** What is spoken at one listener, before and around HTTP. */
export interface Speech {
  readonly tls: TlsTerms | undefined;
  /** Ranges that begin with a PROXY header; undefined if nobody does. */
  readonly proxyFrom: readonly string[] | undefined;
  /** The port of https that every request is sent to; undefined if they are served. */
  readonly httpsRedirect: number | undefined;
  /** Whether HTTP/2 is spoken with those who want to. */
  readonly http2: boolean;
}

/** By the address really bound. */
export type Speeches = Readonly<Record<string, Speech>>;

/** Plain HTTP from clients themselves. */
export const PLAIN: Speech = {
  tls: undefined,
  proxyFrom: undefined,
  httpsRedirect: undefined,
  http2: true,
};
