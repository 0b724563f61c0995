import { readChunked } from './chunks.ts';
import { type Framing, framing } from './framing.ts';
import { type Field, readFields, readLine } from './lines.ts';
import type { Reader } from './reader.ts';

interface Message {
  /** Offsets in the stream: first byte, end of the head, end of the message. */
  readonly start: number;
  readonly headEnd: number;
  readonly end: number;
  readonly minor: number;
  readonly fields: readonly Field[];
  /** What delimits the body: chunks, a length, nothing as there is none, or the end of the connection. */
  readonly kind: 'chunked' | 'length' | 'none' | 'close';
  /** The length it was declared to have. */
  readonly length?: number;
  readonly body: string;
  readonly trailers: readonly Field[];
}

export interface Request extends Message {
  readonly method: string;
  readonly target: string;
}

export interface Response extends Message {
  /** The method it answers. */
  readonly method: string;
  readonly status: number;
  /** A 1xx answer, after which the real one comes. */
  readonly interim: boolean;
}

/** What is known of a message that is not whole, or not right. */
export interface Unfinished extends Partial<Message> {
  readonly stage: 'line' | 'head' | 'body';
  readonly start: number;
  readonly method?: string;
  readonly target?: string;
  readonly status?: number;
}

/** A stream read as messages: as many as there are, then why there are no more. */
export interface Reading<M> {
  readonly messages: readonly M[];
  readonly state: 'ok' | 'incomplete' | 'error' | 'tunnel';
  readonly why?: string;
  readonly unfinished?: Unfinished;
  /** The bytes after a switch of protocols. */
  readonly tunnel?: string;
}

type OneRead<M> =
  | { readonly state: 'ok'; readonly message: M }
  | { readonly state: 'incomplete'; readonly unfinished: Unfinished }
  | { readonly state: 'error'; readonly why: string; readonly unfinished?: Unfinished };

/** A stream is read no further than this many messages. */
const MOST = 400;

/** The requests in a stream, as this reader sees them. */
export function readRequests(bytes: string, reader: Reader): Reading<Request> {
  const messages: Request[] = [];
  let at = 0;
  while (messages.length < MOST) {
    at = skipEmptyLines(bytes, at, reader);
    if (at >= bytes.length || (bytes.length - at === 1 && bytes[at] === '\r')) break;
    const read = readRequest(bytes, at, reader);
    if (read.state !== 'ok') return { ...read, messages };
    messages.push(read.message);
    at = read.message.end;
  }
  return { messages, state: 'ok' };
}

function skipEmptyLines(bytes: string, at: number, reader: Reader): number {
  while (bytes.startsWith('\r\n', at)) at += 2;
  while (reader.lf && bytes[at] === '\n') at += 1;
  return at;
}

function readRequest(bytes: string, start: number, reader: Reader): OneRead<Request> {
  const line = readLine(bytes, start, reader);
  if (line.state === 'incomplete') return { state: 'incomplete', unfinished: { stage: 'line', start } };
  if (line.state === 'error') return line;
  const asked = reader.strict ? strictRequestLine(line.text) : laxRequestLine(line.text);
  if (typeof asked === 'string') return { state: 'error', why: asked };
  const head = readFields(bytes, line.next, reader);
  if (head.state === 'incomplete')
    return { state: 'incomplete', unfinished: { stage: 'head', start, ...asked, fields: head.fields } };
  if (head.state === 'error') return head;
  const how = framing(head.fields, asked.minor, reader);
  if (how.kind === 'error') return { state: 'error', why: how.why };
  const known = { start, ...asked, headEnd: head.next, fields: head.fields, kind: how.kind };
  return withBody(known, bytes, how, reader);
}

type RequestLine = Pick<Request, 'method' | 'target' | 'minor'>;

function strictRequestLine(text: string): RequestLine | string {
  const parts = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([\x21-\x7e]+) HTTP\/1\.([01])$/.exec(text);
  if (!parts) return 'bad request line';
  const [, method, target, minor] = parts as unknown as [string, string, string, string];
  const known =
    target.startsWith('/') ||
    /^https?:\/\//i.test(target) ||
    (target === '*' && method === 'OPTIONS') ||
    (method === 'CONNECT' && /^[^/?#]+:\d+$/.test(target));
  if (!known) return 'bad request target';
  if (target.includes('#')) return 'fragment in the request target';
  return { method, target, minor: Number(minor) };
}

function laxRequestLine(text: string): RequestLine | string {
  const words = text.split(/[ \t\x0b\x0c\r]+/).filter((word) => word !== '');
  const [method, target] = words;
  if (method === undefined || target === undefined) return 'bad request line';
  const version = /^HTTP\/\d+\.(\d+)/i.exec(words.length > 2 ? words.at(-1)! : 'HTTP/0.9');
  return { method, target, minor: version ? Number(version[1]) : 1 };
}

/**
 * The responses in a stream that answer requests with these methods (the last goes for all further ones).
 * `closed` says whether the connection has ended, which ends a body that nothing else does.
 */
export function readResponses(
  bytes: string,
  methods: readonly string[],
  reader: Reader,
  closed: boolean,
): Reading<Response> {
  const messages: Response[] = [];
  let at = 0;
  let answered = 0;
  while (at < bytes.length && messages.length < MOST) {
    const method = methods[Math.min(answered, methods.length - 1)] ?? 'GET';
    const read = readResponse(bytes, at, method, reader, closed);
    if (read.state !== 'ok') return { ...read, messages };
    const { message } = read;
    messages.push(message);
    at = message.end;
    if (switches(message)) return { messages, state: 'tunnel', tunnel: bytes.slice(at) };
    if (!message.interim) answered++;
  }
  return { messages, state: 'ok' };
}

function switches({ method, status }: Pick<Response, 'method' | 'status'>): boolean {
  return status === 101 || (method === 'CONNECT' && status >= 200 && status < 300);
}

function readResponse(
  bytes: string,
  start: number,
  method: string,
  reader: Reader,
  closed: boolean,
): OneRead<Response> {
  const line = readLine(bytes, start, reader);
  if (line.state === 'incomplete') return { state: 'incomplete', unfinished: { stage: 'line', start } };
  if (line.state === 'error') return line;
  const parts = (reader.strict ? STRICT_STATUS : LAX_STATUS).exec(line.text);
  if (!parts) return { state: 'error', why: `bad status line ${JSON.stringify(line.text.slice(0, 60))}` };
  const status = Number(parts[2]);
  const minor = Number(parts[1]);
  const head = readFields(bytes, line.next, reader);
  if (head.state === 'incomplete')
    return { state: 'incomplete', unfinished: { stage: 'head', start, status, fields: head.fields } };
  if (head.state === 'error') return head;
  const interim = status >= 100 && status < 200;
  const known = { start, method, status, minor, interim, headEnd: head.next, fields: head.fields };
  if (interim || switches(known)) return withoutBody(known);
  const how = framing(head.fields, minor, reader);
  const bodiless = method === 'HEAD' || status === 204 || status === 304;
  if (how.kind === 'error' && (!bodiless || reader.strict))
    return { state: 'error', why: how.why, unfinished: { ...known, stage: 'head' } };
  if (bodiless || how.kind === 'error') return withoutBody(known);
  if (how.kind !== 'none') return withBody({ ...known, kind: how.kind }, bytes, how, reader);
  return closed
    ? {
        state: 'ok',
        message: { ...known, kind: 'close', body: bytes.slice(head.next), end: bytes.length, trailers: [] },
      }
    : { state: 'incomplete', unfinished: { ...known, kind: 'close', stage: 'body' } };
}

const STRICT_STATUS = /^HTTP\/1\.([01]) ([1-5]\d\d)(?: [\t\x20-\x7e\x80-\xff]*)?$/;
const LAX_STATUS = /^HTTP\/\d+\.(\d+)\s+(\d{3}).*$/;

type Known<M extends Message> = Omit<M, 'end' | 'body' | 'trailers' | 'length'>;
type Body = Pick<Message, 'end' | 'body' | 'trailers' | 'length'>;

function withoutBody<K extends { readonly headEnd: number }>(known: K) {
  const message = { ...known, kind: 'none' as const, end: known.headEnd, body: '', trailers: [] };
  return { state: 'ok', message } as const;
}

function withBody<K extends Known<Message>>(
  known: K,
  bytes: string,
  how: Exclude<Framing, { kind: 'error' }>,
  reader: Reader,
): OneRead<K & Body> {
  const read = readBody(bytes, known.headEnd, how, reader);
  if (read.state === 'error')
    return { state: 'error', why: read.why, unfinished: { ...known, stage: 'body' } };
  return read.state === 'ok'
    ? { state: 'ok', message: { ...known, ...read.found } }
    : { state: 'incomplete', unfinished: { ...known, ...read.found, stage: 'body' } };
}

type BodyRead =
  | { readonly state: 'ok'; readonly found: Body }
  | { readonly state: 'incomplete'; readonly found: Partial<Body> }
  | { readonly state: 'error'; readonly why: string };

function readBody(
  bytes: string,
  at: number,
  how: Exclude<Framing, { kind: 'error' }>,
  reader: Reader,
): BodyRead {
  if (how.kind === 'none') return { state: 'ok', found: { body: '', end: at, trailers: [] } };
  if (how.kind === 'length') {
    const { length } = how;
    const body = bytes.slice(at, at + length);
    return body.length < length
      ? { state: 'incomplete', found: { body, length } }
      : { state: 'ok', found: { body, length, end: at + length, trailers: [] } };
  }
  const read = readChunked(bytes, at, reader);
  if (read.state === 'error') return read;
  const { state, ...found } = read;
  return { state, found } as BodyRead;
}
