import { pythonDigits } from './framing.ts';
import { type Field, readChunkLine, readFields } from './lines.ts';
import type { Reader } from './reader.ts';

export type ChunkedRead =
  | { readonly state: 'ok'; readonly body: string; readonly end: number; readonly trailers: readonly Field[] }
  | { readonly state: 'incomplete'; readonly body: string }
  | { readonly state: 'error'; readonly why: string };

/** The chunked body that starts at `at`. */
export function readChunked(bytes: string, at: number, reader: Reader): ChunkedRead {
  let body = '';
  for (;;) {
    const head = readChunkLine(bytes, at, reader);
    if (head.state === 'incomplete') return { state: 'incomplete', body };
    if (head.state === 'error') return head;
    const size = chunkSize(head.text, reader);
    if (size === undefined)
      return { state: 'error', why: `bad chunk size ${JSON.stringify(head.text.slice(0, 40))}` };
    at = head.next;
    if (size === 0) return readTrailer(bytes, at, body, reader);
    body += bytes.slice(at, at + size);
    at += size;
    const end = chunkEnd(bytes, at, reader);
    if (end === 'incomplete') return { state: 'incomplete', body };
    if (end === 'error') return { state: 'error', why: 'chunk data is not followed by CRLF' };
    at = end;
  }
}

function readTrailer(bytes: string, at: number, body: string, reader: Reader): ChunkedRead {
  if (reader.trailer === 'any-two')
    return at + 2 > bytes.length
      ? { state: 'incomplete', body }
      : { state: 'ok', body, end: at + 2, trailers: [] };
  const read = readFields(bytes, at, reader);
  if (read.state === 'incomplete') return { state: 'incomplete', body };
  if (read.state === 'error') return { state: 'error', why: `trailer: ${read.why}` };
  return { state: 'ok', body, end: read.next, trailers: read.fields };
}

/** Where the next chunk starts, after data that ended at `at`. */
function chunkEnd(bytes: string, at: number, reader: Reader): number | 'incomplete' | 'error' {
  if (reader.chunkEnd === 'any-two') return at + 2 > bytes.length ? 'incomplete' : at + 2;
  if (bytes.startsWith('\r\n', at)) return at + 2;
  if (at >= bytes.length || (bytes[at] === '\r' && at + 1 >= bytes.length)) return 'incomplete';
  if (reader.chunkLine !== 'crlf' && bytes[at] === '\n') return at + 1;
  return reader.chunkEnd === 'nothing' ? at : 'error';
}

function chunkSize(text: string, reader: Reader): number | undefined {
  switch (reader.chunkSize) {
    case 'strict':
      if (reader.strict && /[\x00-\x08\x0a-\x1f\x7f]/.test(text)) return undefined;
      return safe(/^([0-9a-f]{1,16})(?:[ \t]*;.*)?$/i.exec(text)?.[1]);
    case 'prefix':
      return text === '' ? 0 : safe(/^[0-9a-f]+/i.exec(text)?.[0]);
    case 'python-int': {
      const digits = pythonDigits(text.split(';', 1)[0]!, /(?<=[0-9a-f])_(?=[0-9a-f])/gi);
      return safe(/^\+?(?:0x)?([0-9a-f]+)$/i.exec(digits)?.[1]);
    }
    case 'wrap-32':
      return wrapped(text, 32);
    case 'wrap-64':
      return wrapped(text, 64);
  }
}

function safe(hex: string | undefined): number | undefined {
  const size = Number(`0x${hex}`);
  return Number.isSafeInteger(size) ? size : undefined;
}

function wrapped(text: string, bits: number): number | undefined {
  const hex = /^[0-9a-f]+/i.exec(text)?.[0];
  return hex === undefined ? undefined : Number(BigInt.asUintN(bits, BigInt(`0x${hex}`)));
}
