import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  BAD,
  BAD_CODING,
  BAD_EXPECTATION,
  BAD_METHOD,
  BAD_VERSION,
  dropNominated,
  Head,
  MORE,
  parseRequest,
  parseResponse,
  TARGET_TOO_LONG,
  TOO_LARGE,
} from '../../src/http/head.ts';
import { CONNECTION, COOKIE, NOMINATED } from '../../src/http/names.ts';
import { requests, responses } from './arbitraries.ts';

const LIMITS = { targetBytes: 100, headBytes: 2000, headers: 20 };
const NAMES: Readonly<Record<number, string>> = {
  [MORE]: 'MORE',
  [BAD]: 'BAD',
  [TARGET_TOO_LONG]: 'TARGET_TOO_LONG',
  [TOO_LARGE]: 'TOO_LARGE',
  [BAD_VERSION]: 'BAD_VERSION',
  [BAD_CODING]: 'BAD_CODING',
  [BAD_EXPECTATION]: 'BAD_EXPECTATION',
  [BAD_METHOD]: 'BAD_METHOD',
};

type Parse = typeof parseRequest;

/** Bytes with the 0 behind them that parsers run into; what is behind that must not matter. */
function bytes(text: string): { buffer: Buffer; end: number } {
  return { buffer: Buffer.from(`${text}\0\r\n\r\n`, 'latin1'), end: text.length };
}

/** The verdict as a word, or where the body begins. */
function verdict(parse: Parse, text: string, limits = LIMITS): string | number {
  const { buffer, end } = bytes(text);
  const result = parse(buffer, 0, end, new Head(), limits);
  return NAMES[result] ?? result;
}

/** Everything a head says, in a form that can be compared. */
function read(parse: Parse, text: string, end = text.length): unknown {
  const { buffer } = bytes(text.slice(0, end));
  const head = new Head();
  const result = parse(buffer, 0, end, head, { targetBytes: 60_000, headBytes: 60_000, headers: 100 });
  if (result < 0) return NAMES[result];
  const { spans, kinds, count, ...rest } = head;
  return { result, rest, spans: spans.slice(0, 4 * count), kinds: kinds.slice(0, count) };
}

const request = (text: string) => verdict(parseRequest, text);
const fields = (lines: string) => request(`GET / HTTP/1.1\r\nhost: a\r\n${lines}\r\n\r\n`);
const response = (text: string) => verdict(parseResponse, text);

test('a head is read the same wherever it is cut, and until it is whole it only asks for more', () => {
  for (const [parse, messages] of [
    [parseRequest, requests],
    [parseResponse, responses],
  ] as const) {
    fc.assert(
      fc.property(messages, (message) => {
        const head = message.head;
        for (let end = 0; end < head.length; end++)
          assert.equal(read(parse, head, end), 'MORE', JSON.stringify(head.slice(0, end)));
        const whole = read(parse, head);
        assert.equal((whole as { result: number }).result, head.length);
        // What follows a head changes nothing in it.
        assert.deepEqual(read(parse, `${head}GET / HTTP`), whole);
      }),
      { numRuns: 60 },
    );
  }
});

test('a head that is refused is refused or asked more of, wherever it is cut, and never accepted', () => {
  fc.assert(
    fc.property(requests, fc.nat(), fc.integer({ min: 0, max: 255 }), ({ head }, seed, byte) => {
      const at = seed % head.length;
      const spoilt = head.slice(0, at) + String.fromCharCode(byte) + head.slice(at + 1);
      const final = request(spoilt);
      for (let end = 0; end < spoilt.length; end++) {
        const early = request(spoilt.slice(0, end));
        if (typeof early === 'number') assert.equal(final, early);
        else if (early !== 'MORE') assert.equal(typeof final, 'string');
      }
    }),
    { numRuns: 200 },
  );
});

test('fields are found by name and given without the spaces around them', () => {
  const { buffer, end } = bytes(
    'POST /a?b HTTP/1.1\r\nHost: Shop.example:80\r\nX-Id:\t 7 \t\r\ncookie: a=1\r\nCookie: b=2\r\nx-none:\r\n\r\n',
  );
  const head = new Head();
  assert.ok(parseRequest(buffer, 0, end, head, LIMITS) > 0);
  const at = (from: number, to: number) => buffer.toString('latin1', from, to);
  assert.equal(at(head.targetStart, head.targetEnd), '/a?b');
  assert.equal(at(head.hostStart, head.hostEnd), 'Shop.example');
  assert.equal(at(head.hostStart, head.authorityEnd), 'Shop.example:80');
  assert.equal(head.value(buffer, head.findName(buffer, Buffer.from('x-id'))), '7');
  assert.equal(head.value(buffer, head.findName(buffer, Buffer.from('x-none'))), '');
  assert.equal(head.findName(buffer, Buffer.from('cookie')), -2);
  assert.equal(head.findName(buffer, Buffer.from('x-other')), -1);
  assert.equal(head.find(COOKIE), 2);
  assert.equal(head.find(COOKIE, 3), 3);
  assert.equal(head.find(COOKIE, 4), -1);
  assert.equal(head.has(COOKIE), true);
  assert.equal(head.has(CONNECTION), false);
  assert.equal(head.idempotent, false);
  assert.equal(head.loose, true);
});

test('a request line has one form', () => {
  for (const line of [
    'GET  / HTTP/1.1',
    'GET\t/ HTTP/1.1',
    ' GET / HTTP/1.1',
    'GET / HTTP/1.1 ',
    'GET /',
    'GET / http/1.1',
    'GET / HTTP/1.1x',
    'G(T / HTTP/1.1',
    'GET /\x80 HTTP/1.1',
    'GET /#x HTTP/1.1',
    'GET x HTTP/1.1',
    'GET * HTTP/1.1',
    'GET ftp://a/ HTTP/1.1',
    'GET http:///x HTTP/1.1',
    'GET http://user@a/ HTTP/1.1',
    'GET http://b/ HTTP/1.1',
    `${'M'.repeat(33)} / HTTP/1.1`,
  ])
    assert.equal(request(`${line}\r\nhost: a\r\n\r\n`), 'BAD', line);
});

test('one empty line may stand before a request, and no more', () => {
  assert.equal(typeof request('\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n'), 'number');
  for (const start of ['\r\n\r\n', '\n', '\r\r\n', ' \r\n'])
    assert.equal(request(`${start}GET / HTTP/1.1\r\nhost: a\r\n\r\n`), 'BAD', JSON.stringify(start));
});

test('versions other than 1.0 and 1.1 are refused as such', () => {
  for (const version of ['HTTP/1.2', 'HTTP/2.0', 'HTTP/0.9', 'HTTP/3.1'])
    assert.equal(request(`GET / ${version}\r\nhost: a\r\n\r\n`), 'BAD_VERSION', version);
  for (const version of ['HTTP/1.x', 'HTTP/x.1', 'HTTPS/1.1', 'HTTP/ 1.1', 'HTTP/11'])
    assert.equal(request(`GET / ${version}\r\nhost: a\r\n\r\n`), 'BAD', version);
});

test('CONNECT and TRACE are not served', () => {
  for (const method of ['CONNECT', 'TRACE'])
    assert.equal(request(`${method} / HTTP/1.1\r\nhost: a\r\n\r\n`), 'BAD_METHOD', method);
});

test('field lines have one form', () => {
  for (const line of [
    'x : 1',
    ': 1',
    'x',
    'x y: 1',
    'x\x00: 1',
    'x: a\x00b',
    'x: a\rb',
    'x: a\nb',
    'x: a\x7fb',
    'x: a\x01b',
    'x: a\n',
    'x: a\r\n folded',
    'x: a\r\n\tfolded',
    '\xe9: 1',
    '(x): 1',
  ])
    assert.equal(fields(line), 'BAD', JSON.stringify(line));
  for (const line of ['x: a\tb', 'x: \xff\x80', 'x:', 'x:   ', "!#$%&'*+-.^_`|~09azAZ: 1"])
    assert.equal(typeof fields(line), 'number', JSON.stringify(line));
});

test('a length is one exact number', () => {
  for (const value of [
    '',
    '+1',
    '-1',
    '0x1',
    '1 2',
    '1,1',
    '1, 1',
    '1.0',
    '01',
    '00',
    '٣',
    '1'.repeat(16),
    '1\r\ncontent-length: 1',
    '1\r\nContent-Length: 2',
  ])
    assert.equal(fields(`content-length: ${value}`), 'BAD', value);
  for (const value of ['0', '1', '9'.repeat(15)])
    assert.equal(typeof fields(`content-length: ${value}`), 'number', value);
});

test('the only transfer coding is chunked, once, without a length, in HTTP/1.1', () => {
  for (const value of [
    'gzip',
    'gzip, chunked',
    'chunked, chunked',
    'chunked;x',
    'xchunked',
    'identity',
    '',
    'chunked\r\ntransfer-encoding: chunked',
    'identity\r\nTransfer-Encoding: chunked',
  ])
    assert.equal(fields(`transfer-encoding: ${value}`), 'BAD_CODING', JSON.stringify(value));
  assert.equal(fields('transfer-encoding: chunked\r\ncontent-length: 1'), 'BAD');
  assert.equal(fields('content-length: 0\r\ntransfer-encoding: Chunked'), 'BAD');
  assert.equal(request('POST / HTTP/1.0\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n'), 'BAD');
  assert.equal(typeof fields('transfer-encoding: CHUNKED'), 'number');
});

test('a request names its host once, and says the same in its target', () => {
  assert.equal(request('GET / HTTP/1.1\r\n\r\n'), 'BAD');
  assert.equal(typeof request('GET / HTTP/1.0\r\n\r\n'), 'number');
  for (const host of [
    '',
    ' ',
    'a b',
    'a/b',
    'a@b',
    'a:',
    'a:x',
    'a:123456',
    '[::1',
    '[]',
    '[::g]',
    'a\xe9',
    'a,b',
  ])
    assert.equal(request(`GET / HTTP/1.1\r\nhost: ${host}\r\n\r\n`), 'BAD', host);
  assert.equal(request('GET / HTTP/1.1\r\nhost: a\r\nHost: a\r\n\r\n'), 'BAD');
  for (const [target, host] of [
    ['http://a/x', 'A'],
    ['HTTPS://a:8/x', 'a:8'],
    ['http://a', 'a'],
    ['http://a?x', 'a'],
  ])
    assert.equal(typeof request(`GET ${target} HTTP/1.1\r\nhost: ${host}\r\n\r\n`), 'number', target);
  assert.equal(request('GET http://a:8/ HTTP/1.1\r\nhost: a\r\n\r\n'), 'BAD');
  assert.equal(request('GET http://a/ HTTP/1.1\r\n\r\n'), 'BAD');
});

test('the asterisk is a target of OPTIONS only', () => {
  assert.equal(typeof request('OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n'), 'number');
  assert.equal(request('POST * HTTP/1.1\r\nhost: a\r\n\r\n'), 'BAD');
});

test('the only expectation is 100-continue', () => {
  assert.equal(fields('expect: a-miracle'), 'BAD_EXPECTATION');
  assert.equal(fields('expect: 100-continue, other'), 'BAD_EXPECTATION');
  assert.equal(typeof fields('expect: 100-Continue'), 'number');
});

test('connection options are tokens', () => {
  assert.equal(fields('connection: close; x'), 'BAD');
  assert.equal(fields('connection: "close"'), 'BAD');
  assert.equal(typeof fields('connection: , close ,, x\t, '), 'number');
});

test('each limit has a refusal of its own', () => {
  const limits = { targetBytes: 10, headBytes: 100, headers: 3 };
  const judge = (text: string) => verdict(parseRequest, text, limits);
  const line = 'GET / HTTP/1.1\r\nhost: a\r\n';
  assert.equal(typeof judge('GET /123456789 HTTP/1.1\r\nhost: a\r\n\r\n'), 'number');
  assert.equal(judge('GET /1234567890 HTTP/1.1\r\nhost: a\r\n\r\n'), 'TARGET_TOO_LONG');
  assert.equal(judge('GET /1234567890'), 'TARGET_TOO_LONG');
  assert.equal(typeof judge(`${line}x: 1\r\ny: 2\r\n\r\n`), 'number');
  assert.equal(judge(`${line}x: 1\r\ny: 2\r\nz: 3\r\n\r\n`), 'TOO_LARGE');
  // Up to and with the last field line, the empty line not counted.
  const most = 100 - line.length - 'x: \r\n'.length;
  assert.equal(typeof judge(`${line}x: ${'1'.repeat(most)}\r\n\r\n`), 'number');
  assert.equal(judge(`${line}x: ${'1'.repeat(most + 1)}\r\n\r\n`), 'TOO_LARGE');
  assert.equal(judge(`${line}x: ${'1'.repeat(100)}`), 'TOO_LARGE');
});

test('whether a connection goes on follows from version and Connection', () => {
  const ends = (version: string, connection: string) => {
    const { buffer, end } = bytes(`GET / HTTP/${version}\r\nhost: a\r\n${connection}\r\n`);
    const head = new Head();
    parseRequest(buffer, 0, end, head, LIMITS);
    return head.close;
  };
  assert.equal(ends('1.1', ''), false);
  assert.equal(ends('1.1', 'connection: x, Close\r\n'), true);
  assert.equal(ends('1.0', ''), true);
  assert.equal(ends('1.0', 'connection: Keep-Alive\r\n'), false);
  assert.equal(ends('1.0', 'connection: keep-alive, close\r\n'), true);
});

test('a head is read afresh each time', () => {
  const head = new Head();
  const first = bytes(
    'OPTIONS * HTTP/1.0\r\nhost: a\r\nconnection: x, upgrade, close\r\nupgrade: y\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\n',
  );
  const second = bytes('GET / HTTP/1.1\r\nhost: b\r\n\r\n');
  parseRequest(first.buffer, 0, first.end, head, LIMITS);
  parseRequest(second.buffer, 0, second.end, head, LIMITS);
  const fresh = new Head();
  parseRequest(second.buffer, 0, second.end, fresh, LIMITS);
  for (const name of ['spans', 'kinds', 'methodEnd'] as const) Object.assign(head, { [name]: fresh[name] });
  assert.deepEqual(head, fresh);
});

test('Connection drops the fields it names, but none that others rely on', () => {
  const { buffer, end } = bytes(
    'GET / HTTP/1.1\r\nhost: a\r\nX-Hop: 1\r\nx-user: 2\r\ncookie: c\r\nx-forwarded-for: 3\r\nx-kept: 4\r\nconnection: x-hop, X-User\r\nconnection: host,cookie , x-forwarded-for\r\n\r\n',
  );
  const head = new Head();
  assert.ok(parseRequest(buffer, 0, end, head, LIMITS) > 0);
  assert.equal(head.nominates, true);
  dropNominated(buffer, head, Buffer.from('x-user'));
  const dropped = [];
  for (let i = 0; i < head.count; i++)
    if (head.kinds[i] === NOMINATED)
      dropped.push(buffer.toString('latin1', head.spans[4 * i], head.spans[4 * i + 1]));
  assert.deepEqual(dropped, ['X-Hop']);
});

test('a status line has one form', () => {
  for (const line of [
    'HTTP/1.1 20 OK',
    'HTTP/1.1 2000 OK',
    'HTTP/1.1 099 x',
    'HTTP/1.1 600 x',
    'HTTP/1.1  200 OK',
    'HTTP/1.1 200 O\x00K',
    'HTTP/1.1 2x0 OK',
    'HTTP/2.0 200 OK',
    'HTTP/1.1x200 OK',
    'http/1.1 200 OK',
    ' HTTP/1.1 200 OK',
    '\r\nHTTP/1.1 200 OK',
    '200 OK',
  ])
    assert.equal(response(`${line}\r\n\r\n`), 'BAD', JSON.stringify(line));
  for (const line of ['HTTP/1.1 200', 'HTTP/1.1 200 ', 'HTTP/1.0 200 OK', 'HTTP/1.1 599 \xe9 a\tb'])
    assert.equal(typeof response(`${line}\r\n\r\n`), 'number', JSON.stringify(line));
});

test('an answer is framed one way only', () => {
  const framed = (lines: string, version = '1.1') => response(`HTTP/${version} 200 OK\r\n${lines}\r\n\r\n`);
  assert.equal(framed('content-length: 1\r\ntransfer-encoding: chunked'), 'BAD');
  assert.equal(framed('transfer-encoding: chunked\r\ncontent-length: 1'), 'BAD');
  assert.equal(framed('content-length: 1\r\ncontent-length: 1'), 'BAD');
  assert.equal(framed('transfer-encoding: gzip'), 'BAD_CODING');
  assert.equal(framed('transfer-encoding: chunked', '1.0'), 'BAD');
  assert.equal(typeof framed('transfer-encoding: chunked'), 'number');
});
