import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { allowedTrailers, ChunkedDecoder, DONE } from '../../src/http/chunked.ts';
import { BAD, Head, MORE, TOO_LARGE } from '../../src/http/head.ts';
import { piece } from '../../src/http/piece.ts';

const LIMITS = { targetBytes: 100, headBytes: 300, headers: 4 };

interface Decoded {
  readonly result: number;
  readonly payload: string;
  readonly trailers: string;
  /** What is left behind the body. */
  readonly rest: string;
}

/** Feeds the text in pieces that end at `cuts`, each where another read would put it: at an offset of its own. */
function decode(text: string, cuts: readonly number[] = [], decoder = new ChunkedDecoder()): Decoded {
  const fields = new Head();
  decoder.reset();
  let payload = '';
  let result = MORE;
  let at = 0;
  for (const end of [...cuts, text.length]) {
    const offset = at % 7;
    const buffer = Buffer.from(`${'#'.repeat(offset)}${text.slice(at, end)}#`, 'latin1');
    result = decoder.decode(buffer, offset, buffer.length - 1, fields, LIMITS);
    if (result < MORE) return { result, payload, trailers: '', rest: '' };
    payload += buffer.toString('latin1', decoder.from, decoder.to);
    if (result === DONE) {
      const trailers = decoder.trailer === undefined ? '' : allowedTrailers(decoder.trailer, fields);
      return { result, payload, trailers, rest: text.slice(at + decoder.next - offset) };
    }
    assert.equal(decoder.next, buffer.length - 1);
    at = end;
  }
  return { result, payload, trailers: '', rest: '' };
}

const latin1 = fc.string({ unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)) });
const chunk = fc
  .tuple(
    latin1.filter((data) => data !== ''),
    fc.constantFrom('', '0', '000'),
    fc.constantFrom('', ';x', ';x=1;y="a b"', '; '),
    fc.boolean(),
  )
  .map(([data, zeros, extension, upper]) => {
    const size = data.length.toString(16);
    return { data, text: `${zeros}${upper ? size.toUpperCase() : size}${extension}\r\n${data}\r\n` };
  });
const body = fc.record({
  chunks: fc.array(chunk, { maxLength: 6 }),
  last: fc.constantFrom('0', '000', '0;x'),
  trailers: fc.constantFrom('', 'x-sum: 1\r\n', 'x-sum: 1\r\nx-more:\t2 \r\n'),
  rest: fc.constantFrom('', 'GET / HTTP/1.1\r\n', '\r\n'),
});

test('a body gives the same payload, trailers and end wherever it is cut', () => {
  const decoder = new ChunkedDecoder();
  fc.assert(
    fc.property(body, fc.array(fc.nat(), { maxLength: 12 }), ({ chunks, last, trailers, rest }, places) => {
      const framed = `${chunks.map(({ text }) => text).join('')}${last}\r\n${trailers}\r\n`;
      const cuts = [...new Set(places.map((place) => place % framed.length))].sort((a, b) => a - b);
      assert.deepEqual(decode(framed + rest, cuts, decoder), {
        result: DONE,
        payload: chunks.map(({ data }) => data).join(''),
        trailers: trailers.replace(/:\t2 /, ': 2'),
        rest,
      });
    }),
    { numRuns: 500 },
  );
});

test('a body cut at every byte is asked more of until its last', () => {
  const text = '5;x\r\nhello\r\n00a\r\n0123456789\r\n0\r\nx-sum: 1\r\n\r\n';
  const every = Array.from({ length: text.length - 1 }, (_, i) => i + 1);
  assert.deepEqual(decode(text, every), {
    result: DONE,
    payload: 'hello0123456789',
    trailers: 'x-sum: 1\r\n',
    rest: '',
  });
  for (const end of every) assert.equal(decode(text.slice(0, end)).result, MORE, `${end}`);
});

test('what is encoded decodes to itself, in however many pieces it is written', () => {
  fc.assert(
    fc.property(fc.array(latin1, { minLength: 1 }), fc.boolean(), (parts, trailed) => {
      const trailers = trailed ? 'x-sum: 1\r\n' : '';
      const written = parts.map((part, i) => {
        const buffer = Buffer.from(`##${part}##`, 'latin1');
        const end = i === parts.length - 1 ? trailers : undefined;
        return piece('', buffer, 2, 2 + part.length, true, end).toString('latin1');
      });
      assert.deepEqual(decode(written.join('')), {
        result: DONE,
        payload: parts.join(''),
        trailers,
        rest: '',
      });
    }),
  );
});

test('a byte that is wrong is never passed over', () => {
  for (const text of [
    '\r\n',
    'g\r\n',
    '-1\r\n',
    '+1\r\na\r\n',
    '0x1\r\na\r\n',
    ' 1\r\na\r\n',
    '1 \r\na\r\n',
    '1 ;x\r\na\r\n',
    '1\na\r\n',
    '1\r\r\na\r\n',
    '1\ra\r\n',
    ';x\r\n',
    '1;\x00\r\na\r\n',
    '1;x\na\r\n',
    '1;x\r;\r\na\r\n',
    '1\r\nab\r\n',
    '1\r\na\n',
    '1\r\na\r0',
    '1\r\na0\r\n\r\n',
    `${'0'.repeat(17)}\r\n`,
    'fffffffffffffffff\r\n',
    '20000000000000\r\n',
    '0\r\n\n',
    '0\r\n\r\r\n',
    '0\r\nx\r\n\r\n',
    '0\r\nx : 1\r\n\r\n',
    '0\r\nx: 1\n\r\n',
    '0\r\nx: 1\r\n folded\r\n\r\n',
    '0\r\ncontent-length: x\r\n\r\n',
  ]) {
    assert.equal(decode(text).result, BAD, JSON.stringify(text));
    const every = Array.from({ length: text.length - 1 }, (_, i) => i + 1);
    assert.equal(decode(text, every).result, BAD, `${JSON.stringify(text)} byte by byte`);
  }
});

test('extensions and trailers are bounded', () => {
  const extended = `1;${'x'.repeat(1000)}\r\na\r\n`;
  assert.equal(decode(extended.repeat(4)).result, MORE);
  assert.equal(decode(extended.repeat(5)).result, TOO_LARGE);
  assert.equal(decode(`0\r\nx: ${'1'.repeat(400)}\r\n\r\n`).result, TOO_LARGE);
  assert.equal(decode(`0\r\nx: ${'1'.repeat(400)}`).result, TOO_LARGE);
  assert.equal(decode(`0\r\n${'x: 1\r\n'.repeat(5)}\r\n`).result, TOO_LARGE);
});

test('a trailer that frames, routes or authenticates goes no further', () => {
  const lines = [
    'x-sum: 1',
    'Content-Length: 5',
    'host: b',
    'Authorization: x',
    'set-cookie: a=b',
    'x-forwarded-for: 1',
    'x-spillway-version: canary',
    'under_score: 1',
    'connection: close',
    'server-timing: a',
  ].map((line) => `${line}\r\n`);
  let passed = '';
  for (const line of lines) passed += decode(`0\r\n${line}\r\n`).trailers;
  assert.equal(passed, 'x-sum: 1\r\nserver-timing: a\r\n');
});

test('a decoder that is reset remembers nothing', () => {
  const decoder = new ChunkedDecoder();
  for (const broken of ['5\r\nhel', '5;xx', '0\r\nx: 1\r\n', '12', 'zz']) {
    decode(broken, [], decoder);
    assert.deepEqual(decode('2\r\nok\r\n0\r\n\r\n', [], decoder), {
      result: DONE,
      payload: 'ok',
      trailers: '',
      rest: '',
    });
  }
});
