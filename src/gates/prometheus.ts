import { reasonOf } from '../base/reason.ts';
import type { Series } from '../model/policy.ts';
import type { Circumstances } from './circumstances.ts';
import { NoAnswer } from './fault.ts';
import { readUrl } from './outlet.ts';
import { post } from './post.ts';
import { fail, type GateResult, pass, unknown } from './result.ts';
import type { World } from './world.ts';

/** What Prometheus is asked: all that gates and series have in common. */
export type Question = Omit<Series, 'every'>;

/**
 * Asks Prometheus (HTTP API, instant query) for the candidate's value, and the baseline's where the two are
 * compared. No data, more than one series, NaN and infinities are unknown: a query that finds nothing proves
 * nothing. Rejects with the signal's reason only.
 */
export async function askPrometheus(
  question: Question,
  { rollout }: Pick<Circumstances, 'rollout'>,
  world: World,
  signal: AbortSignal,
): Promise<GateResult> {
  const { service, candidate, baseline } = rollout;
  const ask = (version: string) =>
    value(question, fillIn(question.query, { service, version }), version, world, signal);
  try {
    if (question.ratioAtMost === undefined) return compare(question, candidate, await ask(candidate));
    if (!/\{\{\s*version\s*\}\}/.test(question.query))
      return unknown('the query says nowhere {{version}}, so it cannot tell two versions apart');
    const [ours, theirs] = await Promise.all([ask(candidate), ask(baseline)]);
    return compareRatio(question.ratioAtMost, {
      candidate: { name: candidate, value: ours },
      baseline: { name: baseline, value: theirs },
    });
  } catch (error) {
    if (error instanceof NoAnswer) return unknown(error.message);
    throw error;
  }
}

/** The query with {{service}} and {{version}} replaced, escaped for a string of PromQL. Throws NoAnswer. */
export function fillIn(query: string, names: Readonly<Record<'service' | 'version', string>>): string {
  return query.replace(/\{\{\s*(.*?)\s*\}\}/g, (_, name: string) => {
    if (name !== 'service' && name !== 'version')
      throw new NoAnswer(
        `the query says {{${name}}}, which is not known; {{service}} and {{version}} are`,
        false,
      );
    return names[name].replace(/["'`\\]/g, '\\$&').replaceAll('\n', '\\n');
  });
}

function compare({ atMost, atLeast }: Question, version: string, value: number): GateResult {
  const [wanted, good] =
    atMost === undefined
      ? [`at least ${atLeast}`, value >= (atLeast ?? Number.NaN)]
      : [`at most ${atMost}`, value <= atMost];
  return (good ? pass : fail)(`${version} has ${value}, ${wanted} is wanted`);
}

/** Multiplied rather than divided, so that a baseline of 0 needs no case of its own. */
function compareRatio(
  most: number,
  { candidate, baseline }: Readonly<Record<'candidate' | 'baseline', { name: string; value: number }>>,
): GateResult {
  const values = `${candidate.name} has ${candidate.value} and ${baseline.name} ${baseline.value}`;
  if (candidate.value < 0 || baseline.value < 0)
    return unknown(`${values}; a ratio says nothing of values below 0`);
  return (candidate.value <= most * baseline.value ? pass : fail)(
    `${values}, at most ${most} times as much is wanted`,
  );
}

/** The one value of a query. Rejects with NoAnswer when there is none, or more. */
async function value(
  question: Question,
  query: string,
  version: string,
  world: World,
  signal: AbortSignal,
): Promise<number> {
  const url = readUrl(question.url);
  url.pathname = `${url.pathname.replace(/\/$/, '')}/api/v1/query`;
  const receiver = { ...question, url: url.href, allowPrivate: question.allowPrivate ?? true };
  const answer = await post(receiver, new URLSearchParams({ query }), world, signal).catch(
    (error: unknown) => {
      if (!(error instanceof NoAnswer)) throw error;
      throw new NoAnswer(
        `Prometheus at ${url.host} could not be asked: ${error.message}`,
        error.again,
        error,
      );
    },
  );
  return oneValue(read(answer.body, answer.status), version);
}

/** What the HTTP API answers, as far as it is looked at here. */
interface QueryAnswer {
  readonly status?: unknown;
  readonly error?: unknown;
  readonly data?: { readonly resultType?: unknown; readonly result?: unknown };
}

function read(body: string, status: number): QueryAnswer {
  let answer: QueryAnswer | null;
  try {
    answer = JSON.parse(body) as QueryAnswer | null;
  } catch (error) {
    throw new NoAnswer(`Prometheus answered ${status}, and no JSON: ${reasonOf(error)}`);
  }
  if (answer?.status === 'success') return answer;
  throw new NoAnswer(`Prometheus answered ${status}: ${String(answer?.error ?? 'it does not say why')}`);
}

function oneValue({ data }: QueryAnswer, version: string): number {
  const sample = data?.resultType === 'scalar' ? data.result : onlyOf(data, version);
  const text = Array.isArray(sample) ? String(sample[1]) : '';
  // Prometheus writes infinity as +Inf, which is no number here either: it comes of a division by nothing.
  const number = text === '' ? Number.NaN : Number(text);
  if (!Number.isFinite(number)) throw new NoAnswer(`the value of ${version} is ${text || 'none'}`);
  return number;
}

/** The sample of a vector's only series. */
function onlyOf({ resultType, result }: NonNullable<QueryAnswer['data']> = {}, version: string): unknown {
  if (resultType !== 'vector')
    throw new NoAnswer(`the query gives a ${String(resultType)}, which has not one value`);
  const series = Array.isArray(result) ? (result as readonly { readonly value?: unknown }[]) : [];
  if (series.length === 0) throw new NoAnswer(`there is no data of ${version}`);
  if (series.length > 1)
    throw new NoAnswer(
      `the query gives ${series.length} series for ${version}; add them up, so that one value is left`,
    );
  return series[0]?.value;
}
