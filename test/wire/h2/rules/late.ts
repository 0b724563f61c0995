import {
  block,
  CONTINUATION,
  DATA,
  END_HEADERS,
  END_STREAM,
  FLOW_CONTROL_ERROR,
  FRAME_SIZE_ERROR,
  frame,
  HEADERS,
  PROTOCOL_ERROR,
  uint32,
  WINDOW_UPDATE,
} from '../frames.ts';
import { breaks, ends, GET, goesOn, PRESENT, post, type Rule, resets, tells } from './rule.ts';

const data = frame(DATA, 0, 1, 'data');
const last = frame(DATA, END_STREAM, 1, 'data');

/** A request of these parts is answered as soon as its head is there. What follows counts all the same. */
function late(section: string, name: string, parts: readonly Buffer[], outcome: Rule['outcome']): Rule {
  return { section, name, script: [parts[0]!, ends(), ...parts.slice(1)], outcome };
}

function trailers(name: string, flags: number): Buffer {
  return frame(HEADERS, flags, 1, block([[name, '1']]));
}

function opens(by: number): Buffer {
  return frame(WINDOW_UPDATE, 0, 1, uint32(by));
}

export const LATE: readonly Rule[] = [
  late('8.1', 'a request may go on', [post(), data, last, PRESENT], goesOn()),
  late('8.1', 'a request may go on to trailers', [post(), data, trailers('x-sum', 5), PRESENT], goesOn()),
  late(
    '8.1',
    'after trailers there is nothing',
    [post(), data, trailers('x-sum', 4)],
    resets(PROTOCOL_ERROR),
  ),
  late('8.1', 'trailers have no pseudo-fields', [post(), data, trailers(':path', 5)], resets(PROTOCOL_ERROR)),
  late('8.1.1', 'a length must be true', [post(1, [['content-length', '1']]), last], resets(PROTOCOL_ERROR)),
  late(
    '8.1.1',
    'a length must be true, over several frames',
    [post(1, [['content-length', '5']]), data, last],
    resets(PROTOCOL_ERROR),
  ),
  late(
    '4.2',
    'DATA larger than may be is an error',
    [post(), frame(DATA, END_STREAM, 1, Buffer.alloc(16_385))],
    resets(FRAME_SIZE_ERROR),
  ),
  late('6.9', 'a window cannot grow by nothing', [post(), opens(0)], resets(PROTOCOL_ERROR)),
  late(
    '6.9.1',
    'a window cannot grow for ever',
    [post(), opens(0x7fff_ffff), opens(0x7fff_ffff)],
    tells(FLOW_CONTROL_ERROR, 1),
  ),
  late(
    '6.10',
    'a CONTINUATION of DATA ends the connection',
    [post(), data, frame(CONTINUATION, END_HEADERS, 1, GET)],
    breaks(PROTOCOL_ERROR),
  ),
];
