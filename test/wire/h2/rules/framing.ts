import {
  block,
  COMPRESSION_ERROR,
  CONTINUATION,
  DATA,
  END_HEADERS,
  END_STREAM,
  FRAME_SIZE_ERROR,
  frame,
  HEADERS,
  PING,
  PREFACE,
  PRIORITY,
  PROTOCOL_ERROR,
  SETTINGS,
  uint32,
  WINDOW_UPDATE,
} from '../frames.ts';
import {
  agrees,
  answers,
  breaks,
  GET,
  get,
  goesOn,
  introducesItself,
  leaves,
  PRESENT,
  post,
  priority,
  type Rule,
  resets,
} from './rule.ts';

const NOBODY_KNOWS = 0x16;
const RESERVED = 0x8000_0000;
/** What a frame may hold as long as nothing else is said. */
const MOST = 16_384;

const preface = Buffer.from(PREFACE, 'latin1');
const unfinished = frame(HEADERS, END_STREAM, 1, GET);
const filler = block([['x-filler', 'f'.repeat(MOST)]]);

/** How connections begin, and what frames look like (§3 and §4). */
export const FRAMING: readonly Rule[] = [
  {
    section: '3.4',
    name: 'the first that a server says is its settings',
    bare: true,
    script: [preface, frame(SETTINGS, 0, 0)],
    outcome: introducesItself(),
  },
  {
    section: '3.4',
    name: 'settings of a preface are acknowledged',
    bare: true,
    script: [preface, frame(SETTINGS, 0, 0), introducesItself()],
    outcome: agrees(),
  },
  {
    section: '3.4',
    name: 'what is no preface ends the connection',
    bare: true,
    script: [Buffer.from('PRESENT * HTTP/2.0\r\n\r\nSM\r\n\r\n')],
    outcome: leaves(),
  },
  {
    section: '3.4',
    name: 'a preface without settings ends the connection',
    bare: true,
    script: [preface, PRESENT],
    outcome: breaks(PROTOCOL_ERROR),
  },
  {
    section: '4.1',
    name: 'a frame of a kind that nobody knows is ignored',
    script: [frame(NOBODY_KNOWS, 0, 0, '12345678'), PRESENT],
    outcome: goesOn(),
  },
  {
    section: '4.1',
    name: 'a frame of a kind that nobody knows is ignored on a stream too',
    script: [post(), frame(NOBODY_KNOWS, 0xff, 1, '12345678'), frame(DATA, END_STREAM, 1)],
    outcome: answers(),
  },
  {
    section: '4.1',
    name: 'flags that mean nothing are ignored',
    script: [frame(PING, 0xfe, 0, 'are you?')],
    outcome: goesOn(),
  },
  {
    section: '4.1',
    name: 'the reserved bit is ignored',
    script: [frame(PING, 0, RESERVED, 'are you?')],
    outcome: goesOn(),
  },
  {
    section: '4.1',
    name: 'the reserved bit is ignored on a stream too',
    script: [frame(HEADERS, END_HEADERS | END_STREAM, 1 + RESERVED, GET)],
    outcome: answers(),
  },
  {
    section: '4.2',
    name: 'frames as large as may be are taken',
    script: [post(), frame(DATA, END_STREAM, 1, Buffer.alloc(MOST))],
    outcome: answers(),
  },
  {
    section: '4.2',
    name: 'DATA larger than may be is an error',
    script: [post(), frame(DATA, END_STREAM, 1, Buffer.alloc(MOST + 1))],
    outcome: resets(FRAME_SIZE_ERROR),
  },
  {
    section: '4.2',
    name: 'HEADERS larger than may be end the connection',
    script: [frame(HEADERS, END_HEADERS | END_STREAM, 1, Buffer.concat([GET, filler]))],
    outcome: breaks(FRAME_SIZE_ERROR),
  },
  {
    section: '4.2',
    name: 'a CONTINUATION larger than may be ends the connection',
    script: [unfinished, frame(CONTINUATION, END_HEADERS, 1, filler), PRESENT],
    outcome: breaks(FRAME_SIZE_ERROR),
    broken: {
      because: 'nghttp2 minds how much a head holds, not in which pieces',
      instead: goesOn(),
    },
  },
  {
    section: '4.2',
    name: 'SETTINGS larger than may be end the connection',
    script: [frame(SETTINGS, 0, 0, Buffer.alloc(6 * 2731))],
    outcome: breaks(FRAME_SIZE_ERROR),
  },
  {
    section: '4.3',
    name: 'a head that cannot be unfolded ends the connection',
    script: [frame(HEADERS, END_HEADERS | END_STREAM, 1, '\x40')],
    outcome: breaks(COMPRESSION_ERROR),
  },
  ...(
    [
      ['PRIORITY', frame(PRIORITY, 0, 1, priority(0))],
      ['HEADERS of another stream', get(3)],
      ['a CONTINUATION of another stream', frame(CONTINUATION, END_HEADERS, 3, GET)],
      ['DATA', frame(DATA, END_STREAM, 1, 'data')],
      ['PING', PRESENT],
      ['SETTINGS', frame(SETTINGS, 0, 0)],
      ['WINDOW_UPDATE', frame(WINDOW_UPDATE, 0, 0, uint32(1))],
      ['a frame of a kind that nobody knows', frame(NOBODY_KNOWS, 0, 0, '12345678')],
    ] as const
  ).map(
    ([name, between]): Rule => ({
      section: '4.3',
      name: `nothing may come between the parts of a head: ${name}`,
      script: [unfinished, between, frame(CONTINUATION, END_HEADERS, 1, block([['x-more', '1']]))],
      outcome: breaks(PROTOCOL_ERROR),
    }),
  ),
];
