import fc from 'fast-check';

/** A field as it was meant: what a reader must find. */
export type Field = readonly [name: string, value: string];

export interface Sample {
  readonly head: string;
  readonly line: string;
  readonly fields: readonly Field[];
}

const token = fc.string({
  unit: fc.constantFrom(...'abcXYZ019-!#$%&*+.^`|~'),
  minLength: 1,
  maxLength: 12,
});
const visible = fc.string({
  unit: fc.integer({ min: 0x21, max: 0xff }).map((code) => String.fromCharCode(code === 0x7f ? 0x21 : code)),
  maxLength: 20,
});
/** Words with single spaces or tabs between them, none around them. */
const value = fc
  .array(visible, { maxLength: 3 })
  .map((words) => words.filter((word) => word !== '').join(' '));
const blank = fc.constantFrom('', ' ', '\t', '  ', ' \t');

/** Names in use that stand for something, with values that are in order. */
const known = fc.constantFrom<Field>(
  ['Connection', 'close, x-one'],
  ['Keep-Alive', 'timeout=5'],
  ['TE', 'trailers'],
  ['Proxy-Authorization', 'Basic x'],
  ['X-Forwarded-For', '192.0.2.1'],
  ['X-Forwarded-Port', '80'],
  ['Forwarded', 'for=192.0.2.1'],
  ['x-Request-Id', 'r1'],
  ['X-Spillway-Version', 'canary'],
  ['x-spillway-other', '1'],
  ['under_scored', '1'],
  ['Cookie', 'a=b'],
  ['x-one', '1'],
);
const ordinary = fc.tuple(token, value).map(([name, content]): Field => [`z${name}`, content]);

const lines = fc.array(fc.tuple(fc.oneof(ordinary, known), blank, blank), { maxLength: 8 });

function write(line: string, drafts: readonly (readonly [Field, string, string])[]): Sample {
  const text = drafts.map(([[name, content], before, after]) => `${name}:${before}${content}${after}\r\n`);
  return { line, fields: drafts.map(([field]) => field), head: `${line}\r\n${text.join('')}\r\n` };
}

const target = fc.string({ unit: fc.constantFrom(...'abc/?%.~=&'), maxLength: 20 }).map((path) => `/${path}`);

/** Well-formed request heads, with all the spaces that may stand in them. */
export const requests = fc
  .record({
    method: fc.constantFrom('GET', 'HEAD', 'POST', 'PUT', 'M-SEARCH'),
    target,
    minor: fc.constantFrom('0', '1'),
    lines,
    framing: fc.constantFrom<Field>(['Content-Length', '12'], ['x-none', '']),
  })
  .map(({ method, target, minor, lines, framing }) =>
    write(`${method} ${target} HTTP/1.${minor}`, [
      [['Host', 'shop.example:80'], ' ', ''],
      ...lines,
      [framing, ' ', ''],
    ]),
  );

/** Well-formed response heads. */
export const responses = fc
  .record({
    status: fc.integer({ min: 100, max: 599 }),
    reason: fc.constantFrom('', ' ', ' OK', ' Sehr sch\xf6n'),
    minor: fc.constantFrom('0', '1'),
    lines,
  })
  .map(({ status, reason, minor, lines }) => write(`HTTP/1.${minor} ${status}${reason}`, lines));
