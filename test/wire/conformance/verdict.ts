import type { Case, Severity } from './case.ts';
import { failedChecks } from './checks.ts';
import { values } from './lines.ts';
import type { Response } from './messages.ts';
import { type Asked, finals, isRight, nonceOf, type Observation } from './observation.ts';

/**
 * What became of a case:
 * - `reject`, `close`, `local`: refused, cut off, or answered by the proxy itself; nothing reached the origin;
 * - `safe`: forwarded, with one reading; `second`: so were trailing bytes, as a request of their own;
 * - `wait`, `hang`: no answer, because more bytes are due, or for no reason;
 * - `tunnel`: protocols were switched; `not-forwarded`: the client left and the origin saw nothing;
 * - `invalid`, `ambiguous`: what was forwarded cannot be read, or can be read in two ways;
 * - `desync`: bytes of one request were taken for another; `crash`: the proxy is gone;
 * - `truncated`, `truncation-hidden`: half an answer was relayed, and the client can tell, or cannot;
 * - `victim-broken`: somebody else's request failed; `answer-lost`: the origin's answer never arrived;
 * - `check-failed`: safe, but something that the case asks for is not so.
 */
export type Verdict =
  | 'answer-lost'
  | 'ambiguous'
  | 'check-failed'
  | 'close'
  | 'crash'
  | 'desync'
  | 'hang'
  | 'invalid'
  | 'local'
  | 'non-http-reply'
  | 'not-forwarded'
  | 'reject'
  | 'reject-then-forward'
  | 'safe'
  | 'second'
  | 'truncated'
  | 'truncation-hidden'
  | 'tunnel'
  | 'victim-broken'
  | 'wait';

export interface Outcome {
  readonly verdict: Verdict;
  /** The status of a rejection. */
  readonly status: number | undefined;
  readonly grade: 'pass' | 'tolerated' | 'fail';
  readonly severity: Severity | undefined;
  /** Checks that failed. */
  readonly failed: readonly string[];
}

/** Judges a case that was filled in (`fill`) by what was seen. */
export function judge(c: Case, seen: Observation): Outcome {
  const base = baseVerdict(c, seen);
  const checked = ['safe', 'second', 'tunnel', 'truncated', 'local'].includes(base);
  const failed = checked ? failedChecks(c, seen) : [];
  const verdict = failed.length > 0 ? 'check-failed' : base;
  const status = verdict === 'reject' ? finals(seen.given.reading)[0]?.status : undefined;
  const isIn = (list: readonly string[] = []) =>
    list.includes(verdict) || list.includes(`${verdict}:${status}`);
  const grade = isIn(c.accept) ? 'pass' : isIn(c.tolerate) ? 'tolerated' : 'fail';
  return { verdict, status, grade, severity: grade === 'fail' ? severityOf(c, verdict) : undefined, failed };
}

const HIGH = ['ambiguous', 'second', 'truncation-hidden', 'victim-broken', 'reject-then-forward'];
const MEDIUM = ['invalid', 'check-failed', 'hang', 'tunnel', 'answer-lost'];

function severityOf(c: Case, verdict: Verdict): Severity {
  const critical = verdict === 'crash' || verdict === 'desync';
  if (c.level === 'policy' && !critical) return 'policy';
  if (c.severity) return c.severity;
  if (critical) return 'critical';
  if (HIGH.includes(verdict)) return 'high';
  return MEDIUM.includes(verdict) && c.level !== 'should' ? 'medium' : 'low';
}

function baseVerdict(c: Case, seen: Observation): Verdict {
  if (!seen.alive || seen.victim.refused) return 'crash';
  if (seen.forwarded.surplus.length > 0 || gotForeignAnswer(seen)) return 'desync';
  return c.side === 'response' ? responseVerdict(c, seen) : requestVerdict(c, seen);
}

function gotForeignAnswer({ nonce, given, follow, victim }: Observation): boolean {
  const foreign = finals(given.reading).some((answer) => {
    const whose = nonceOf(answer);
    return whose !== undefined && whose !== '-' && whose !== nonce;
  });
  return foreign || isForeign(victim) || isForeign(follow);
}

function isForeign(asked: Asked | undefined): boolean {
  return asked?.answered !== undefined && asked.answered !== asked.nonce;
}

function isFromOrigin(answer: Response): boolean {
  return values(answer.fields, 'x-origin').length > 0;
}

function requestVerdict(c: Case, seen: Observation): Verdict {
  const { forwarded, given } = seen;
  const reached = forwarded.requests.length > 0;
  if (c.send.some((packet) => packet.end === 'rst')) {
    if (!isRight(seen.victim)) return 'victim-broken';
    return reached ? forwardedVerdict(c, seen) : 'not-forwarded';
  }
  if (given.reading.state === 'tunnel') return 'tunnel';
  const answer = finals(given.reading)[0];
  if (!answer) return unansweredVerdict(c, seen);
  return reached ? forwardedVerdict(c, seen) : localVerdict(c, seen, answer);
}

function unansweredVerdict(c: Case, seen: Observation): Verdict {
  const { bytes, closed, reading } = seen.given;
  const reached = seen.forwarded.requests.length > 0;
  if (closed) {
    if (reached) return forwardedVerdict(c, seen);
    return (reading.unfinished?.status ?? 0) >= 400 ? 'reject' : 'close';
  }
  if (reading.state === 'incomplete' && reading.unfinished?.stage === 'body') return 'hang';
  if (reading.state === 'error' && !bytes.startsWith('HTTP/')) return 'non-http-reply';
  return c.incomplete && !reached ? 'wait' : 'hang';
}

/** No whole request reached the origin, yet there is an answer. */
function localVerdict(c: Case, seen: Observation, answer: Response): Verdict {
  const { fault, unfinished, disagreements } = seen.forwarded;
  const relayed = isFromOrigin(answer);
  if (relayed && unfinished && fault === undefined) return forwardedVerdict(c, seen);
  if (fault !== undefined && (relayed || answer.status >= 500))
    return disagreements.length > 0 ? 'ambiguous' : 'invalid';
  return answer.status >= 400 ? 'reject' : 'local';
}

function forwardedVerdict(c: Case, seen: Observation): Verdict {
  const { requests, fault, disagreements } = seen.forwarded;
  const answer = finals(seen.given.reading)[0];
  const refused = answer !== undefined && !isFromOrigin(answer) && answer.status >= 400;
  if (refused && requests.length > 0 && !requests.some(({ target }) => target.includes('/t/')))
    return 'reject-then-forward';
  if (disagreements.length > 0) return 'ambiguous';
  if (fault !== undefined) return 'invalid';
  if (!isRight(seen.victim)) return 'victim-broken';
  if (refused && !c.origin) return 'answer-lost';
  return requests.length > (c.expectRequests ?? 1) ? 'second' : 'safe';
}

function responseVerdict(c: Case, seen: Observation): Verdict {
  const { bytes, closed, reset, reading, strict, disagreements } = seen.given;
  if (reading.state === 'tunnel') return 'tunnel';
  if (bytes === '') return closed ? 'close' : 'hang';
  if (!bytes.startsWith('HTTP/') && bytes.length > 8) return 'invalid';
  const answer = finals(reading)[0];
  if (answer && replacesAnswer(c, answer)) return 'reject';
  const whole = finals(strict)[0];
  if (!whole && strict.state === 'incomplete') return closed ? 'truncated' : 'hang';
  if (!whole && strict.state === 'error') return disagreements.length > 0 ? 'ambiguous' : 'invalid';
  if (whole && c.originTruncates) return whole.kind === 'close' && reset ? 'truncated' : 'truncation-hidden';
  if (disagreements.length > 0) return 'ambiguous';
  if (strict.state === 'error') return 'invalid';
  return isRight(seen.victim) ? 'safe' : 'victim-broken';
}

/** Whether the client was given an error instead of what the origin said. */
function replacesAnswer(c: Case, answer: Response): boolean {
  const scripted = (c.origin?.steps ?? []).map((step) => step.bytes ?? '').join('');
  const said = Number(/HTTP\/\d\.\d ([2-5]\d\d)/.exec(scripted)?.[1]);
  return isFromOrigin(answer) ? answer.status >= 500 && answer.status !== said : answer.status >= 400;
}
