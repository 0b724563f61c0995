import type { Field } from './lines.ts';
import type { Reader } from './reader.ts';

/** How the body of a message is delimited, or why a reader refuses to say. */
export type Framing =
  | { readonly kind: 'chunked' | 'none' }
  | { readonly kind: 'length'; readonly length: number }
  | { readonly kind: 'error'; readonly why: string };

type Length = number | { readonly why: string };

const GREATEST = 0x7fffffffffffffffn;

/** The framing that these fields mean to a reader, in a message of HTTP/1.`minor`. */
export function framing(fields: readonly Field[], minor: number, reader: Reader): Framing {
  const lengths = named(fields, 'content-length', reader);
  const codings = named(fields, 'transfer-encoding', reader);
  if (codings.length > 0 && lengths.length > 0 && reader.both === 'error')
    return { kind: 'error', why: 'both Transfer-Encoding and Content-Length' };
  const coding = codings.length > 0 ? codingOf(codings, minor, reader) : 'none';
  if (typeof coding === 'object') return { kind: 'error', why: coding.why };
  const chunked = coding === 'chunked';
  if (lengths.length === 0) return { kind: chunked ? 'chunked' : 'none' };
  if (chunked && reader.both === 'coding') return { kind: 'chunked' };
  const length = lengthOf(lengths, reader);
  return typeof length === 'object' ? { kind: 'error', why: length.why } : { kind: 'length', length };
}

function named(fields: readonly Field[], name: string, reader: Reader): string[] {
  const key = (raw: string) =>
    reader.underscoreIsDash ? raw.toLowerCase().replaceAll('_', '-') : raw.toLowerCase();
  return fields.filter((field) => key(field.name) === name).map((field) => field.value);
}

function codingOf(
  lines: readonly string[],
  minor: number,
  reader: Reader,
): 'chunked' | 'none' | { readonly why: string } {
  if (minor === 0 && reader.coding10 === 'error') return { why: 'Transfer-Encoding in HTTP/1.0' };
  if (minor === 0 && reader.coding10 === 'ignore') return 'none';
  if (reader.coding === 'any') return 'chunked';
  if (reader.coding === 'substring')
    return lines.some((each) => each.toLowerCase().includes('chunked')) ? 'chunked' : 'none';
  const counted =
    reader.coding === 'first' ? lines.slice(0, 1) : reader.coding === 'last' ? lines.slice(-1) : lines;
  const codings = counted.flatMap((each) => each.split(',').map((coding) => coding.trim().toLowerCase()));
  if (reader.coding === 'strict')
    return codings.length === 1 && codings[0] === 'chunked'
      ? 'chunked'
      : { why: 'Transfer-Encoding is not exactly "chunked"' };
  const known = codings.filter((coding) => coding !== '');
  if (reader.coding === 'ignore-unknown')
    return known.length === 1 && known[0] === 'chunked' ? 'chunked' : 'none';
  return known.at(-1) === 'chunked' ? 'chunked' : { why: 'unknown transfer coding' };
}

function lengthOf(lines: readonly string[], reader: Reader): Length {
  const first = lines[0]!;
  switch (reader.length) {
    case 'prefix':
      return first === '' ? 0 : decimal(/^\d+/.exec(first)?.[0]);
    case 'python-int':
      return decimal(/^\+?(\d+)$/.exec(pythonDigits(first, /(?<=\d)_(?=\d)/g))?.[1]);
    case 'strtoll-0':
      return strtoll(first.trim().replace(/^\+/, ''));
    default:
      return listed(lines, reader);
  }
}

/** A list of lengths, as RFC 9110 lets a recipient read it: all of them have to say the same. */
function listed(lines: readonly string[], reader: Reader): Length {
  const all = lines.flatMap((each) => each.split(',').map((length) => length.trim()));
  if (reader.length === 'empty-is-0' && all[0] === '') return 0;
  const counted =
    reader.length === 'first' ? all.slice(0, 1) : reader.length === 'last' ? all.slice(-1) : all;
  if (!counted.every((each) => /^\d+$/.test(each))) return { why: 'invalid Content-Length' };
  const distinct = new Set(counted.map((each) => each.replace(/^0+(?=\d)/, '')));
  return distinct.size === 1 ? decimal([...distinct][0]) : { why: 'conflicting Content-Length' };
}

function strtoll(text: string): Length {
  if (/^0x[0-9a-f]/i.test(text)) return Number.parseInt(text, 16);
  const octal = /^0[0-7]+/.exec(text);
  return octal ? Number.parseInt(octal[0], 8) : decimal(/^\d+/.exec(text)?.[0]);
}

function decimal(digits: string | undefined): Length {
  if (digits === undefined) return { why: 'invalid Content-Length' };
  return BigInt(digits) <= GREATEST ? Number(digits) : { why: 'Content-Length too large' };
}

/** What Python's `int()` overlooks in a number: blanks around it and underscores between its digits. */
export function pythonDigits(text: string, underscores: RegExp): string {
  return text.trim().replace(underscores, '');
}
