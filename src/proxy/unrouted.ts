import type { Fault } from '../model/fault.ts';
import { type Asked, NOTHING } from './accesslog.ts';
import { faultAnswer } from './answer.ts';
import type { Context } from './context.ts';
import type { Requester } from './requester.ts';

/**
 * What is answered without an exchange, since it is no request, or asks for nothing of a service. It is counted and
 * logged like any other.
 */

type Sender = Pick<Requester, 'address'>;

/** The answer to what is no request. `asked`: what is sound of it all the same. */
export function refused(context: Context, sender: Sender, fault: Fault, asked?: Asked): Answer {
  const requestId = context.mint.requestId();
  const answer = faultAnswer(fault, { requestId });
  record(context, sender, asked, { requestId, status: fault.status, fault, bytesOut: answer.body.length });
  return answer;
}

type Answer = ReturnType<typeof faultAnswer>;

/** The proxy answers a request by itself, without a body. */
export function answeredHere(context: Context, sender: Sender, asked: Asked, status: number): void {
  const requestId = context.mint.requestId();
  record(context, sender, asked, { requestId, status, fault: undefined, bytesOut: 0 });
}

interface Outcome {
  readonly requestId: string;
  readonly status: number;
  readonly fault: Fault | undefined;
  readonly bytesOut: number;
}

function record(
  context: Context,
  { address }: Sender,
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
