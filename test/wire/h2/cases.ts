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
];
