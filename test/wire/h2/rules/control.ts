import {
  ACK,
  block,
  CANCEL,
  CONTINUATION,
  DATA,
  END_HEADERS,
  END_STREAM,
  FLOW_CONTROL_ERROR,
  FRAME_SIZE_ERROR,
  frame,
  GOAWAY,
  HEADERS,
  PADDED,
  PING,
  PRIORITISED,
  PRIORITY,
  PROTOCOL_ERROR,
  PUSH_PROMISE,
  RST_STREAM,
  request,
  SETTINGS,
  uint32,
} from '../frames.ts';
import {
  agrees,
  answers,
  breaks,
  either,
  ends,
  GET,
  get,
  goesOn,
  INITIAL_WINDOW_SIZE,
  leaves,
  NO_WINDOW,
  PRESENT,
  post,
  priority,
  type Rule,
  resets,
  sends,
  setting,
} from './rule.ts';

const ENABLE_PUSH = 2;
const MAX_FRAME_SIZE = 5;
const NOBODY_KNOWS = 0xff;

const POST = block(request([[':method', 'POST']]));
const unfinished = frame(HEADERS, 0, 1, POST);
const continued = frame(CONTINUATION, 0, 1, block([['x-more', '1']]));
const last = frame(CONTINUATION, END_HEADERS, 1, block([['x-last', '1']]));

/** Before so many bytes of padding stands their number. */
function padded(content: Buffer | string, padding: number, told = padding): Buffer {
  return Buffer.concat([Buffer.from([told]), Buffer.from(content), Buffer.alloc(padding)]);
}

function goaway(code: number): Buffer {
  return frame(GOAWAY, 0, 0, Buffer.concat([uint32(0), uint32(code), Buffer.from('bye')]));
}

/** Frame by frame (§6 and §7). */
export const CONTROL: readonly Rule[] = [
  {
    section: '6.1',
    name: 'a body may come in several frames, empty ones among them',
    script: [post(), frame(DATA, 0, 1, 'one'), frame(DATA, 0, 1), frame(DATA, END_STREAM, 1, 'two')],
    outcome: answers(),
  },
  {
    section: '6.1',
    name: 'DATA may be padded',
    script: [post(), frame(DATA, END_STREAM | PADDED, 1, padded('data', 6))],
    outcome: answers(),
  },
  {
    section: '6.1',
    name: 'DATA may be nothing but padding',
    script: [post(), frame(DATA, END_STREAM | PADDED, 1, padded('', 255))],
    outcome: answers(),
  },
  {
    section: '6.1',
    name: 'DATA of no stream ends the connection',
    script: [frame(DATA, END_STREAM, 0, 'data')],
    outcome: breaks(PROTOCOL_ERROR),
  },
  {
    section: '6.1',
    name: 'DATA with more padding than there is ends the connection',
    script: [post(), frame(DATA, END_STREAM | PADDED, 1, padded('data', 0, 5))],
    outcome: breaks(PROTOCOL_ERROR),
  },

  {
    section: '6.2',
    name: 'HEADERS may be padded',
    script: [frame(HEADERS, END_HEADERS | END_STREAM | PADDED, 1, padded(GET, 8))],
    outcome: answers(),
  },
  {
    section: '6.2',
    name: 'HEADERS may have a priority',
    script: [
      frame(HEADERS, END_HEADERS | END_STREAM | PRIORITISED, 1, Buffer.concat([priority(0, 255), GET])),
    ],
    outcome: answers(),
  },
  {
    section: '6.2',
    name: 'HEADERS may be padded and have a priority',
    script: [
      frame(
        HEADERS,
        END_HEADERS | END_STREAM | PADDED | PRIORITISED,
        1,
        padded(Buffer.concat([priority(0, 0, true), GET]), 8),
      ),
    ],
    outcome: answers(),
  },
  {
    section: '6.2',
    name: 'HEADERS of no stream end the connection',
    script: [frame(HEADERS, END_HEADERS | END_STREAM, 0, GET)],
    outcome: breaks(PROTOCOL_ERROR),
  },
  {
    section: '6.2',
    name: 'HEADERS with more padding than there is are an error',
    script: [frame(HEADERS, END_HEADERS | END_STREAM | PADDED, 1, padded(GET, 0, GET.length + 1))],
    outcome: resets(PROTOCOL_ERROR),
  },

  ...(
    [
      ['the least weight', 1, priority(0, 0)],
      ['the most weight', 1, priority(0, 255)],
      ['an exclusive dependency', 1, priority(0, 15, true)],
      ['a dependency on a stream to come', 1, priority(9)],
      ['a stream that comes later', 3, priority(0)],
    ] as const
  ).map(
    ([name, stream, said]): Rule => ({
      section: '6.3',
      name: `PRIORITY may come before a request: ${name}`,
      script: [frame(PRIORITY, 0, stream, said), get()],
      outcome: answers(),
    }),
  ),
  {
    section: '6.3',
    name: 'PRIORITY of no stream ends the connection',
    script: [frame(PRIORITY, 0, 0, priority(0)), PRESENT],
    outcome: breaks(PROTOCOL_ERROR),
    broken: {
      because: 'nghttp2 1.70 does not look at PRIORITY any more',
      instead: either(breaks(PROTOCOL_ERROR), goesOn()),
    },
  },
  {
    section: '6.3',
    name: 'PRIORITY of a wrong size is an error',
    script: [NO_WINDOW, get(), frame(PRIORITY, 0, 1, '1234')],
    outcome: resets(FRAME_SIZE_ERROR),
  },

  {
    section: '6.4',
    name: 'RST_STREAM of no stream ends the connection',
    script: [frame(RST_STREAM, 0, 0, uint32(CANCEL))],
    outcome: breaks(PROTOCOL_ERROR),
  },
  {
    section: '6.4',
    name: 'RST_STREAM of a wrong size ends the connection',
    script: [NO_WINDOW, get(), frame(RST_STREAM, 0, 1, '123')],
    outcome: breaks(FRAME_SIZE_ERROR),
  },

  {
    section: '6.5',
    name: 'SETTINGS that acknowledge and say something end the connection',
    script: [frame(SETTINGS, ACK, 0, '\0')],
    outcome: breaks(FRAME_SIZE_ERROR),
  },
  {
    section: '6.5',
    name: 'SETTINGS of a stream end the connection',
    script: [frame(SETTINGS, 0, 1, '\0\x03\0\0\0\x64')],
    outcome: breaks(PROTOCOL_ERROR),
  },
  {
    section: '6.5',
    name: 'SETTINGS of a wrong size end the connection',
    script: [frame(SETTINGS, 0, 0, '\0\x03\0\0\0\x64\0\x03')],
    outcome: breaks(FRAME_SIZE_ERROR, PROTOCOL_ERROR),
  },
  {
    section: '6.5.2',
    name: 'each setting that there is may be said',
    script: [
      frame(
        SETTINGS,
        0,
        0,
        Buffer.concat(
          [4096, 1, 100, 65_535, 16_384, 100].map((value, nth) =>
            Buffer.concat([Buffer.from([0, nth + 1]), uint32(value)]),
          ),
        ),
      ),
    ],
    outcome: agrees(),
  },
  {
    section: '6.5.2',
    name: 'a setting that nobody knows is ignored',
    script: [setting(NOBODY_KNOWS, 1), PRESENT],
    outcome: goesOn(),
  },
  ...(
    [
      ['a push neither on nor off', ENABLE_PUSH, 2, PROTOCOL_ERROR],
      ['a window too large', INITIAL_WINDOW_SIZE, 0x8000_0000, FLOW_CONTROL_ERROR],
      ['frames too small', MAX_FRAME_SIZE, 16_383, PROTOCOL_ERROR],
      ['frames too large', MAX_FRAME_SIZE, 0x100_0000, PROTOCOL_ERROR],
    ] as const
  ).map(
    ([name, id, value, code]): Rule => ({
      section: '6.5.2',
      name: `a setting that cannot be ends the connection: ${name}`,
      script: [setting(id, value)],
      outcome: breaks(code),
    }),
  ),
  {
    section: '6.5.3',
    name: 'settings are acknowledged at once',
    script: [setting(ENABLE_PUSH, 0)],
    outcome: agrees(),
  },
  {
    section: '6.5.3',
    name: 'of two values of one setting the second holds',
    script: [frame(SETTINGS, 0, 0, '\0\x04\0\0\0\x64\0\x04\0\0\0\x01'), agrees(), get()],
    outcome: sends(1),
  },

  ...(
    [
      ['opens nothing', []],
      ['names a request of its own', [NO_WINDOW, get()]],
    ] as const
  ).map(
    ([name, before]): Rule => ({
      section: '6.6',
      name: `a client has nothing to push: it ${name}`,
      script: [...before, frame(PUSH_PROMISE, END_HEADERS, 1, Buffer.concat([uint32(2), GET]))],
      outcome: breaks(PROTOCOL_ERROR),
    }),
  ),

  { section: '6.7', name: 'a ping is answered with what it holds', script: [PRESENT], outcome: goesOn() },
  {
    section: '6.7',
    name: 'the answer to a ping is not answered',
    script: [frame(PING, ACK, 0, 'i am not'), PRESENT],
    outcome: goesOn(),
    broken: {
      because: 'Node takes answers to what it has not asked for an attack',
      instead: breaks(PROTOCOL_ERROR),
    },
  },
  {
    section: '6.7',
    name: 'PING of a stream ends the connection',
    script: [frame(PING, 0, 1, '12345678')],
    outcome: breaks(PROTOCOL_ERROR),
  },
  {
    section: '6.7',
    name: 'PING of a wrong size ends the connection',
    script: [frame(PING, 0, 0, '123456')],
    outcome: breaks(FRAME_SIZE_ERROR),
  },

  { section: '6.8', name: 'a client that says goodbye is let go', script: [goaway(0)], outcome: leaves() },
  {
    section: '6.8',
    name: 'what a client asked for before it said goodbye it gets',
    script: [NO_WINDOW, get(), answers(), goaway(0), setting(INITIAL_WINDOW_SIZE, 65_535)],
    outcome: ends(),
  },
  {
    section: '6.8',
    name: 'GOAWAY of a stream ends the connection',
    script: [frame(GOAWAY, 0, 1, Buffer.alloc(8))],
    outcome: breaks(PROTOCOL_ERROR),
  },
  {
    section: '6.8',
    name: 'GOAWAY of a wrong size ends the connection',
    script: [frame(GOAWAY, 0, 0, Buffer.alloc(7))],
    outcome: breaks(FRAME_SIZE_ERROR),
  },

  {
    section: '6.10',
    name: 'a head may come in several parts',
    script: [
      frame(HEADERS, END_STREAM, 1, GET.subarray(0, 5)),
      frame(CONTINUATION, 0, 1, GET.subarray(5, 10)),
      frame(CONTINUATION, END_HEADERS, 1, GET.subarray(10)),
    ],
    outcome: answers(),
  },
  {
    section: '6.10',
    name: 'parts of a head may be empty',
    script: [frame(HEADERS, END_STREAM, 1, GET), frame(CONTINUATION, END_HEADERS, 1)],
    outcome: answers(),
  },
  {
    section: '6.10',
    name: 'after a CONTINUATION that is not the last there is no DATA',
    script: [unfinished, continued, frame(DATA, END_STREAM, 1, 'data')],
    outcome: breaks(PROTOCOL_ERROR),
  },
  {
    section: '6.10',
    name: 'a CONTINUATION of no stream ends the connection',
    script: [unfinished, frame(CONTINUATION, END_HEADERS, 0, '')],
    outcome: breaks(PROTOCOL_ERROR),
  },
  {
    section: '6.10',
    name: 'a CONTINUATION of HEADERS that were whole ends the connection',
    script: [frame(HEADERS, END_HEADERS, 1, POST), last],
    outcome: breaks(PROTOCOL_ERROR),
  },
  {
    section: '6.10',
    name: 'a CONTINUATION after the last ends the connection',
    script: [unfinished, last, last],
    outcome: breaks(PROTOCOL_ERROR),
  },
  {
    section: '6.10',
    name: 'a CONTINUATION of DATA ends the connection',
    script: [post(), frame(DATA, 0, 1, 'data'), last],
    outcome: breaks(PROTOCOL_ERROR),
  },

  {
    section: '7',
    name: 'a goodbye for reasons that nobody knows is one all the same',
    script: [goaway(NOBODY_KNOWS)],
    outcome: leaves(),
  },
  {
    section: '7',
    name: 'a reset for reasons that nobody knows is one all the same',
    script: [post(), frame(RST_STREAM, 0, 1, uint32(NOBODY_KNOWS)), PRESENT],
    outcome: goesOn(),
  },
];
