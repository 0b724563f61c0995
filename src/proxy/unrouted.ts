import type { Head } from '../http/head.ts';
import type { Fault } from '../model/fault.ts';
import { type Asked, askedIn, NOTHING } from './accesslog.ts';
import { faultAnswer, OPTIONS_LINES } from './answer.ts';
import type { Context } from './context.ts';
import { redirection } from './redirect.ts';
import type { Requester } from './requester.ts';

/**
 * What is answered without an exchange, since it is no request, or asks for nothing of a service. It is counted and
 * logged like any other.
 */

/** The answer to what is no request. `asked`: what is sound of it all the same. */
export function refused(context: Context, requester: Requester, fault: Fault, asked?: Asked): Answer {
  const requestId = context.mint.requestId();
  const answer = faultAnswer(fault, { requestId });
  record(context, requester, asked, { requestId, status: fault.status, fault, bytesOut: answer.body.length });
  return answer;
}

type Answer = ReturnType<typeof faultAnswer>;

/** The answer, without a body, to a request that the proxy answers by itself; undefined if a service is asked. */
export function ownAnswer(
  context: Context,
  requester: Requester,
  buffer: Buffer,
  head: Head,
): string | undefined {
  const lines = head.asterisk ? OPTIONS_LINES : redirection(buffer, head, requester);
  if (lines === undefined) return undefined;
  const requestId = context.mint.requestId();
  const status = head.asterisk ? 204 : 308;
  record(context, requester, askedIn(buffer, head), { requestId, status, fault: undefined, bytesOut: 0 });
  return lines;
}

interface Outcome {
  readonly requestId: string;
  readonly status: number;
  readonly fault: Fault | undefined;
  readonly bytesOut: number;
}

function record(
  context: Context,
  { address }: Requester,
  asked: Asked | undefined,
  { requestId, status, fault, bytesOut }: Outcome,
): void {
  context.countUnrouted(status);
  const log = context.accessLog;
  if (log === undefined || !(log.due() || fault !== undefined)) return;
  log.write({
    requestId,
    service: undefined,
    version: undefined,
    rescuedBy: undefined,
    endpoint: undefined,
    why: undefined,
    client: log.clients ? address : undefined,
    asked: asked ?? NOTHING,
    status,
    latency: -1,
    // It counts from the end of a head.
    duration: asked === undefined ? -1 : 0,
    bytesIn: 0,
    bytesOut,
    fault: fault?.kind,
    keyHash: undefined,
  });
}
