import type { Reader } from './reader.ts';

/** A field as it was read; a name keeps its case. */
export interface Field {
  readonly name: string;
  readonly value: string;
}

export type LineRead =
  | { readonly state: 'ok'; readonly text: string; readonly next: number }
  | { readonly state: 'incomplete' }
  | { readonly state: 'error'; readonly why: string };

export type FieldsRead =
  | { readonly state: 'ok'; readonly fields: readonly Field[]; readonly next: number }
  | { readonly state: 'incomplete'; readonly fields: readonly Field[] }
  | { readonly state: 'error'; readonly why: string };

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const CONTROL = /[\x00-\x08\x0a-\x1f\x7f]/;
const INCOMPLETE = { state: 'incomplete' } as const;

/** The values of a field, by its name in lower case. */
export function values(fields: readonly Field[], name: string): string[] {
  return fields.filter((field) => field.name.toLowerCase() === name).map((field) => field.value);
}

/** The line that starts at `at`, as this reader delimits it. */
export function readLine(bytes: string, at: number, reader: Reader): LineRead {
  const lf = bytes.indexOf('\n', at);
  const cr = bytes.indexOf('\r', at);
  const crFirst = cr >= 0 && (lf < 0 || cr < lf);
  if (reader.cr === 'ends-line' && crFirst) {
    if (cr + 1 >= bytes.length) return INCOMPLETE;
    return line(bytes, at, cr, bytes[cr + 1] === '\n' ? cr + 2 : cr + 1);
  }
  if (lf < 0) {
    const bare = reader.cr === 'error' && cr >= 0 && cr + 1 < bytes.length;
    return bare ? { state: 'error', why: 'bare CR' } : INCOMPLETE;
  }
  const crlf = lf > at && bytes[lf - 1] === '\r';
  if (!crlf && !reader.lf) return { state: 'error', why: 'bare LF' };
  const text = bytes.slice(at, crlf ? lf - 1 : lf);
  if (text.includes('\r')) {
    if (reader.cr === 'error') return { state: 'error', why: 'bare CR' };
    if (reader.cr === 'strip') return { state: 'ok', text: text.replaceAll('\r', ''), next: lf + 1 };
  }
  return { state: 'ok', text, next: lf + 1 };
}

/** The line of a chunk size that starts at `at`: readers end it by rules of their own. */
export function readChunkLine(bytes: string, at: number, reader: Reader): LineRead {
  if (reader.chunkLine === 'cr-any') {
    const cr = bytes.indexOf('\r', at);
    const lf = bytes.indexOf('\n', at);
    if (cr >= 0 && (lf < 0 || cr < lf))
      return cr + 1 < bytes.length ? line(bytes, at, cr, cr + 2) : INCOMPLETE;
  }
  if (reader.chunkLine !== 'crlf' || reader.cr === 'ends-line') return readLine(bytes, at, reader);
  const end = bytes.indexOf('\r\n', at);
  if (end < 0) return INCOMPLETE;
  if (reader.strict && /[\r\n]/.test(bytes.slice(at, end)))
    return { state: 'error', why: 'bare CR or LF in a chunk line' };
  return line(bytes, at, end, end + 2);
}

function line(bytes: string, from: number, to: number, next: number): LineRead {
  return { state: 'ok', text: bytes.slice(from, to), next };
}

/** The fields from `at` up to the empty line. */
export function readFields(bytes: string, at: number, reader: Reader): FieldsRead {
  const fields: Field[] = [];
  for (;;) {
    const read = readLine(bytes, at, reader);
    if (read.state === 'incomplete') return { state: 'incomplete', fields };
    if (read.state === 'error') return read;
    at = read.next;
    if (read.text === '') return { state: 'ok', fields, next: at };
    const step = takeLine(read.text, fields, reader);
    if (step === 'end') return { state: 'ok', fields, next: at };
    if (step !== undefined) return { state: 'error', why: step.why };
  }
}

/** Adds what a line says to `fields`; tells when it ends them, or why it cannot be read. */
function takeLine(text: string, fields: Field[], reader: Reader): 'end' | { why: string } | undefined {
  if (/^[ \t]/.test(text)) {
    if (reader.fold === 'error')
      return { why: fields.length > 0 ? 'folded line' : 'blank before the first field' };
    if (reader.fold === 'drop') return undefined;
    if (reader.fold === 'join') {
      const last = fields.pop();
      if (last) fields.push({ name: last.name, value: trim(`${last.value} ${trim(text, reader)}`, reader) });
      return undefined;
    }
  }
  const whole = reader.fold === 'field' ? text.replace(/^[ \t]+/, '') : text;
  const split = separator(whole, reader);
  if (split < 0) return reader.noColon === 'error' ? { why: 'field line without a colon' } : undefined;
  const value = whole.slice(split + 1);
  if (split === 0 && reader.emptyNameEnds && trim(value, reader) === '') return 'end';
  const name = fieldName(whole.slice(0, split), reader);
  if (name === undefined) return { why: 'invalid field name' };
  if (reader.nul === 'error' && CONTROL.test(value)) return { why: 'control byte in a field value' };
  const kept = reader.nul === 'truncate' ? value.split('\0', 1)[0]! : value;
  fields.push({ name, value: trim(kept, reader) });
  return undefined;
}

function separator(text: string, reader: Reader): number {
  const colon = text.indexOf(':');
  return colon < 0 && reader.noColon === 'split-on-space' ? text.indexOf(' ') : colon;
}

function fieldName(raw: string, reader: Reader): string | undefined {
  if (reader.badName === 'error') return TOKEN.test(raw) ? raw : undefined;
  if (reader.trimNames) return trimExtended(raw);
  return reader.blankBeforeColon === 'strip' ? raw.replace(/[ \t]+$/, '') : raw;
}

function trim(value: string, reader: Reader): string {
  return reader.trim === 'extended' ? trimExtended(value) : value.replace(/^[ \t]+|[ \t]+$/g, '');
}

function trimExtended(text: string): string {
  return text.replace(/^[\x00-\x20\x7f-\xff]+|[\x00-\x20\x7f-\xff]+$/g, '');
}
