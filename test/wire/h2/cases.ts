import { type Fields, request } from './frames.ts';

/** A request in frames, and what must become of it. */
export interface Case {
  readonly name: string;
  readonly fields: Fields;
  /** Pieces of the body, each a DATA frame; undefined: the head ends the stream. */
  readonly body?: readonly string[];
  readonly trailers?: Fields;
  /** What the origin must be sent, to the byte where it matters; undefined: nothing at all. */
  readonly sent?: readonly RegExp[];
  readonly never?: RegExp;
}

const POST: Fields = [[':method', 'POST']];

/** What only we may say to an endpoint of a stranger. */
const OURS: Fields = [
  ['x-forwarded-proto', 'evil'],
  ['x-forwarded-host', 'evil.test'],
  ['x-forwarded-port', 'evil'],
  ['x-request-id', 'evil'],
  ['x-spillway-version', 'evil'],
  ['x-spillway-event', 'evil=1'],
  ['client-cert', 'evil'],
  ['x-client-cert-subject', 'evil'],
  ['proxy-authorization', 'evil'],
];

export const CASES: readonly Case[] = [
  // What is passed on.
  {
    name: 'a GET has no body and no framing',
    fields: request(),
    sent: [/^GET \/ HTTP\/1\.1\r\nhost: shop\.test\r\n/],
    never: /content-length|transfer-encoding/,
  },
  {
    name: 'a POST without a body says so',
    fields: request(POST),
    sent: [/content-length: 0\r\n/],
    never: /transfer-encoding/,
  },
  {
    name: 'a body of unknown length is chunked',
    fields: request(POST),
    body: ['ab', 'cde'],
    sent: [/transfer-encoding: chunked\r\n/, /\r\n\r\n(5\r\nabcde|2\r\nab\r\n3\r\ncde)\r\n0\r\n\r\n$/],
    never: /content-length/,
  },
  {
    name: 'a GET with a body is chunked',
    fields: request(),
    body: ['GET /smuggled HTTP/1.1\r\n\r\n'],
    sent: [/transfer-encoding: chunked\r\n/],
  },
  {
    name: 'a DELETE with a body is chunked',
    fields: request([[':method', 'DELETE']]),
    body: ['x'],
    sent: [/transfer-encoding: chunked\r\n/],
  },
  {
    name: 'an OPTIONS with a body is chunked',
    fields: request([[':method', 'OPTIONS']]),
    body: ['x'],
    sent: [/transfer-encoding: chunked\r\n/],
  },
  {
    name: 'a length that is true is kept',
    fields: request([...POST, ['content-length', '5']]),
    body: ['ab', 'cde'],
    sent: [/content-length: 5\r\n/, /\r\n\r\nabcde$/],
    never: /transfer-encoding/,
  },
  {
    name: 'host stands for :authority',
    fields: request([['host', 'other.test']], [':authority']),
    sent: [/\r\nhost: other\.test\r\n/],
  },
  {
    name: 'host that agrees is sent once',
    fields: request([['host', 'Shop.Test']]),
    sent: [/^[^\r]+\r\nhost: shop\.test\r\n(?!.*\r\nhost:)/s],
  },
  {
    name: 'crumbs of a cookie are joined',
    fields: request([
      ['cookie', 'a=1'],
      ['x-between', '1'],
      ['cookie', 'b=2'],
    ]),
    sent: [/\r\ncookie: a=1; b=2\r\n/],
  },
  {
    name: 'te: trailers is for us alone',
    fields: request([['te', 'trailers']]),
    sent: [/./],
    never: /\r\nte:/,
  },
  {
    name: 'trailers follow the last chunk',
    fields: request(POST),
    body: ['x'],
    trailers: [['x-sum', '7']],
    sent: [/1\r\nx\r\n0\r\nx-sum: 7\r\n\r\n$/],
  },
  {
    name: 'trailers that belong into a head are dropped',
    fields: request(POST),
    body: ['x'],
    trailers: [
      ['authorization', 'me'],
      ['x-sum', '7'],
    ],
    sent: [/0\r\nx-sum: 7\r\n\r\n$/],
  },
  {
    name: 'values of bytes above ASCII stay as they are',
    fields: request([['x-name', 'caf\xe9']]),
    sent: [/\r\nx-name: caf\xe9\r\n/],
  },
  {
    name: 'an underscore is no dash',
    fields: request([['x_forwarded_for', '6.6.6.6']]),
    sent: [/./],
    never: /6\.6\.6\.6/,
  },
  {
    name: 'strangers say nothing of where they come from',
    fields: request([
      ['x-forwarded-for', '6.6.6.6'],
      ['forwarded', 'for=6.6.6.6'],
      ['x-real-ip', '6.6.6.6'],
    ]),
    sent: [/\r\nx-forwarded-for: 127\.0\.0\.1\r\n/],
    never: /6\.6\.6\.6/,
  },
  {
    name: 'a query is kept',
    fields: request([[':path', '/a?b=c%20d']]),
    sent: [/^GET \/a\?b=c%20d HTTP\/1\.1\r\n/],
  },
  {
    name: 'a port is kept',
    fields: request([[':authority', 'shop.test:8443']]),
    sent: [/\r\nhost: shop\.test:8443\r\n/],
  },
  {
    name: 'an address of IPv6 is a host',
    fields: request([[':authority', '[::1]:8080']]),
    sent: [/\r\nhost: \[::1\]:8080\r\n/],
  },
  {
    name: 'a path that looks like an authority is a path',
    fields: request([[':path', '//evil.test/x']]),
    sent: [/^GET \/\/evil\.test\/x HTTP\/1\.1\r\nhost: shop\.test\r\n/],
  },
  {
    name: 'a method in lower case is another method',
    fields: request([[':method', 'get']]),
    sent: [/^get \/ HTTP\/1\.1\r\n/],
  },
  {
    name: 'an empty value and a tab within one stay as they are',
    fields: request([
      ['x-empty', ''],
      ['x-tab', 'a\tb'],
    ]),
    sent: [/\r\nx-empty: ?\r\n/, /\r\nx-tab: a\tb\r\n/],
  },
  {
    name: 'a length of nothing is kept',
    fields: request([...POST, ['content-length', '0']]),
    sent: [/\r\ncontent-length: 0\r\n/, /\r\n\r\n$/],
    never: /transfer-encoding/,
  },
  {
    name: 'a body that looks like the end of one is a body',
    fields: request(POST),
    body: ['0\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n'],
    sent: [/\r\n\r\n28\r\n0\r\n\r\nGET \/smuggled HTTP\/1\.1\r\nhost: a\r\n\r\n\r\n0\r\n\r\n$/],
    never: /content-length/,
  },
  {
    name: 'a HEAD with a body is chunked',
    fields: request([[':method', 'HEAD']]),
    body: ['x'],
    sent: [/transfer-encoding: chunked\r\n/],
  },
  {
    name: 'framing with underscores is no framing',
    fields: request([
      ['content_length', '50'],
      ['transfer_encoding', 'chunked'],
    ]),
    sent: [/./],
    never: /content.length|transfer.encoding/,
  },
  {
    name: 'what is ours to say, and who the client is, nobody else says',
    fields: request(OURS),
    sent: [/\r\nx-request-id: /],
    never: /evil/,
  },
  {
    name: 'nor in trailers',
    fields: request(POST),
    body: ['x'],
    trailers: [
      ...OURS,
      ['host', 'evil.test'],
      ['cookie', 'evil=1'],
      ['expect', '100-continue'],
      ['x-sum', '7'],
    ],
    sent: [/1\r\nx\r\n0\r\nx-sum: 7\r\n\r\n$/],
    never: /evil|expect/,
  },
  {
    name: 'trailers have no place after a length',
    fields: request([...POST, ['content-length', '1']]),
    body: ['x'],
    trailers: [['x-sum', '7']],
    sent: [/\r\n\r\nx$/],
  },

  // Pseudo-fields.
  { name: 'no method', fields: request([], [':method']) },
  { name: 'no path', fields: request([], [':path']) },
  { name: 'no scheme', fields: request([], [':scheme']) },
  { name: 'neither authority nor host', fields: request([], [':authority']) },
  { name: 'an empty authority', fields: request([[':authority', '']]) },
  { name: 'an empty path', fields: request([[':path', '']]) },
  { name: 'an empty method', fields: request([[':method', '']]) },
  {
    name: 'two methods',
    fields: request([
      [':method', 'GET'],
      [':method', 'POST'],
    ]),
  },
  {
    name: 'two paths',
    fields: request([
      [':path', '/'],
      [':path', '/admin'],
    ]),
  },
  {
    name: 'two authorities',
    fields: request([
      [':authority', 'shop.test'],
      [':authority', 'evil.test'],
    ]),
  },
  { name: 'a pseudo-field nobody knows', fields: request([[':version', '2']]) },
  { name: 'a pseudo-field of answers', fields: request([[':status', '200']]) },
  { name: 'a pseudo-field after others', fields: [...request([], [':path']), ['x-a', '1'], [':path', '/']] },
  { name: 'a scheme that is none of ours', fields: request([[':scheme', 'file']]) },
  {
    name: 'CONNECT',
    fields: [
      [':method', 'CONNECT'],
      [':authority', 'shop.test:22'],
    ],
  },
  {
    name: 'extended CONNECT, which was not offered',
    fields: request([
      [':method', 'CONNECT'],
      [':protocol', 'websocket'],
    ]),
  },
  { name: 'TRACE', fields: request([[':method', 'TRACE']]) },
  { name: 'host and authority that disagree', fields: request([['host', 'evil.test']]) },
  {
    name: 'two hosts',
    fields: request([
      ['host', 'shop.test'],
      ['host', 'shop.test'],
    ]),
  },
  {
    name: 'two hosts without an authority',
    fields: request(
      [
        ['host', 'shop.test'],
        ['host', 'evil.test'],
      ],
      [':authority'],
    ),
  },
  { name: 'an authority with a user', fields: request([[':authority', 'user@shop.test']]) },
  { name: 'an authority with a path', fields: request([[':authority', 'shop.test/x']]) },
  { name: 'an authority with a space', fields: request([[':authority', 'shop.test x']]) },
  { name: 'an authority with a line', fields: request([[':authority', 'shop.test\r\nx-evil: 1']]) },
  { name: 'a method with a space', fields: request([[':method', 'GET /smuggled HTTP/1.1\r\nx: y']]) },
  { name: 'a method with a tab', fields: request([[':method', 'GET\t']]) },
  { name: 'a path with a space', fields: request([[':path', '/ HTTP/1.1\r\nx-evil: 1']]) },
  { name: 'a path with only a space', fields: request([[':path', '/a b']]) },
  { name: 'a path with a line', fields: request([[':path', '/\r\nx-evil: 1']]) },
  { name: 'a path with a fragment', fields: request([[':path', '/a#b']]) },
  { name: 'a path without a slash', fields: request([[':path', 'admin']]) },
  { name: 'a path that is a URL', fields: request([[':path', 'http://evil.test/']]) },
  { name: 'a path with a byte above ASCII', fields: request([[':path', '/caf\xe9']]) },
  { name: 'an asterisk without OPTIONS', fields: request([[':path', '*']]) },
  { name: 'a path of a query', fields: request([[':path', '?a=b']]) },
  { name: 'a path with a tab', fields: request([[':path', '/a\tb']]) },
  { name: 'a path with a NUL', fields: request([[':path', '/a\0b']]) },
  { name: 'a path with a byte that deletes', fields: request([[':path', '/a\x7f']]) },
  { name: 'a path with a space before it', fields: request([[':path', ' /']]) },
  { name: 'a path with a space behind it', fields: request([[':path', '/ ']]) },
  { name: 'a path that is too long', fields: request([[':path', `/${'a'.repeat(20_000)}`]]) },
  { name: 'a method with lines before it', fields: request([[':method', '\r\nGET']]) },
  { name: 'a method with a colon', fields: request([[':method', 'GE:T']]) },
  { name: 'a method that is too long', fields: request([[':method', 'A'.repeat(40)]]) },
  {
    name: 'the preface as a request',
    fields: request([
      [':method', 'PRI'],
      [':path', '*'],
    ]),
  },
  { name: 'an empty scheme', fields: request([[':scheme', '']]) },
  { name: 'a scheme that is a URL', fields: request([[':scheme', 'http://evil.test/']]) },
  { name: 'a scheme with a line', fields: request([[':scheme', 'http\r\nx-evil: 1']]) },
  { name: 'a scheme with a space', fields: request([[':scheme', 'http ']]) },
  {
    name: 'two schemes',
    fields: request([
      [':scheme', 'http'],
      [':scheme', 'http'],
    ]),
  },
  {
    name: 'two equal paths',
    fields: request([
      [':path', '/'],
      [':path', '/'],
    ]),
  },
  { name: 'an authority of two', fields: request([[':authority', 'shop.test,evil.test']]) },
  { name: 'an authority with a port of letters', fields: request([[':authority', 'shop.test:http']]) },
  { name: 'an authority with an empty port', fields: request([[':authority', 'shop.test:']]) },
  { name: 'an authority with a password', fields: request([[':authority', 'shop.test:80@evil.test']]) },
  { name: 'an authority with a backslash', fields: request([[':authority', 'shop.test\\@evil.test']]) },
  { name: 'an authority with a query', fields: request([[':authority', 'shop.test?x']]) },
  { name: 'an authority with a percent sign', fields: request([[':authority', 'shop%00.test']]) },
  { name: 'an authority with a NUL', fields: request([[':authority', 'shop.test\0']]) },
  { name: 'an authority with a byte above ASCII', fields: request([[':authority', 'sh\xf6p.test']]) },
  { name: 'an empty host', fields: request([['host', '']]) },
  {
    name: 'an empty authority and a host',
    fields: request([
      [':authority', ''],
      ['host', 'shop.test'],
    ]),
  },
  { name: 'host and authority that disagree about the port', fields: request([['host', 'shop.test:80']]) },
  { name: 'a pseudo-field in upper case', fields: request([[':Path', '/']], [':path']) },
  { name: 'a pseudo-field without a name', fields: request([[':', 'x']]) },
  { name: 'a protocol without CONNECT', fields: request([[':protocol', 'websocket']]) },

  // Fields.
  { name: 'connection', fields: request([['connection', 'close']]) },
  {
    name: 'connection that names a field',
    fields: request([
      ['connection', 'x-a'],
      ['x-a', '1'],
    ]),
  },
  { name: 'keep-alive', fields: request([['keep-alive', 'timeout=5']]) },
  { name: 'proxy-connection', fields: request([['proxy-connection', 'close']]) },
  { name: 'upgrade', fields: request([['upgrade', 'websocket']]) },
  { name: 'http2-settings', fields: request([['http2-settings', 'AAMAAABk']]) },
  {
    name: 'transfer-encoding',
    fields: request([...POST, ['transfer-encoding', 'chunked']]),
    body: ['0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n'],
  },
  {
    name: 'transfer-encoding in upper case',
    fields: request([...POST, ['Transfer-Encoding', 'chunked']]),
    body: ['0\r\n\r\n'],
  },
  { name: 'te that is more than trailers', fields: request([['te', 'trailers, deflate']]) },
  { name: 'a name in upper case', fields: request([['X-Name', '1']]) },
  {
    name: 'two lengths',
    fields: request([...POST, ['content-length', '1'], ['content-length', '2']]),
    body: ['x'],
  },
  {
    name: 'two equal lengths',
    fields: request([...POST, ['content-length', '1'], ['content-length', '1']]),
    body: ['x'],
  },
  { name: 'a list of lengths', fields: request([...POST, ['content-length', '1, 1']]), body: ['x'] },
  { name: 'a length with a sign', fields: request([...POST, ['content-length', '+1']]), body: ['x'] },
  { name: 'an empty length', fields: request([...POST, ['content-length', '']]), body: ['x'] },
  {
    name: 'a length beyond all numbers',
    fields: request([...POST, ['content-length', '99999999999999999999']]),
    body: ['x'],
  },
  { name: 'a length and no body', fields: request([...POST, ['content-length', '5']]) },
  {
    name: 'a length and no body, to HEAD',
    fields: request([
      [':method', 'HEAD'],
      ['content-length', '5'],
    ]),
  },
  { name: 'an empty connection', fields: request([['connection', '']]) },
  { name: 'an empty te', fields: request([['te', '']]) },
  { name: 'te with a weight', fields: request([['te', 'trailers;q=0.5']]) },
  {
    name: 'a second te',
    fields: request([
      ['te', 'trailers'],
      ['te', 'chunked'],
    ]),
  },
  { name: 'an upgrade to what is spoken already', fields: request([['upgrade', 'h2c']]) },
  { name: 'an expectation that nobody knows', fields: request([['expect', 'x-evil']]) },
  {
    name: 'more fields than there may be',
    fields: request(Array.from({ length: 101 }, (_, nth) => [`x-${nth}`, '1'] as const)),
  },
  {
    name: 'far more fields than there may be',
    fields: request(Array.from({ length: 2000 }, () => ['a', ''] as const)),
  },
  { name: 'a value that is too long', fields: request([['x-a', 'a'.repeat(33_000)]]) },
  { name: 'a length that is negative', fields: request([...POST, ['content-length', '-1']]), body: ['x'] },
  {
    name: 'a length with a zero before it',
    fields: request([...POST, ['content-length', '01']]),
    body: ['x'],
  },
  { name: 'a length in hexadecimal', fields: request([...POST, ['content-length', '0x1']]), body: ['x'] },
  { name: 'a length with a letter', fields: request([...POST, ['content-length', '1a']]), body: ['x'] },
  { name: 'a length with a point', fields: request([...POST, ['content-length', '1.0']]), body: ['x'] },
  { name: 'a length with an exponent', fields: request([...POST, ['content-length', '1e0']]), body: ['x'] },
  { name: 'a length of two zeros', fields: request([...POST, ['content-length', '00']]), body: ['x'] },
  {
    name: 'a transfer-encoding of identity',
    fields: request([...POST, ['transfer-encoding', 'identity']]),
    body: ['x'],
  },
  {
    name: 'a transfer-encoding of nothing',
    fields: request([...POST, ['transfer-encoding', '']]),
    body: ['x'],
  },
  {
    name: 'a transfer-encoding and a length',
    fields: request([...POST, ['transfer-encoding', 'chunked'], ['content-length', '1']]),
    body: ['x'],
  },
];

/** Requests that turn out not to be sound when their heads may be with the origin already. */
export const BROKEN: readonly Case[] = [
  { name: 'longer than its length', fields: request([...POST, ['content-length', '3']]), body: ['abcdef'] },
  { name: 'shorter than its length', fields: request([...POST, ['content-length', '9']]), body: ['abc'] },
  ...(
    [
      ['a pseudo-field', [':path', '/evil']],
      ['another length', ['content-length', '9']],
      ['a transfer-encoding', ['transfer-encoding', 'chunked']],
      ['a connection', ['connection', 'close']],
      ['an upgrade', ['upgrade', 'h2c']],
      ['a name in upper case', ['X-Sum', '1']],
    ] as const
  ).map(([what, field]) => ({
    name: `with ${what} behind it`,
    fields: request(POST),
    body: ['x'],
    trailers: [field],
  })),
];

/** Values that would be more than one line in HTTP/1.1, and names that are none: the field, or the request, must be gone. */
export const SPLITTING: readonly { readonly name: string; readonly field: readonly [string, string] }[] = [
  { name: 'a value with a line', field: ['x-a', '1\r\nx-evil: 1'] },
  { name: 'a value with a line feed', field: ['x-a', '1\nx-evil: 1'] },
  { name: 'a value with a carriage return', field: ['x-a', '1\rx-evil: 1'] },
  { name: 'a value with a NUL', field: ['x-a', '1\0x-evil: 1'] },
  {
    name: 'a value with a whole request',
    field: ['x-a', '1\r\n\r\nGET /x-evil HTTP/1.1\r\nhost: a\r\n\r\n'],
  },
  { name: 'a cookie with a line', field: ['cookie', 'a=1\r\nx-evil: 1'] },
  { name: 'a name with a colon', field: ['x-evil: 1', '2'] },
  { name: 'a name with a line', field: ['x-a: 1\r\nx-evil', '2'] },
  { name: 'a name with a space', field: ['x-evil ', '1'] },
  { name: 'an empty name', field: ['', 'x-evil'] },
  { name: 'a value that is folded', field: ['x-a', '1\r\n x-evil: 1'] },
  { name: 'a value with a control byte', field: ['x-a', 'x-evil\x01'] },
  { name: 'a value with a byte that deletes', field: ['x-a', 'x-evil\x7f'] },
  { name: 'a value with a space before it', field: ['x-a', ' x-evil'] },
  { name: 'a value with a tab behind it', field: ['x-a', 'x-evil\t'] },
  { name: 'a length with a line', field: ['content-length', '0\r\nx-evil: 1'] },
  { name: 'a host with a line', field: ['host', 'shop.test\r\nx-evil: 1'] },
  { name: 'a name with a NUL', field: ['x-evil\0', '1'] },
  { name: 'a name with a tab before it', field: ['\tx-evil', '1'] },
  { name: 'a name with a byte above ASCII', field: ['x-evil\xe9', '1'] },
  { name: 'a name with a bracket', field: ['x-evil(', '1'] },
];
