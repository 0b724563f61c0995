import type { Reading, Request, Response } from './messages.ts';
import { LAX_READERS, type Reader, STRICT } from './reader.ts';

/** A reader that delimits a stream otherwise than the strict one does, and what it saw. */
export interface Disagreement {
  readonly reader: string;
  readonly saw: string;
}

export interface Agreement<M> {
  /** The strict reading. */
  readonly strict: Reading<M>;
  /** Empty when every reader that accepts the stream sees the same messages in it. */
  readonly disagreements: readonly Disagreement[];
}

/** Lets every reader read the same bytes, and compares where they see messages begin and end. */
export function agreement<M extends Request | Response>(
  read: (reader: Reader) => Reading<M>,
  ignored: readonly string[] = [],
): Agreement<M> {
  const strict = read(STRICT);
  // No forwarder that keeps to the standard can help a reader that skips trailers: it is not asked.
  const asked = LAX_READERS.filter((reader) => reader.trailer === 'fields' && !ignored.includes(reader.name));
  const views = asked.map((reader) => ({ reader: reader.name, reading: read(reader) }));
  const disagreements = strict.state === 'error' ? amongEachOther(views) : withStrict(strict, views);
  return { strict, disagreements };
}

interface View<M> {
  readonly reader: string;
  readonly reading: Reading<M>;
}

/** The strict reader refuses: the lax ones must at least not see different things. */
function amongEachOther<M extends Request | Response>(views: readonly View<M>[]): Disagreement[] {
  const byShape = new Map<string, string[]>();
  for (const { reader, reading } of views) {
    const shape = whole(reading);
    if (shape !== '') byShape.set(shape, [...(byShape.get(shape) ?? []), reader]);
  }
  return byShape.size > 1 ? [...byShape].map(([saw, readers]) => ({ reader: readers.join(' '), saw })) : [];
}

function withStrict<M extends Request | Response>(
  strict: Reading<M>,
  views: readonly View<M>[],
): Disagreement[] {
  return views
    .filter(({ reading }) => differs(strict, reading))
    .map(({ reader, reading }) => ({ reader, saw: whole(reading) }));
}

/** A reader that goes along as far as it goes, and then refuses, does no harm. */
function differs<M extends Request | Response>(strict: Reading<M>, lax: Reading<M>): boolean {
  const expected = strict.messages.map(shapeOf);
  const seen = lax.messages.map(shapeOf);
  if (lax.state === 'error') return seen.some((shape, index) => shape !== expected[index]);
  return seen.join() !== expected.join() || openShape(strict) !== openShape(lax);
}

function whole<M extends Request | Response>(reading: Reading<M>): string {
  return [...reading.messages.map(shapeOf), openShape(reading)].filter((shape) => shape !== '').join(' | ');
}

function shapeOf(message: Request | Response): string {
  const what = 'target' in message ? `${message.method} ${message.target}` : `${message.status}`;
  return `${message.start}-${message.end} ${what}`;
}

/** A message whose body has begun and not ended. */
function openShape<M extends Request | Response>({ state, unfinished }: Reading<M>): string {
  return state === 'incomplete' && unfinished?.stage === 'body'
    ? `${unfinished.start}- ${unfinished.kind}:${unfinished.length ?? ''}`
    : '';
}
