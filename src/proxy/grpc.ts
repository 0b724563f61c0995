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
