import { ascii } from './bytes.ts';

export const GRPC_STATUS = ascii('grpc-status');

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

/** The HTTP status that says the same of whoever answered. */
export function statusOfCall(status: string): number {
  if (status === '14') return 503;
  return callFailed(status) ? 500 : 200;
}
