import {
  block,
  DATA,
  END_HEADERS,
  END_STREAM,
  type Fields,
  frame,
  HEADERS,
  PROTOCOL_ERROR,
  request,
} from '../frames.ts';
import { answers, get, post, type Rule, refuses, resets } from './rule.ts';

const data = frame(DATA, 0, 1, 'data');
const last = frame(DATA, END_STREAM, 1, 'data');

function trailers(fields: Fields, flags = END_HEADERS | END_STREAM): Buffer {
  return frame(HEADERS, flags, 1, block(fields));
}

function asking(fields: Fields): Buffer {
  return frame(HEADERS, END_HEADERS | END_STREAM, 1, block(fields));
}

/** One that is said twice. */
function twice(name: string): Fields {
  const [field] = request().filter((each) => each[0] === name);
  return [...request(), field!];
}

const DROPPED = {
  because: 'nghttp2 drops such a field before we, or anybody behind us, could see it',
  instead: answers(),
};

/** What is said in frames (§8). */
export const MESSAGES: readonly Rule[] = [
  { section: '8.1', name: 'a GET is answered', script: [get()], outcome: answers() },
  { section: '8.1', name: 'a HEAD is answered', script: [get(1, [[':method', 'HEAD']])], outcome: answers() },
  { section: '8.1', name: 'a POST is answered', script: [post(), last], outcome: answers() },
  {
    section: '8.1',
    name: 'a POST without a body is answered',
    script: [get(1, [[':method', 'POST']])],
    outcome: answers(),
  },
  {
    section: '8.1',
    name: 'a POST with trailers is answered',
    script: [post(1, [['trailer', 'x-sum']]), data, trailers([['x-sum', '4']])],
    outcome: answers(),
  },
  {
    section: '8.1',
    name: 'trailers may follow a head at once',
    script: [post(), trailers([['x-sum', '0']])],
    outcome: answers(),
  },
  {
    section: '8.1',
    name: 'after trailers there is nothing',
    script: [post(), data, trailers([['x-sum', '4']], END_HEADERS)],
    outcome: resets(PROTOCOL_ERROR),
  },
  {
    section: '8.1',
    name: 'trailers have no pseudo-fields',
    script: [post(), data, trailers([[':method', 'POST']])],
    outcome: resets(PROTOCOL_ERROR),
  },
  {
    section: '8.1',
    name: 'trailers have no names in upper case',
    script: [post(), data, trailers([['X-Sum', '4']])],
    outcome: resets(PROTOCOL_ERROR),
  },

  ...(
    [
      ['shorter than the body', '1', [last]],
      ['shorter than a body in several frames', '5', [data, last]],
      ['longer than the body', '5', [last]],
      ['longer than a body with trailers', '5', [data, trailers([['x-sum', '4']])]],
      ['not that of no body', '1', [frame(DATA, END_STREAM, 1)]],
    ] as const
  ).map(
    ([name, length, body]): Rule => ({
      section: '8.1.1',
      name: `a length must be true: one ${name}`,
      script: [post(1, [['content-length', length]]), ...body],
      outcome: resets(PROTOCOL_ERROR),
    }),
  ),
  {
    section: '8.1.1',
    name: 'a length must be true: one of a request that has ended',
    script: [get(1, [['content-length', '1']])],
    outcome: resets(PROTOCOL_ERROR),
  },
  {
    section: '8.1.1',
    name: 'a length that is true does no harm',
    script: [post(1, [['content-length', '8']]), data, last],
    outcome: answers(),
  },

  ...(
    [
      ['in upper case', 'X-NAME'],
      ['with a letter in upper case', 'x-Name'],
    ] as const
  ).map(
    ([name, field]): Rule => ({
      section: '8.2.1',
      name: `there are no names ${name}`,
      script: [get(1, [[field, '1']])],
      outcome: resets(PROTOCOL_ERROR),
    }),
  ),
  ...(
    [
      ['with a space', 'x name'],
      ['with a colon', 'x:name'],
      ['with a byte above ASCII', 'x-n\xe9'],
      ['of nothing', ''],
    ] as const
  ).map(
    ([name, field]): Rule => ({
      section: '8.2.1',
      name: `there are no names ${name}`,
      script: [get(1, [[field, '1']])],
      outcome: refuses(),
      broken: DROPPED,
    }),
  ),
  ...(
    [
      ['a NUL', 'a\0b'],
      ['a line feed', 'a\nb'],
      ['a carriage return', 'a\rb'],
      ['a space before', ' a'],
      ['a tab behind', 'a\t'],
    ] as const
  ).map(
    ([name, value]): Rule => ({
      section: '8.2.1',
      name: `there are no values with ${name}`,
      script: [get(1, [['x-name', value]])],
      outcome: refuses(),
      broken: DROPPED,
    }),
  ),
  {
    section: '8.2.1',
    name: 'values may have bytes above ASCII',
    script: [get(1, [['x-name', 'caf\xe9']])],
    outcome: answers(),
  },

  ...(
    [
      ['connection', 'keep-alive'],
      ['keep-alive', 'timeout=5'],
      ['proxy-connection', 'keep-alive'],
      ['transfer-encoding', 'chunked'],
      ['upgrade', 'websocket'],
      ['te', 'trailers, deflate'],
      ['te', 'gzip'],
    ] as const
  ).map(
    (field): Rule => ({
      section: '8.2.2',
      name: `nothing is said of the connection: ${field.join(': ')}`,
      script: [get(1, [field])],
      outcome: resets(PROTOCOL_ERROR),
    }),
  ),
  {
    section: '8.2.2',
    name: 'te may be trailers',
    script: [get(1, [['te', 'trailers']])],
    outcome: answers(),
  },
  {
    section: '8.2.3',
    name: 'cookies may come in crumbs',
    script: [
      get(1, [
        ['cookie', 'a=1'],
        ['cookie', 'b=2'],
      ]),
    ],
    outcome: answers(),
  },

  {
    section: '8.3',
    name: 'there are no pseudo-fields that nobody knows',
    script: [get(1, [[':name', '1']])],
    outcome: resets(PROTOCOL_ERROR),
  },
  {
    section: '8.3',
    name: 'there are no pseudo-fields of answers',
    script: [get(1, [[':status', '200']])],
    outcome: resets(PROTOCOL_ERROR),
  },
  {
    section: '8.3',
    name: 'pseudo-fields come first',
    script: [asking([['x-name', '1'], ...request()])],
    outcome: resets(PROTOCOL_ERROR),
  },
  {
    section: '8.3',
    name: 'no pseudo-field comes after another field',
    script: [asking([...request([], [':path']), ['x-name', '1'], [':path', '/']])],
    outcome: resets(PROTOCOL_ERROR),
  },
  ...[':method', ':scheme', ':path'].map(
    (name): Rule => ({
      section: '8.3.1',
      name: `a request has a ${name}`,
      script: [get(1, [], [name])],
      outcome: resets(PROTOCOL_ERROR),
    }),
  ),
  ...[':method', ':scheme', ':path', ':authority'].map(
    (name): Rule => ({
      section: '8.3.1',
      name: `a request has not two of ${name}`,
      script: [asking(twice(name))],
      outcome: resets(PROTOCOL_ERROR),
    }),
  ),
  {
    section: '8.3.1',
    name: 'a path is not empty',
    script: [get(1, [[':path', '']])],
    outcome: resets(PROTOCOL_ERROR),
  },
  {
    section: '8.3.1',
    name: 'a path begins with a slash',
    script: [get(1, [[':path', 'page']])],
    outcome: refuses(),
  },
  {
    section: '8.3.1',
    name: 'host does not contradict :authority',
    script: [get(1, [['host', 'other.test']])],
    outcome: refuses(),
  },
  {
    section: '8.3.1',
    name: 'host may stand for :authority',
    script: [get(1, [['host', 'shop.test']], [':authority'])],
    outcome: answers(),
  },
  {
    section: '8.5',
    name: 'CONNECT has no path',
    script: [get(1, [[':method', 'CONNECT']])],
    outcome: resets(PROTOCOL_ERROR),
  },
  {
    section: '8.5',
    name: 'CONNECT has an authority',
    script: [asking([[':method', 'CONNECT']])],
    outcome: resets(PROTOCOL_ERROR),
  },
];
