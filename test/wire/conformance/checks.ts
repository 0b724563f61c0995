import type { Case, Checks } from './case.ts';
import { type Field, values } from './lines.ts';
import type { Request, Response } from './messages.ts';
import { finals, isRight, type Observation } from './observation.ts';

/** The checks of a case that do not hold, each in a few words. */
export function failedChecks({ checks = {} }: Case, seen: Observation): readonly string[] {
  const request = seen.forwarded.requests[0];
  const answer = finals(seen.given.reading)[0];
  const failed = [
    ...(request ? [...originFieldFailures(checks, request), ...originFailures(checks, request)] : []),
    ...(answer ? clientFailures(checks, answer, seen) : []),
    ...connectionFailures(checks, seen),
  ];
  return failed.filter((each) => each !== undefined);
}

type Failure = string | undefined;

function originFieldFailures(checks: Checks, { fields }: Request): Failure[] {
  const all = (name: string) => values(fields, name);
  return [
    ...present(
      fields,
      [...(checks.originAbsent ?? []), ...(checks.noMergedHeader ?? [])],
      'the origin received',
    ),
    ...absent(fields, checks.originPresent, 'the origin did not receive'),
    ...entries(checks.originEquals).map(([name, value]) =>
      differs(`${name} at the origin`, all(name).join('|'), value),
    ),
    ...entries(checks.originNotContains).map(([name, part]) =>
      when(
        all(name).join('|').toLowerCase().includes(part.toLowerCase()),
        `${name} at the origin contains ${part}`,
      ),
    ),
    ...entries(checks.originLastNot).map(([name, value]) =>
      when(
        all(name)
          .join()
          .split(/\s*,\s*/)
          .at(-1) === value,
        `${name} at the origin ends with the client's ${value}`,
      ),
    ),
  ];
}

function originFailures(checks: Checks, request: Request): Failure[] {
  const { method, target, body } = checks;
  return [
    method === undefined ? undefined : differs('the method', request.method, method),
    target === undefined ? undefined : differs('the target', request.target, target),
    body === undefined ? undefined : differs('the body at the origin', request.body, body),
    ...present(request.trailers, checks.noTrailer, 'the origin received as a trailer'),
  ];
}

function clientFailures(checks: Checks, answer: Response, { given }: Observation): Failure[] {
  const interim = given.reading.messages.filter((message) => message.interim).map(({ status }) => status);
  const { status, clientBody } = checks;
  return [
    when(status !== undefined && !status.includes(answer.status), `the client was given ${answer.status}`),
    ...present(answer.fields, checks.clientAbsent, 'the client received'),
    ...absent(answer.fields, checks.clientPresent, 'the client did not receive'),
    clientBody === undefined || answer.status >= 500
      ? undefined
      : differs('the body at the client', answer.body, clientBody),
    ...(checks.interim ?? []).map((each) => when(!interim.includes(each), `${each} was not relayed`)),
    when(checks.noInterim === true && interim.length > 0, `${interim.join()} was relayed`),
  ];
}

function connectionFailures(checks: Checks, { forwarded, given, follow, nonce }: Observation): Failure[] {
  const reused = !given.closed && isRight(follow);
  const bodiless = forwarded.requests[0]?.body === '';
  const times = forwarded.requests.filter(({ target }) => target.includes(`/t/${nonce}`)).length;
  const answers = finals(given.reading).length;
  const { tunnelEcho, responses } = checks;
  return [
    when(checks.mustClose === true && reused, 'the connection was used again'),
    when(
      checks.closeIfEmptyBody === true && bodiless && reused,
      'Transfer-Encoding counted, and the connection was kept',
    ),
    when(checks.onceAtOrigin === true && times > 1, `the request reached the origin ${times} times`),
    when(responses !== undefined && responses !== answers, `${answers} answers`),
    when(
      tunnelEcho !== undefined && !given.reading.tunnel?.includes(`echo:${tunnelEcho}`),
      'the tunnel does not carry bytes both ways',
    ),
  ];
}

function present(fields: readonly Field[], names: readonly string[] = [], who: string): Failure[] {
  return names.map((name) => when(values(fields, name).length > 0, `${who} ${name}`));
}

function absent(fields: readonly Field[], names: readonly string[] = [], who: string): Failure[] {
  return names.map((name) => when(values(fields, name).length === 0, `${who} ${name}`));
}

function entries(record: Readonly<Record<string, string>> = {}): [string, string][] {
  return Object.entries(record);
}

function differs(what: string, seen: string, wanted: string): Failure {
  const short = (text: string) => JSON.stringify(text.slice(0, 80));
  return when(seen !== wanted, `${what} is ${short(seen)}, wanted ${short(wanted)}`);
}

function when(failed: boolean, says: string): Failure {
  return failed ? says : undefined;
}
