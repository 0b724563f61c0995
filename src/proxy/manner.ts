import type { Speech } from '../model/tls.ts';

/** What all connections of one listener have in common, as requests see it. */
export interface Manner {
  readonly scheme: 'http' | 'https';
  /** The line that is added to answers which have none of their own; empty if none is. */
  readonly hsts: string;
  /** The port of https that every request is sent to; undefined if they are served. */
  readonly httpsRedirect: number | undefined;
  readonly http2: boolean;
  /** Endpoints are told of client certificates by us, and so by nobody else. */
  readonly vouches: boolean;
}

export function mannerOf({ tls, httpsRedirect, http2 }: Speech): Manner {
  return {
    scheme: tls === undefined ? 'http' : 'https',
    hsts: tls?.hsts ?? '',
    httpsRedirect,
    http2,
    vouches: tls?.clients?.forward ?? false,
  };
}
