import type { Fault } from '../model/fault.ts';

/**
 * What a gRPC client takes for an answer: always 200, and the outcome in `grpc-status`, here among the fields of
 * an answer without a body (gRPC calls that Trailers-Only).
 */

/** What an HTTP status means to gRPC, as its own documents have it; what is not here is UNKNOWN. */
const CODES: Readonly<Record<number, number>> = {
  400: 13,
  404: 12,
  413: 8,
  414: 8,
  421: 12,
  431: 8,
  502: 14,
  503: 14,
  504: 14,
};
const UNKNOWN = 2;

/** An answer of our own to a call. */
export function grpcAnswer(fault: Fault): { lines: string; body: string } {
  const code = CODES[fault.status] ?? UNKNOWN;
  return {
    lines: `HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\ngrpc-status: ${code}\r\ngrpc-message: ${fault.says} [${fault.kind}]\r\n`,
    body: '',
  };
}

/**
 * Outcomes that are the server's doing: UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE and
 * DATA_LOSS. The others tell a client that it asked for the wrong thing, as 4xx does.
 */
const FAILURES = new Set(['2', '4', '12', '13', '14', '15']);

/** Whether a call failed by the server's doing, from its `grpc-status`. */
export function callFailed(status: string): boolean {
  return FAILURES.has(status);
}

/** The `grpc-status` among trailer lines, or ''. */
export function statusIn(trailers: string): string {
  return /^grpc-status: (\d+)\r$/im.exec(trailers)?.[1] ?? '';
}
