import fc from 'fast-check';
import { Random } from '../differential/random.ts';

/** A request and the answer it is to get, as both ends send them. */
export interface Exchange {
  readonly request: Sent & { readonly method: string; readonly minor: number; readonly close: boolean };
  readonly answer: Sent & {
    readonly status: number;
    readonly minor: number;
    /** Interim answers that go before it. */
    readonly interim: readonly number[];
  };
}

export interface Sent {
  readonly fields: readonly Pair[];
  readonly body: string;
  /** How the body is delimited; `close` goes for answers only. */
  readonly framing: 'none' | 'length' | 'chunked' | 'close';
  /** Sizes of chunks, taken in turn. */
  readonly chunks: readonly number[];
  readonly trailers: readonly Pair[];
}

export type Pair = readonly [name: string, value: string];

/** A connection: what is asked on it, one request right behind the other, and how the streams are cut. */
export interface Conversation {
  readonly exchanges: readonly Exchange[];
  /** Sizes of packets of the client and of the origin, taken in turn. */
  readonly packets: readonly number[];
}

export const FIELD_NAMES = ['x-a', 'X-B', 'accept', "x!#$%&'*+.^`|~0", 'via'];
export const TRAILER_NAMES = ['x-sum', 'X-Signed'];

const VALUE_BYTES = [...'abcXYZ019 \t,;:="/()%\x80\xa0\xe9\xff'];

const value = fc
  .string({ unit: fc.constantFrom(...VALUE_BYTES), maxLength: 30 })
  .map((text) => text.replace(/^[ \t]+|[ \t]+$/g, ''));
const pairs = (names: readonly string[], most: number) =>
  fc.array(fc.tuple(fc.constantFrom(...names), value), { maxLength: most });

/** Bytes of every kind, line ends and what looks like heads among them. */
const body = fc
  .record({
    size: fc.oneof(
      { weight: 3, arbitrary: fc.nat(40) },
      fc.nat(5_000),
      fc.integer({ min: 60_000, max: 250_000 }),
    ),
    seed: fc.nat(),
  })
  .map(({ size, seed }) => bytes(size, new Random(seed)));

const PIECES = ['\r\n', '\n', '\0', '0\r\n\r\n', 'GET / HTTP/1.1\r\n\r\n', 'HTTP/1.1 200 OK\r\n\r\n'];

function bytes(size: number, random: Random): string {
  const pieces: string[] = [];
  for (let length = 0; length < size; ) {
    const piece =
      random.below(8) === 0
        ? random.pick(PIECES)
        : String.fromCharCode(random.below(256)).repeat(1 + random.below(200));
    pieces.push(piece);
    length += piece.length;
  }
  return pieces.join('').slice(0, size);
}

const payload = fc.record({
  fields: pairs(FIELD_NAMES, 6),
  body,
  chunks: fc.array(fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 100_000 })), {
    minLength: 1,
    maxLength: 4,
  }),
  trailers: pairs(TRAILER_NAMES, 2),
});

const request = fc
  .record({
    payload,
    method: fc.constantFrom('GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'PURGE'),
    framing: fc.constantFrom('none', 'length', 'chunked'),
  })
  .map(({ payload, method, framing }) => ({
    ...sent(payload, framing),
    method,
    minor: 1,
    close: false,
  }));

const answer = fc
  .record({
    payload,
    status: fc.constantFrom(200, 200, 201, 204, 304, 404, 500, 599),
    framing: fc.constantFrom('length', 'chunked', 'close'),
    minor: fc.constantFrom(1, 1, 1, 0),
    interim: fc.array(fc.constantFrom(102, 103), { maxLength: 3 }),
  })
  .map(({ payload, status, framing, minor, interim }) => ({
    ...sent(
      payload,
      status === 204 || status === 304 ? 'none' : minor === 0 && framing === 'chunked' ? 'close' : framing,
    ),
    status,
    minor,
    interim,
  }));

function sent({ fields, body, chunks, trailers }: Omit<Sent, 'framing'>, framing: Sent['framing']): Sent {
  const chunked = framing === 'chunked';
  return { fields, framing, body: framing === 'none' ? '' : body, chunks, trailers: chunked ? trailers : [] };
}

/** The last request may be of HTTP/1.0, or ask for the end of the connection: nothing can follow it. */
const last = fc.record({ minor: fc.constantFrom(0, 1), close: fc.boolean() });

export const conversation: fc.Arbitrary<Conversation> = fc
  .record({
    exchanges: fc.array(fc.record({ request, answer }), { minLength: 1, maxLength: 8 }),
    last,
    packets: fc.array(fc.oneof(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 70_000 })), {
      minLength: 1,
      maxLength: 6,
    }),
  })
  .map(({ exchanges, last, packets }) => ({
    exchanges: [...exchanges.slice(0, -1), ended(exchanges.at(-1)!, last)],
    packets,
  }));

function ended({ request, answer }: Exchange, { minor, close }: { minor: number; close: boolean }): Exchange {
  const framing = minor === 0 && request.framing === 'chunked' ? 'length' : request.framing;
  return { request: { ...request, ...sent(request, framing), minor, close: close || minor === 0 }, answer };
}
