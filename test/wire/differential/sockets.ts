import { createServer as createHttpServer, type Server as HttpServer, request } from 'node:http';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { Client } from '../client.ts';
import { readResponses } from '../conformance/messages.ts';
import { LAX } from '../conformance/reader.ts';
import { openSpillway, type Spillway } from '../spillway.ts';
import type { Finding } from './check.ts';
import { knowsMethod, Seen, watch } from './llhttp.ts';
import { type Message, quote, type Reading } from './message.ts';
import { type Passage, passRequests, passResponse } from './passing.ts';

/** Milliseconds after which an answer that is due counts as none. */
const PATIENCE = 60_000;
const MARKER = 'GET /marker';

/** The whole proxy, with an origin built on llhttp behind it: what it sees must be what the codec alone passes on. */
export class RequestSockets {
  readonly #server: HttpServer;
  readonly #spillway: Spillway;
  #seen: Seen[] = [];
  #refused: string | undefined;

  private constructor(server: HttpServer, spillway: Spillway) {
    this.#server = server;
    this.#spillway = spillway;
    server.on('request', (message, response) => {
      this.#seen.push(new Seen(`${message.method} ${message.url}`, message));
      message.on('end', () => response.end(`${message.method} ${message.url}`));
    });
    server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
      // A request whose client gave up ends in the middle; everything else is for us to explain.
      if (error.code !== 'HPE_INVALID_EOF_STATE' && error.code !== 'ECONNRESET') this.#refused = error.code;
      socket.destroy();
    });
  }

  static async open(): Promise<RequestSockets> {
    const server = createHttpServer({ maxHeaderSize: 2 ** 20 });
    return new RequestSockets(server, await openSpillway(`127.0.0.1:${await listen(server)}`));
  }

  async close(): Promise<void> {
    await this.#spillway.close();
    this.#server.closeAllConnections();
    this.#server.close();
  }

  async check(packets: readonly string[]): Promise<Finding> {
    const { host, port } = this.#spillway.address;
    const expected = passRequests(packets, `${host}:${port}`);
    if (!expected.messages.every(knowsMethod)) return { passed: false, wrong: undefined };
    this.#seen = [];
    this.#refused = undefined;
    const unanswered = await this.#send(packets, expected);
    await this.#mark();
    const seen = this.#seen.map((each) => each.read()).filter(({ line }) => line !== MARKER);
    return {
      passed: seen.length > 0,
      wrong: unanswered ?? this.#refused ?? misplaced(seen, expected.messages),
    };
  }

  /** Sends it all and waits for what must come back. Tells what did not. */
  async #send(packets: readonly string[], { messages, refused }: Passage): Promise<string | undefined> {
    const client = new Client(this.#spillway.address);
    for (const packet of packets) {
      client.send(packet);
      await turn();
    }
    // The proxy looks at a head when a line of it has ended.
    if (refused !== undefined) client.send('\n');
    const methods = messages.map(({ line }) => line.split(' ', 1)[0]!);
    // What is refused is answered, too.
    const wanted = messages.filter(({ whole }) => whole).length + (refused === undefined ? 0 : 1);
    const answers = () =>
      readResponses(client.received, methods, LAX, client.done).messages.filter(({ interim }) => !interim);
    const answered = await client.until(() => client.done || answers().length >= wanted, PATIENCE);
    client.leave();
    return answered ? disordered(answers(), messages) : `not answered: ${quote(client.received)}`;
  }

  /** When this is answered, whatever was sent before it has been seen. */
  #mark(): Promise<void> {
    return new Promise((resolve) => {
      const asked = request({ ...this.#spillway.address, path: '/marker', agent: false });
      asked.on('response', (response) => response.resume());
      asked.on('close', resolve).end();
    });
  }
}

/** Answers of the origin come in the order of the requests. */
function disordered(
  answers: ReturnType<typeof readResponses>['messages'],
  messages: readonly Message[],
): string | undefined {
  const wrong = answers.findIndex(
    ({ status, body }, i) => status === 200 && body !== '' && body !== messages[i]?.line,
  );
  return wrong < 0 ? undefined : `answer ${wrong} is that to ${answers[wrong]!.body}`;
}

/** What was seen must be among what was expected, in that order, with nothing between. */
function misplaced(seen: readonly Message[], expected: readonly Message[]): string | undefined {
  let next = 0;
  for (const message of seen) {
    while (next < expected.length && !matches(message, expected[next]!)) next++;
    if (next++ >= expected.length)
      return `the origin sees ${quote(message)}, expected was ${quote(expected)}`;
  }
  return undefined;
}

/** Whether `seen` is `expected`, to which the proxy may have added fields, and of which the end may be missing. */
function matches(seen: Message, expected: Message): boolean {
  if (seen.line !== expected.line || !hasFields(seen, expected)) return false;
  if (!seen.whole) return expected.body.startsWith(seen.body);
  return expected.whole && seen.body === expected.body && seen.trailers.join() === expected.trailers.join();
}

function hasFields(seen: Message, expected: Message): boolean {
  const pairs = (fields: readonly string[]) =>
    fields.flatMap((name, i) => (i % 2 === 0 ? [`${name}: ${fields[i + 1]}`] : []));
  const there = pairs(seen.fields);
  return pairs(expected.fields).every((pair) => there.includes(pair));
}

/** The whole proxy, with an origin that says what it is told: a client built on llhttp must see what the codec alone passes on. */
export class AnswerSockets {
  readonly #server: Server;
  readonly #spillway: Spillway;
  #packets: readonly string[] = [];

  private constructor(server: Server, spillway: Spillway) {
    this.#server = server;
    this.#spillway = spillway;
    server.on('connection', (socket) => {
      socket.on('error', () => {});
      socket.once('data', async () => {
        for (const packet of this.#packets) {
          if (socket.writable) socket.write(packet, 'latin1');
          await turn();
        }
        socket.end();
      });
    });
  }

  static async open(): Promise<AnswerSockets> {
    const server = createServer({ noDelay: true });
    return new AnswerSockets(server, await openSpillway(`127.0.0.1:${await listen(server)}`));
  }

  async close(): Promise<void> {
    await this.#spillway.close();
    this.#server.close();
  }

  async check(packets: readonly string[]): Promise<Finding> {
    this.#packets = packets;
    const expected = passResponse(packets, 'GET').messages;
    const seen = await this.#ask();
    const passed = expected.length > 0;
    return isRelayed(seen, expected)
      ? { passed, wrong: undefined }
      : {
          passed,
          wrong: `the client sees ${quote(seen)}, expected was ${quote(expected)}`,
        };
  }

  #ask(): Promise<Reading> {
    return new Promise((resolve) => {
      const asked = request({ ...this.#spillway.address, agent: false });
      const reading = watch(asked);
      asked.on('close', () => resolve(reading())).end();
    });
  }
}

/** The same answer, or an error of the proxy's own, or one that is visibly broken off. */
function isRelayed({ messages }: Reading, expected: readonly Message[]): boolean {
  const answer = messages.at(-1);
  const whole = expected.at(-1);
  if (whole?.whole && !isInterim(whole))
    return (
      messages.length === expected.length && messages.every((message, i) => matches(message, expected[i]!))
    );
  return !answer?.whole || isInterim(answer) || answer.line === '502';
}

function isInterim({ line }: Message): boolean {
  return /^1\d\d$/.test(line);
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

/** Lets what was written leave as a packet of its own, most of the time. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
