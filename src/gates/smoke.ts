import { isDeepStrictEqual } from 'node:util';
import type { Of } from '../model/document.ts';
import type { SmokeSchema } from '../model/rollout.ts';
import type { Service } from '../model/state.ts';
import type { Circumstances } from './circumstances.ts';
import { NoAnswer } from './fault.ts';
import { within } from './limit.ts';
import { type Answer, type Request, send, wayToEndpoint } from './outlet.ts';
import { pointedAt } from './pointer.ts';
import { fail, type GateResult, pass, unknown } from './result.ts';
import { resolveHeaders } from './secret.ts';
import type { World } from './world.ts';

type Smoke = Of<typeof SmokeSchema>;
type Expectation = NonNullable<Smoke['requests'][number]['expect']>;

/** A request with all that it is sent with. */
interface Dressed extends Request {
  readonly expect: Expectation;
}

const WITHIN = 10_000;
const PAUSE = 1;
/** Bytes of an answer that are read; what is behind them counts neither for its values nor for its time. */
const MOST = 1_048_576;

/**
 * Sends every request to every endpoint of the candidate, one after the other, in as many rounds as are wanted,
 * until one is not answered as expected. They go straight to the endpoint, so they count in no ledger and as
 * nobody's evidence. Rejects with the signal's reason only.
 */
export async function askSmoke(
  gate: Smoke,
  { rollout, service }: Circumstances,
  world: World,
  signal: AbortSignal,
): Promise<GateResult> {
  const endpoints = service.versions[rollout.candidate]?.endpoints ?? [];
  if (endpoints.length === 0) return fail(`${rollout.candidate} has no endpoint to send requests to`);
  const requests = dressed(gate, rollout.candidate, service, world);
  if (requests instanceof NoAnswer) return unknown(requests.message);
  const rounds = gate.repeat ?? 1;
  for (let round = 1; round <= rounds; round++) {
    if (round > 1) await world.pause((gate.pause ?? PAUSE) * 1000, signal);
    for (const endpoint of endpoints) {
      for (const request of requests) {
        const flaw = await tryOut(request, endpoint, world, signal);
        if (flaw !== undefined)
          return fail(`${request.method} ${request.path} to ${endpoint}, round ${round}: ${flaw}`);
      }
    }
  }
  const count = rounds * endpoints.length * requests.length;
  return pass(`${count} ${count === 1 ? 'request was' : 'requests were'} answered as expected`);
}

/** What is wrong with the answer, undefined if nothing is. */
async function tryOut(
  { expect, ...request }: Dressed,
  endpoint: string,
  world: World,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    const answer = await within(expect.within ?? WITHIN, world, signal, async (signal) =>
      send(wayToEndpoint(endpoint), request, signal),
    );
    return flawOf(answer, expect);
  } catch (error) {
    if (error instanceof NoAnswer) return error.message;
    throw error;
  }
}

/** What of an answer is not as expected, in words, undefined if nothing is. */
export function flawOf(answer: Answer, { status, headers = {}, json = {} }: Expectation): string | undefined {
  const good = status?.includes(answer.status) ?? (answer.status >= 200 && answer.status <= 299);
  if (!good) return `status ${answer.status} instead of ${status?.join(' or ') ?? '200 to 299'}`;
  for (const [name, wanted] of Object.entries(headers)) {
    const got = answer.headers[name.toLowerCase()];
    if (got !== wanted) return `${name} is ${show(got)} instead of ${show(wanted)}`;
  }
  if (Object.keys(json).length === 0) return undefined;
  if (answer.cut) return `the answer is longer than the ${MOST} bytes that are read of it`;
  const document = parse(answer.body);
  if (document === undefined) return 'the answer is not JSON';
  for (const [pointer, wanted] of Object.entries(json)) {
    const got = pointedAt(document, pointer);
    if (!isDeepStrictEqual(got, wanted))
      return `${pointer || 'the answer'} is ${show(got)} instead of ${show(wanted)}`;
  }
  return undefined;
}

function dressed(
  { requests }: Smoke,
  version: string,
  service: Service,
  { environment }: World,
): readonly Dressed[] | NoAnswer {
  const usual = { ...usualHost(service), 'x-spillway-version': version, 'user-agent': 'spillway' };
  try {
    return requests.map(({ method = 'GET', path, headers, body, expect = {} }) => ({
      method,
      path,
      headers: { ...usual, ...resolveHeaders(headers, environment) },
      ...(body !== undefined && { body }),
      most: MOST,
      expect,
    }));
  } catch (error) {
    if (error instanceof NoAnswer) return error;
    throw error;
  }
}

/** The name by which clients ask for the service, where it has one. */
function usualHost({ match }: Service): { readonly host?: string } {
  const host = match.find(({ host }) => host !== undefined && !host.startsWith('*'))?.host;
  return host === undefined ? {} : { host };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function show(value: unknown): string {
  if (value === undefined) return 'missing';
  const text = JSON.stringify(value);
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}
