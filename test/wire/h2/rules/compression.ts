import { COMPRESSION_ERROR, END_HEADERS, END_STREAM, frame, HEADERS } from '../frames.ts';
import { answers, breaks, GET, type Rule } from './rule.ts';

/** A request whose head begins or ends with these bytes. */
function asking(after: readonly number[], stream = 1, before: readonly number[] = []): Buffer {
  const head = Buffer.concat([Buffer.from(before), GET, Buffer.from(after)]);
  return frame(HEADERS, END_HEADERS | END_STREAM, stream, head);
}

/** `x-a` and `aa`, as they are and in Huffman's code. */
const NAME = [3, 0x78, 0x2d, 0x61];
const NAME_CODED = [0x83, 0xf2, 0xb0, 0xff];
const VALUE = [2, 0x61, 0x61];
const VALUE_CODED = [0x82, 0x18, 0xff];

/** How a field that is spelt out begins, with no number of a name. */
const KEPT = 0x40;
const NOT_KEPT = 0x00;
const NEVER_KEPT = 0x10;
/** `user-agent` in the static table, as far as a prefix of 4 bits has room for it. */
const USER_AGENT = 58;
/** The first entry that is not static. */
const NEWEST = 62;

function entry(number: number): number {
  return 0x80 + number;
}

/** The table may be so large from now on. */
function resized(size: number): number[] {
  if (size < 31) return [0x20 + size];
  return [0x3f, 0x80 | ((size - 31) & 0x7f), (size - 31) >> 7];
}
const LARGEST = 4096;

/** How heads are folded (RFC 7541). */
export const COMPRESSION: readonly Rule[] = [
  ...(
    [
      [
        'a name of the table',
        [[KEPT + USER_AGENT], [NOT_KEPT + 15, USER_AGENT - 15], [NEVER_KEPT + 15, USER_AGENT - 15]],
      ],
      [
        'a name',
        [
          [KEPT, ...NAME],
          [NOT_KEPT, ...NAME],
          [NEVER_KEPT, ...NAME],
        ],
      ],
      [
        'a coded name',
        [
          [KEPT, ...NAME_CODED],
          [NOT_KEPT, ...NAME_CODED],
          [NEVER_KEPT, ...NAME_CODED],
        ],
      ],
    ] as const
  ).flatMap(([name, heads]) =>
    (
      [
        ['a value', VALUE],
        ['a coded value', VALUE_CODED],
      ] as const
    ).flatMap(([value, said]) =>
      heads.map(
        (head, nth): Rule => ({
          section: `RFC 7541 6.2.${nth + 1}`,
          name: `a field may be ${name} and ${value}`,
          script: [asking([...head, ...said])],
          outcome: answers(),
        }),
      ),
    ),
  ),
  {
    section: 'RFC 7541 2.3.2',
    name: 'a field that was kept may be named by a later request',
    script: [asking([KEPT, ...NAME, ...VALUE]), answers(), asking([entry(NEWEST)], 3)],
    outcome: answers(3),
  },
  {
    section: 'RFC 7541 2.3.3',
    name: 'a field that is in no table cannot be named',
    script: [asking([entry(126)])],
    outcome: breaks(COMPRESSION_ERROR),
  },
  {
    section: 'RFC 7541 2.3.3',
    name: 'a name that is in no table cannot be named',
    script: [asking([KEPT + NEWEST, ...VALUE])],
    outcome: breaks(COMPRESSION_ERROR),
  },
  {
    section: 'RFC 7541 4.2',
    name: 'the table is not resized at the end of a head',
    script: [asking(resized(1))],
    outcome: breaks(COMPRESSION_ERROR),
  },
  {
    section: 'RFC 7541 4.3',
    name: 'what a table has no room for any more cannot be named',
    script: [
      asking([KEPT, ...NAME, ...VALUE]),
      answers(),
      asking([entry(NEWEST)], 3, [...resized(0), ...resized(LARGEST)]),
    ],
    outcome: breaks(COMPRESSION_ERROR),
  },
  {
    section: 'RFC 7541 5.1',
    name: 'a number beyond all numbers is an error',
    script: [asking([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f])],
    outcome: breaks(COMPRESSION_ERROR),
  },
  {
    section: 'RFC 7541 5.2',
    name: 'a text longer than its head is an error',
    script: [asking([NOT_KEPT, ...NAME, 100, 0x61])],
    outcome: breaks(COMPRESSION_ERROR),
  },
  ...(
    [
      ['padding of more than 7 bits', [0x82, 0x1f, 0xff]],
      ['padding by zeros', [0x81, 0x18]],
      ['the sign for the end', [0x85, 0x1f, 0xff, 0xff, 0xff, 0xff]],
    ] as const
  ).map(
    ([name, value]): Rule => ({
      section: 'RFC 7541 5.2',
      name: `in a coded text there is no ${name}`,
      script: [asking([NOT_KEPT, ...NAME, ...value])],
      outcome: breaks(COMPRESSION_ERROR),
    }),
  ),
  {
    section: 'RFC 7541 6.1',
    name: 'a field of the static table may be named',
    script: [asking([entry(USER_AGENT)])],
    outcome: answers(),
  },
  {
    section: 'RFC 7541 6.1',
    name: 'there is no entry 0',
    script: [asking([entry(0)])],
    outcome: breaks(COMPRESSION_ERROR),
  },
  {
    section: 'RFC 7541 6.3',
    name: 'the table may be resized',
    script: [asking([], 1, resized(0))],
    outcome: answers(),
  },
  {
    section: 'RFC 7541 6.3',
    name: 'the table may be resized twice',
    script: [asking([], 1, [...resized(0), ...resized(LARGEST)])],
    outcome: answers(),
  },
  {
    section: 'RFC 7541 6.3',
    name: 'the table cannot be larger than it may be',
    script: [asking([], 1, resized(LARGEST + 1))],
    outcome: breaks(COMPRESSION_ERROR),
  },
];
