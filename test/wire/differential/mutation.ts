import type { Random } from './random.ts';

/**
 * Up to three changes to a stream of HTTP/1.1 bytes, of the kind that parsers fall out over. One character is
 * one byte, and any change may be applied to the result of any other.
 */
export function mutate(bytes: string, random: Random): string {
  for (let changes = random.below(4); changes > 0; changes--) bytes = random.pick(MUTATIONS)(bytes, random);
  return bytes;
}

/** The stream cut into packets, at up to five places. */
export function cut(bytes: string, random: Random): string[] {
  const places = Array.from({ length: random.below(6) }, () => random.below(bytes.length + 1));
  const ends = [...places.sort((a, b) => a - b), bytes.length];
  return ends.map((end, i) => bytes.slice(ends[i - 1] ?? 0, end)).filter((packet) => packet !== '');
}

type Mutation = (bytes: string, random: Random) => string;

/** Bytes and words that mean something to somebody. */
const INTERESTING = [
  ...[
    '\r',
    '\n',
    '\r\n',
    '\r\n\r\n',
    '\n\n',
    '\r\r\n',
    '\0',
    '\t',
    ' ',
    '\x0b',
    '\x0c',
    '\x7f',
    '\x80',
    '\x85',
  ],
  ...[
    '\xa0',
    '\xad',
    '\xff',
    ':',
    ';',
    ',',
    '_',
    '-',
    '+',
    '"',
    '#',
    '%',
    '?',
    '/',
    '0',
    '1',
    '9',
    'a',
    'f',
    'x',
  ],
  ...[
    '0x',
    ' 0',
    '00',
    '\r\n ',
    '\r\n\t',
    'chunked',
    'identity',
    'close',
    'HTTP/1.0',
    'HTTP/1.1',
    '0\r\n\r\n',
  ],
];

const FIELDS = [
  ...[
    'Content-Length: 0',
    'Content-Length: 5',
    'Content-Length: 05',
    'Content-Length: +5',
    'Content-Length: 5, 5',
  ],
  ...['Content-Length:', 'Content-Length : 5', 'Content_Length: 5', 'Content-Length: 18446744073709551621'],
  ...['Transfer-Encoding: chunked', 'Transfer-Encoding: Chunked', 'Transfer-Encoding: gzip, chunked'],
  ...['Transfer-Encoding: chunked, identity', 'Transfer-Encoding:\x0bchunked', 'Transfer-Encoding: identity'],
  ...['Transfer_Encoding: chunked', 'Transfer-Encoding : chunked', 'Transfer-Encoding: chunked\r\n\t'],
  ...['Host: b', 'Host: b:80', 'Host:', 'Host: a/b', 'Connection: close', 'Connection: keep-alive, x-a'],
  ...[
    'Connection: content-length',
    'Connection: host, transfer-encoding',
    'Connection: upgrade',
    'Upgrade: a/1',
  ],
  ...[
    'Expect: 100-continue',
    'Trailer: x-t',
    'TE: trailers',
    'X-A: 1',
    'X-A:1',
    'X-A:  1 \t',
    'X_A: 1',
    'x-a:',
  ],
  ...['Keep-Alive: timeout=1', 'Proxy-Connection: close', 'X-Forwarded-For: 6.6.6.6', ' folded', ': no name'],
];

const MUTATIONS: readonly Mutation[] = [
  function flipBit(bytes, random) {
    const at = random.below(bytes.length);
    return replace(bytes, at, 1, String.fromCharCode((bytes.charCodeAt(at) ^ (1 << random.below(8))) & 0xff));
  },
  function setByte(bytes, random) {
    return replace(bytes, random.below(bytes.length), 1, String.fromCharCode(random.below(256)));
  },
  function insert(bytes, random) {
    return replace(bytes, random.below(bytes.length + 1), 0, random.pick(INTERESTING));
  },
  function overwrite(bytes, random) {
    const piece = random.pick(INTERESTING);
    return replace(bytes, random.below(bytes.length), piece.length, piece);
  },
  function remove(bytes, random) {
    return replace(bytes, random.below(bytes.length), 1 + random.below(4), '');
  },
  function repeat(bytes, random) {
    const at = random.below(bytes.length);
    return replace(bytes, at, 0, bytes.slice(at, at + 1 + random.below(40)));
  },
  function truncate(bytes, random) {
    return bytes.slice(0, random.below(bytes.length + 1));
  },
  function addField(bytes, random) {
    return atLine(bytes, random, (lines, at) => lines.splice(at, 0, random.pick(FIELDS)));
  },
  function repeatLine(bytes, random) {
    return atLine(bytes, random, (lines, at) => lines.splice(at, 0, random.pick(lines)));
  },
  function removeLine(bytes, random) {
    return atLine(bytes, random, (lines, at) => lines.splice(at, 1));
  },
  function swapLines(bytes, random) {
    return atLine(bytes, random, (lines, at) =>
      lines.splice(at, 0, ...lines.splice(random.below(lines.length), 1)),
    );
  },
  function endLineOtherwise(bytes, random) {
    return atMatch(bytes, /\r\n/g, random, () =>
      random.pick(['\n', '\r', '\r\r\n', ' \r\n', '\0\r\n', '\r\n\n']),
    );
  },
  function changeNumber(bytes, random) {
    return atMatch(bytes, /\b[0-9a-f]+\b/gi, random, (number) => changed(number, random));
  },
  function changeCase(bytes, random) {
    return atMatch(bytes, /[a-z-]{2,}/gi, random, (word) =>
      random.below(2) ? word.toUpperCase() : word.toLowerCase(),
    );
  },
];

function changed(number: string, random: Random): string {
  const value = Number.parseInt(number, 16);
  const near = (value + 1 - random.below(3)).toString(16);
  return random.pick([
    `0${number}`,
    `${number}0`,
    `-${number}`,
    `+${number}`,
    `${number};a=b`,
    `${number} `,
    near,
  ]);
}

function replace(bytes: string, at: number, length: number, piece: string): string {
  return bytes.slice(0, at) + piece + bytes.slice(at + length);
}

function atLine(bytes: string, random: Random, change: (lines: string[], at: number) => void): string {
  const lines = bytes.split('\r\n');
  change(lines, random.below(lines.length));
  return lines.join('\r\n');
}

function atMatch(bytes: string, pattern: RegExp, random: Random, change: (match: string) => string): string {
  const matches = [...bytes.matchAll(pattern)];
  if (matches.length === 0) return bytes;
  const { index, 0: match } = random.pick(matches);
  return replace(bytes, index, match.length, change(match));
}
