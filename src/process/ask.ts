import { Agent, type Dispatcher, request } from 'undici';
import { reasonOf } from '../base/reason.ts';
import type { ProblemBody } from '../model/api.ts';

/** A question to the admin API of a running Spillway. */
export interface Question {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE';
  /** With the leading slash, and the query. */
  readonly path: string;
  readonly body?: object;
  readonly headers?: Readonly<Record<string, string>>;
  /** Milliseconds until the answer must be complete. */
  readonly timeout: number;
}

/** Where the admin API is, and who asks. */
export interface Admin {
  /** `http://…`, `https://…`, or `unix:/path` of a socket. */
  readonly url: string;
  readonly token: string | undefined;
}

/** No answer came; whether the question arrived is not known. */
export class Unreachable extends Error {
  override readonly name = 'Unreachable';
}

/** The admin API said no; the message is its own. */
class Refused extends Error {
  override readonly name = 'Refused';
}

interface Answer {
  readonly status: number;
  readonly problem: boolean;
  readonly text: string;
}

/** Asks once, and returns the text of the answer. Throws Unreachable or Refused. */
export async function ask(admin: Admin, question: Question): Promise<string> {
  const answer = await send(admin, question);
  if (answer.status >= 200 && answer.status < 300) return answer.text;
  throw new Refused(refusal(answer));
}

async function send(admin: Admin, question: Question): Promise<Answer> {
  const { method, path, body, headers, timeout } = question;
  try {
    const { origin, dispatcher } = wayTo(admin.url);
    const answer = await request(new URL(path, origin), {
      ...(dispatcher !== undefined && { dispatcher }),
      method,
      headers: {
        accept: 'application/json',
        ...(admin.token !== undefined && { authorization: `Bearer ${admin.token}` }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      body: body === undefined ? null : JSON.stringify(body),
      signal: AbortSignal.timeout(timeout),
    });
    const type = String(answer.headers['content-type']);
    return {
      status: answer.statusCode,
      problem: type.startsWith('application/problem+json'),
      text: await answer.body.text(),
    };
  } catch (cause) {
    throw new Unreachable(
      `The admin API at ${admin.url} does not answer: ${reasonOf(cause)}. Is Spillway running, and is this its admin address? Give another with --admin URL or SPILLWAY_ADMIN.${method === 'GET' ? '' : DOUBT}`,
      { cause },
    );
  }
}

function wayTo(url: string): { origin: string; dispatcher?: Dispatcher } {
  if (!url.startsWith('unix:')) return { origin: url };
  return { origin: 'http://localhost', dispatcher: new Agent({ connect: { socketPath: url.slice(5) } }) };
}

const DOUBT = ' Should it have broken off late, the change may have been made: see `spillway status`.';

function refusal({ status, problem, text }: Answer): string {
  if (!problem) return `The answer was ${status}, and not of Spillway's making: is --admin the right URL?`;
  const { detail, faults = [] } = JSON.parse(text) as ProblemBody;
  const cure = status === 401 ? ' The token is read from SPILLWAY_TOKEN.' : '';
  return `${detail}${cure}${faults.map(({ path, message }) => `\n  ${path}: ${message}`).join('')}`;
}
