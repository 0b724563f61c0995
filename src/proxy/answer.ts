import { STATUS_CODES } from 'node:http';
import type { Fault } from '../model/fault.ts';

/** Who is told that a method is none of ours is told which are, as far as they have names (RFC 9110 §15.5.6). */
const ALLOW = 'allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n';

/**
 * An answer that the proxy makes itself: its lines, and a problem document (RFC 9457). The body names the
 * fault, and the service and version where they were known, never an address behind us.
 */
export function faultAnswer(
  fault: Fault,
  about: { readonly service?: string; readonly version?: string; readonly requestId?: string } = {},
): { lines: string; body: string } {
  const body = `${JSON.stringify({
    type: 'about:blank',
    title: STATUS_CODES[fault.status] ?? 'Error',
    status: fault.status,
    detail: fault.says,
    fault: fault.kind,
    service: about.service,
    version: about.version,
    requestId: about.requestId,
  })}\n`;
  const more = fault.status === 503 ? 'retry-after: 1\r\n' : fault.status === 405 ? ALLOW : '';
  return {
    lines: `HTTP/1.1 ${fault.status} ${STATUS_CODES[fault.status] ?? 'Error'}\r\ncontent-type: application/problem+json\r\ncontent-length: ${body.length}\r\n${more}`,
    body,
  };
}

/** How the answer begins that a client with an expectation waits for. */
export const CONTINUE = 'HTTP/1.1 100';

/** The answer to OPTIONS *, which asks the proxy and no service (RFC 9110 §9.3.7). */
export const OPTIONS_LINES = `HTTP/1.1 204 No Content\r\n${ALLOW}`;
