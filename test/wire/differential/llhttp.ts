import {
  type ClientRequest,
  createServer,
  type IncomingMessage,
  METHODS,
  request,
  type Server,
} from 'node:http';
import { Duplex } from 'node:stream';
import type { Message, Reading } from './message.ts';

/**
 * Node's parser, llhttp, as a second opinion: it is fed through the public API of `node:http`, over streams in
 * memory, since what counts is what a server or client built on it would have seen.
 */

/** A stream that delivers these bytes, and the end if `fin`; what is written to it is thrown away. */
class Wire extends Duplex {
  constructor(bytes: string, fin: boolean) {
    super();
    this.push(Buffer.from(bytes, 'latin1'));
    if (fin) this.push(null);
  }

  override _read(): void {}

  override _write(_chunk: unknown, _encoding: unknown, done: () => void): void {
    done();
  }
}

interface Slot {
  readonly messages: Seen[];
  refused: string | undefined;
}

/** A message while it is read. */
export class Seen {
  readonly #line: string;
  readonly #message: IncomingMessage;
  #body = '';
  #whole = false;

  constructor(line: string, message: IncomingMessage) {
    this.#line = line;
    this.#message = message;
    message.on('data', (bytes: Buffer) => {
      this.#body += bytes.toString('latin1');
    });
    message.on('end', () => {
      this.#whole = message.complete;
    });
    message.on('error', () => {});
  }

  read(): Message {
    const { rawHeaders: fields, rawTrailers: trailers } = this.#message;
    return { line: this.#line, fields, body: this.#body, trailers, whole: this.#whole };
  }
}

const SIZE = { maxHeaderSize: 2 ** 20 };
const slots = new WeakMap<Duplex, Slot>();
const server = oracle();

function oracle(): Server {
  const made = createServer({ ...SIZE, requireHostHeader: false });
  const see = (message: IncomingMessage) =>
    slots.get(message.socket)?.messages.push(new Seen(`${message.method} ${message.url}`, message));
  made.on('request', see).on('checkContinue', see).on('checkExpectation', see);
  made.on('clientError', (error: NodeJS.ErrnoException, wire) => {
    const slot = slots.get(wire);
    if (slot) slot.refused ??= error.code ?? error.message;
  });
  return made;
}

/** Whether llhttp knows the method; it refuses every other. */
export function knowsMethod(message: Message): boolean {
  return METHODS.includes(message.line.split(' ', 1)[0]!);
}

/** What a server built on llhttp sees in a stream of requests. */
export async function readRequests(bytes: string): Promise<Reading> {
  const wire = new Wire(bytes, false);
  const slot: Slot = { messages: [], refused: undefined };
  slots.set(wire, slot);
  wire.on('error', () => {});
  server.emit('connection', wire);
  await delivered();
  const messages = slot.messages.map((seen) => seen.read());
  wire.destroy();
  return { messages, refused: slot.refused };
}

/** What a client built on llhttp sees in the answer to a request with this method, after which the stream ends. */
export async function readResponse(bytes: string, method: string): Promise<Reading> {
  const wire = new Wire(bytes, true);
  const asked = request({ ...SIZE, method, createConnection: () => wire });
  const reading = watch(asked);
  asked.end();
  await delivered();
  wire.destroy();
  return reading();
}

/** Watches what comes back for a request; what it returns tells. */
export function watch(asked: ClientRequest): () => Reading {
  const messages: Message[] = [];
  let last: Seen | undefined;
  let refused: string | undefined;
  asked.on('information', ({ statusCode, rawHeaders: fields }) =>
    messages.push({ line: `${statusCode}`, fields, body: '', trailers: [], whole: true }),
  );
  asked.on('response', (message) => {
    last = new Seen(`${message.statusCode}`, message);
  });
  asked.on('upgrade', () => {
    refused = 'upgrade';
  });
  asked.on('error', (error: NodeJS.ErrnoException) => {
    refused = error.code ?? error.message;
  });
  return () => ({ messages: last ? [...messages, last.read()] : messages, refused });
}

/** Streams hand on within ticks of the event loop; bodies and trailers are there after a few. */
async function delivered(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
}
