import { isDeepStrictEqual } from 'node:util';
import { ownHeader } from '../http/proxyprotocol.ts';
import type { Of } from '../model/document.ts';
import type { SmokeSchema } from '../model/gate.ts';
import type { Service } from '../model/state.ts';
import { wireOf } from '../model/wire.ts';
import type { Circumstances } from './circumstances.ts';
import { NoAnswer } from './fault.ts';
import { within } from './limit.ts';
import { type Answer, isYes, send, type Way, wayToEndpoint } from './outlet.ts';
import { pointedAt } from './pointer.ts';
import { fail, type GateResult, pass, unknown } from './result.ts';
import { resolveHeaders } from './secret.ts';
import type { World } from './world.ts';

type Smoke = Of<typeof SmokeSchema>;
type SmokeRequest = Smoke['requests'][number];
type Expectation = NonNullable<SmokeRequest['expect']>;

const WITHIN = 10_000;
const PAUSE = 1;
/** Bytes of an answer that are read; what is behind them counts neither for its values nor for its time. */
const MOST = 1_048_576;

/**
 * Sends every request to every endpoint of the candidate, one after the other, in as many rounds as are wanted,
 * until one is not answered as expected. They go straight to the endpoint, so they count in no ledger and as
 * nobody's evidence. Unknown only when a request cannot be sent as it is written. Rejects with the signal's
 * reason only.
 */
export async function askSmoke(
  gate: Smoke,
  { rollout, service }: Circumstances,
  world: World,
  signal: AbortSignal,
): Promise<GateResult> {
  const { candidate } = rollout;
  const endpoints = service.versions[candidate]?.endpoints ?? [];
  if (endpoints.length === 0) return fail(`${candidate} has no endpoint to send requests to`);
  const { tls, proxyProtocol } = wireOf(service, service.versions[candidate]);
  const introduction = ownHeader(proxyProtocol);
  const usual = { ...usualHost(service), 'x-spillway-version': candidate, 'user-agent': 'spillway' };
  const rounds = gate.repeat ?? 1;
  try {
    for (let round = 1; round <= rounds; round++) {
      if (round > 1) await world.pause((gate.pause ?? PAUSE) * 1000, signal);
      for (const endpoint of endpoints) {
        for (const request of gate.requests) {
          const way = wayToEndpoint(endpoint, tls, introduction);
          const flaw = await tryOut(request, usual, way, world, signal);
          if (flaw !== undefined)
            return fail(`${request.method ?? 'GET'} ${request.path} to ${endpoint}, round ${round}: ${flaw}`);
        }
      }
    }
  } catch (error) {
    if (error instanceof NoAnswer) return unknown(error.message);
    throw error;
  }
  const count = rounds * endpoints.length * gate.requests.length;
  return pass(`${count} ${count === 1 ? 'request was' : 'requests were'} answered as expected`);
}

/** What is wrong with the answer, undefined if nothing is. Rejects with NoAnswer when it cannot be asked for. */
async function tryOut(
  { method = 'GET', path, headers, body, expect = {} }: SmokeRequest,
  usual: Readonly<Record<string, string>>,
  way: Way,
  world: World,
  signal: AbortSignal,
): Promise<string | undefined> {
  const request = {
    method,
    path,
    headers: { ...usual, ...resolveHeaders(headers, world.environment) },
    ...(body !== undefined && { body }),
    most: MOST,
  };
  try {
    const limit = expect.within ?? WITHIN;
    return flawOf(await within(limit, world, signal, (signal) => send(way, request, signal)), expect);
  } catch (error) {
    if (error instanceof NoAnswer && error.again) return error.message;
    throw error;
  }
}

/** What of an answer is not as expected, in words, undefined if nothing is. */
function flawOf(answer: Answer, { status, headers = {}, json = {} }: Expectation): string | undefined {
  const good = status?.includes(answer.status) ?? isYes(answer);
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
