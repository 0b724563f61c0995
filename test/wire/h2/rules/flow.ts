import {
  FLOW_CONTROL_ERROR,
  FRAME_SIZE_ERROR,
  frame,
  PROTOCOL_ERROR,
  uint32,
  WINDOW_UPDATE,
} from '../frames.ts';
import {
  agrees,
  answers,
  breaks,
  get,
  goesOn,
  INITIAL_WINDOW_SIZE,
  NO_WINDOW,
  PRESENT,
  post,
  type Rule,
  resets,
  sends,
  setting,
  tells,
} from './rule.ts';

const MOST = 0x7fff_ffff;
const RESERVED = 0x8000_0000;

function opens(by: number, stream = 1): Buffer {
  return frame(WINDOW_UPDATE, 0, stream, uint32(by));
}

/** How much may be sent (§6.9). */
export const FLOW: readonly Rule[] = [
  {
    section: '6.9',
    name: 'the window of a connection may grow',
    script: [opens(1, 0), PRESENT],
    outcome: goesOn(),
  },
  { section: '6.9', name: 'the window of a stream may grow', script: [get(), opens(1)], outcome: answers() },
  {
    section: '6.9',
    name: 'the reserved bit of what a window grows by is ignored',
    script: [NO_WINDOW, get(), opens(1 + RESERVED)],
    outcome: sends(1),
  },
  {
    section: '6.9',
    name: 'the window of a connection cannot grow by nothing',
    script: [opens(0, 0)],
    outcome: breaks(PROTOCOL_ERROR),
  },
  {
    section: '6.9',
    name: 'the window of a stream cannot grow by nothing',
    script: [post(), opens(0)],
    outcome: resets(PROTOCOL_ERROR),
  },
  {
    section: '6.9',
    name: 'WINDOW_UPDATE of a wrong size ends the connection',
    script: [frame(WINDOW_UPDATE, 0, 0, '123')],
    outcome: breaks(FRAME_SIZE_ERROR),
  },
  {
    section: '6.9.1',
    name: 'no more of a body is sent than the window of its stream takes',
    script: [setting(INITIAL_WINDOW_SIZE, 1), agrees(), get()],
    outcome: sends(1),
  },
  {
    section: '6.9.1',
    name: 'the window of a connection cannot grow for ever',
    script: [opens(MOST, 0), opens(MOST, 0)],
    outcome: tells(FLOW_CONTROL_ERROR),
  },
  {
    section: '6.9.1',
    name: 'the window of a stream cannot grow for ever',
    script: [post(), opens(MOST), opens(MOST)],
    outcome: tells(FLOW_CONTROL_ERROR, 1),
  },
  {
    section: '6.9.2',
    name: 'a window said anew holds for streams there are',
    script: [NO_WINDOW, get(), answers(), setting(INITIAL_WINDOW_SIZE, 1)],
    outcome: sends(1),
  },
  {
    section: '6.9.2',
    name: 'a window may be less than nothing',
    script: [
      setting(INITIAL_WINDOW_SIZE, 3),
      agrees(),
      get(),
      sends(3),
      setting(INITIAL_WINDOW_SIZE, 2),
      agrees(),
      // It was 1 short of nothing.
      opens(2),
    ],
    outcome: sends(1),
  },
  {
    section: '6.9.2',
    name: 'a window said anew cannot make others overflow',
    script: [post(), opens(MOST - 65_535), setting(INITIAL_WINDOW_SIZE, 100_000)],
    outcome: breaks(FLOW_CONTROL_ERROR),
    broken: {
      because: 'nghttp2 before 1.70 leaves it at the stream whose window it is',
      instead: tells(FLOW_CONTROL_ERROR, 1),
    },
  },
];
