/**
 * What went wrong with an exchange, on whose side, and whether it may be tried again. The retry code, the
 * status sent, the log line, the metrics and the judge all read the same value, so a client who hangs up is
 * never held against the canary, and nobody matches on error strings.
 */
export interface Fault {
  readonly kind: string;
  /** Whose doing it was. Only `upstream` faults count as errors of a version. */
  readonly side: 'client' | 'upstream' | 'self';
  /** The status to answer with while no answer has begun. */
  readonly status: number;
  /**
   * `stale`: only when the request went out on a reused connection that died before the first byte of an
   * answer, and only if the request is safe to repeat. `unsent`: no byte of the request can have been read,
   * so any request may be tried again.
   */
  readonly retry: 'never' | 'stale' | 'unsent';
  /** One sentence for the client and the log. */
  readonly says: string;
}

function fault(
  kind: string,
  side: Fault['side'],
  status: number,
  retry: Fault['retry'],
  says: string,
): Fault {
  return Object.freeze({ kind, side, status, retry, says });
}

export const FAULTS = {
  badRequest: fault('bad-request', 'client', 400, 'never', 'The request is not well-formed HTTP/1.1.'),
  noService: fault('no-service', 'client', 404, 'never', 'No service matches this host and path.'),
  methodNotAllowed: fault(
    'method-not-allowed',
    'client',
    405,
    'never',
    'This method is not passed on by the proxy.',
  ),
  requestTimeout: fault('request-timeout', 'client', 408, 'never', 'The request did not arrive in time.'),
  bodyTooLarge: fault(
    'body-too-large',
    'client',
    413,
    'never',
    'The request body is larger than is allowed here.',
  ),
  targetTooLong: fault(
    'target-too-long',
    'client',
    414,
    'never',
    'The request target is longer than is allowed here.',
  ),
  expectationFailed: fault(
    'expectation-failed',
    'client',
    417,
    'never',
    'Only the expectation 100-continue is known.',
  ),
  misdirected: fault('misdirected', 'client', 421, 'never', 'This connection does not serve that host.'),
  headTooLarge: fault(
    'head-too-large',
    'client',
    431,
    'never',
    'The request head is larger than is allowed here.',
  ),
  clientGone: fault('client-gone', 'client', 499, 'never', 'The client left before the answer was complete.'),
  clientSlow: fault(
    'client-slow',
    'client',
    499,
    'never',
    'The client does not read the answer, or too slowly.',
  ),
  notImplemented: fault('not-implemented', 'client', 501, 'never', 'This transfer coding is not understood.'),
  badVersion: fault('bad-version', 'client', 505, 'never', 'Only HTTP/1.0 and HTTP/1.1 are spoken here.'),

  refused: fault('refused', 'upstream', 502, 'unsent', 'The endpoint could not be connected to.'),
  insecure: fault(
    'insecure',
    'upstream',
    502,
    'unsent',
    'The TLS handshake with the endpoint failed, or its certificate is not the right one.',
  ),
  connectTimeout: fault(
    'connect-timeout',
    'upstream',
    504,
    'unsent',
    'The endpoint did not accept a connection in time.',
  ),
  reset: fault('reset', 'upstream', 502, 'stale', 'The endpoint closed the connection without an answer.'),
  streamRefused: fault(
    'stream-refused',
    'upstream',
    503,
    'unsent',
    'The endpoint turned the request away unread.',
  ),
  headTimeout: fault(
    'head-timeout',
    'upstream',
    504,
    'never',
    'The endpoint did not begin to answer in time.',
  ),
  badResponse: fault(
    'bad-response',
    'upstream',
    502,
    'never',
    'The endpoint answered with something that is not well-formed HTTP/1.1.',
  ),
  truncated: fault(
    'truncated',
    'upstream',
    502,
    'never',
    'The endpoint broke off in the middle of its answer.',
  ),
  bodyTimeout: fault(
    'body-timeout',
    'upstream',
    504,
    'never',
    'The endpoint stopped in the middle of its answer.',
  ),
  noEndpoint: fault(
    'no-endpoint',
    'upstream',
    503,
    'never',
    'This version has no endpoint that can be used.',
  ),
  overloaded: fault(
    'overloaded',
    'upstream',
    503,
    'never',
    'Too many requests are waiting for this version.',
  ),

  full: fault('full', 'upstream', 503, 'never', 'As many requests as may be are in flight to this version.'),

  draining: fault(
    'draining',
    'self',
    503,
    'never',
    'The proxy was shut down before the answer was complete.',
  ),
  exhausted: fault(
    'exhausted',
    'self',
    503,
    'never',
    'The proxy has no descriptor, port or memory left for a connection to an endpoint.',
  ),
  evicted: fault('evicted', 'self', 503, 'never', 'The version that answered was taken out of service.'),
  shedding: fault('shedding', 'self', 503, 'never', 'The proxy has more connections than it may have.'),
} as const satisfies Record<string, Fault>;

/** Every kind, in a fixed order: ledgers count them by index. */
export const FAULT_KINDS: readonly string[] = Object.values(FAULTS).map((each) => each.kind);
const INDEX = new Map(FAULT_KINDS.map((kind, index) => [kind, index]));

/** The index of a fault's kind in `FAULT_KINDS`. */
export function faultIndex(of: Fault): number {
  return INDEX.get(of.kind)!;
}
