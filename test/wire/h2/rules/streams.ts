import {
  CANCEL,
  CONTINUATION,
  DATA,
  END_HEADERS,
  END_STREAM,
  frame,
  HEADERS,
  PING,
  PRIORITISED,
  PRIORITY,
  PROTOCOL_ERROR,
  REFUSED_STREAM,
  RST_STREAM,
  STREAM_CLOSED,
  uint32,
  WINDOW_UPDATE,
} from '../frames.ts';
import {
  answers,
  breaks,
  either,
  ends,
  GET,
  get,
  goesOn,
  leaves,
  NO_WINDOW,
  PRESENT,
  post,
  priority,
  type Rule,
  resets,
  STREAMS,
  sends,
  tells,
} from './rule.ts';

const data = frame(DATA, END_STREAM, 1, 'data');
const reset = frame(RST_STREAM, 0, 1, uint32(CANCEL));
/** What has no place on a stream that is closed. */
const MORE = [
  ['DATA', data],
  ['HEADERS', get()],
] as const;
const more = frame(WINDOW_UPDATE, 0, 1, uint32(1));
const continued = frame(CONTINUATION, END_HEADERS, 1, GET);
const misplaced = frame(PING, 0, 3, '12345678');

const IGNORED = {
  because:
    'nghttp2 keeps no account of streams that are over: it ignores what it hears of them, as §5.1 allows',
  instead: goesOn(),
};

/** What may be said on a stream, and when (§5). */
export const STREAM: readonly Rule[] = [
  // Idle: never heard of.
  ...(
    [
      ['DATA', data],
      ['RST_STREAM', reset],
      ['WINDOW_UPDATE', more],
      ['CONTINUATION', continued],
    ] as const
  ).map(
    ([name, said]): Rule => ({
      section: '5.1',
      name: `on a stream that nobody has opened there is no ${name}`,
      script: [said],
      outcome: breaks(PROTOCOL_ERROR),
    }),
  ),
  {
    section: '5.1',
    name: 'on a stream that nobody has opened there may be PRIORITY',
    script: [frame(PRIORITY, 0, 1, priority(0)), PRESENT],
    outcome: goesOn(),
  },

  // Half-closed: the client has said all, and takes nothing yet.
  {
    section: '5.1',
    name: 'DATA after the end of a request is an error',
    script: [NO_WINDOW, get(), data],
    outcome: resets(STREAM_CLOSED),
  },
  {
    section: '5.1',
    name: 'DATA after the end of a request is an error, also where a body may be',
    script: [NO_WINDOW, post(), data, data],
    outcome: resets(STREAM_CLOSED),
  },
  {
    section: '5.1',
    name: 'HEADERS after the end of a request are an error',
    script: [NO_WINDOW, get(), get()],
    outcome: resets(STREAM_CLOSED),
  },
  {
    section: '5.1',
    name: 'a CONTINUATION after the end of a request is an error',
    script: [NO_WINDOW, get(), continued],
    outcome: resets(STREAM_CLOSED, PROTOCOL_ERROR),
  },
  {
    section: '5.1',
    name: 'WINDOW_UPDATE may come after the end of a request',
    script: [NO_WINDOW, get(), more],
    outcome: sends(1),
  },
  {
    section: '5.1',
    name: 'PRIORITY may come after the end of a request',
    script: [NO_WINDOW, get(), frame(PRIORITY, 0, 1, priority(0)), more],
    outcome: sends(1),
  },
  {
    section: '5.1',
    name: 'RST_STREAM may come after the end of a request',
    script: [NO_WINDOW, get(), reset, PRESENT],
    outcome: goesOn(),
  },

  // Closed: by the client's reset, or since both have said all.
  ...MORE.map(
    ([name, said]): Rule => ({
      section: '5.1',
      name: `${name} after a reset is an error`,
      script: [post(), reset, said, PRESENT],
      outcome: resets(STREAM_CLOSED),
      broken: IGNORED,
    }),
  ),
  {
    section: '5.1',
    name: 'a CONTINUATION after a reset is an error',
    script: [post(), reset, continued],
    outcome: resets(STREAM_CLOSED, PROTOCOL_ERROR),
  },
  ...MORE.map(
    ([name, said]): Rule => ({
      section: '5.1',
      name: `${name} on a stream that is over is an error`,
      script: [get(), ends(), said, PRESENT],
      outcome: breaks(STREAM_CLOSED),
      broken: IGNORED,
    }),
  ),
  {
    section: '5.1',
    name: 'a CONTINUATION on a stream that is over is an error',
    script: [get(), ends(), continued],
    outcome: breaks(STREAM_CLOSED, PROTOCOL_ERROR),
  },
  ...(
    [
      ['PRIORITY', frame(PRIORITY, 0, 1, priority(0))],
      ['WINDOW_UPDATE', more],
      ['RST_STREAM', reset],
    ] as const
  ).map(
    ([name, said]): Rule => ({
      section: '5.1',
      name: `${name} may come on a stream that is over`,
      script: [get(), ends(), said, PRESENT],
      outcome: goesOn(),
    }),
  ),

  {
    section: '5.1.1',
    name: 'streams of even numbers are not the client’s to open',
    script: [get(2)],
    outcome: breaks(PROTOCOL_ERROR),
  },
  {
    section: '5.1.1',
    name: 'numbers of streams only grow',
    script: [NO_WINDOW, get(5), get(3), PRESENT],
    outcome: breaks(PROTOCOL_ERROR),
    broken: IGNORED,
  },
  {
    section: '5.1.1',
    name: 'numbers of streams may be left out',
    script: [get(5), answers(5), get(11)],
    outcome: answers(11),
  },
  {
    section: '5.1.2',
    name: 'streams above the number offered are refused',
    script: [NO_WINDOW, ...Array.from({ length: STREAMS + 1 }, (_, nth) => get(2 * nth + 1))],
    outcome: resets(PROTOCOL_ERROR, REFUSED_STREAM),
  },
  {
    section: '5.1.2',
    name: 'streams that are over make room for others',
    script: [
      ...Array.from({ length: STREAMS }, (_, nth) => [get(2 * nth + 1), ends(2 * nth + 1)]).flat(),
      get(2 * STREAMS + 1),
    ],
    outcome: answers(2 * STREAMS + 1),
  },

  // RFC 9113 has no use for priorities any more; what RFC 7540 says of them does no harm.
  {
    section: '5.3.1',
    name: 'a stream that is opened cannot depend on itself',
    script: [frame(HEADERS, END_HEADERS | END_STREAM | PRIORITISED, 1, Buffer.concat([priority(1), GET]))],
    outcome: resets(PROTOCOL_ERROR),
  },
  {
    section: '5.3.1',
    name: 'a stream cannot be made to depend on itself, unless nobody minds what depends on what',
    script: [frame(PRIORITY, 0, 1, priority(1)), PRESENT],
    outcome: either(resets(PROTOCOL_ERROR), goesOn()),
  },

  {
    section: '5.4.1',
    name: 'a client that broke the connection is told why',
    script: [misplaced],
    outcome: tells(PROTOCOL_ERROR),
  },
  ...(
    [
      ['at once', [misplaced]],
      ['with an answer under way', [NO_WINDOW, get(), answers(), misplaced]],
      ['by a window that overflows', [frame(WINDOW_UPDATE, 0, 0, uint32(0x7fff_ffff))]],
    ] as const
  ).map(
    ([name, script]): Rule => ({
      section: '5.4.1',
      name: `a connection that was broken is closed: ${name}`,
      script,
      outcome: leaves(),
    }),
  ),
];
