import { Client, pause, type Target } from '../client.ts';
import { agreement } from './agreement.ts';
import { type Case, fill, type Packet } from './case.ts';
import { values } from './lines.ts';
import { type Reading, type Request, type Response, readRequests, readResponses } from './messages.ts';
import { type Asked, type Forwarded, finals, type Given, nonceOf, type Observation } from './observation.ts';
import type { Origin } from './origin.ts';
import { LAX, STRICT } from './reader.ts';
import { judge, type Outcome } from './verdict.ts';

/** Milliseconds of silence after which an answer that is there counts as all that comes. */
const QUIET = 130;
/** Milliseconds after which no answer counts as none, where none is due. */
const TIMEOUT = 4000;
/** Milliseconds that an answer which is due may take on a slow machine. */
const PATIENCE = 60_000;
/** How often the proxy is asked whether it is still there; each pause is longer than the last by as many ms. */
const PROBES = 14;
const PROBE_PAUSE = 60;

/** A proxy and the origin behind it, for one case at a time. */
export class Lane {
  readonly #origin: Origin;
  readonly #proxy: Target;
  #count = 0;

  constructor(proxy: Target, origin: Origin) {
    this.#proxy = proxy;
    this.#origin = origin;
  }

  async run(raw: Case): Promise<Outcome & { readonly seen: Observation }> {
    const nonce = this.#nonce();
    const c = fill(raw, nonce, this.#host);
    this.#origin.begin(nonce, c.origin);
    const seen = await this.#observe(c, nonce);
    this.#origin.drop();
    await pause(12);
    return { ...judge(c, seen), seen };
  }

  get #host(): string {
    return `${this.#proxy.host}:${this.#proxy.port}`;
  }

  /** Unique within the lane, and always 11 bytes, as the lengths in the cases have it. */
  #nonce(): string {
    return `n${(++this.#count).toString(36).padStart(10, '0')}`;
  }

  async #observe(c: Case, nonce: string): Promise<Observation> {
    const client = new Client(this.#proxy);
    await client.connected();
    for (const packet of c.send) await send(client, packet);
    const reading = await settle(client, c);
    await pause(c.settle ?? 0);
    const given = givenTo(client, reading, c);
    const mayFollow = !given.closed && !c.noFollow && !c.send.some((packet) => packet.end !== undefined);
    const follow =
      mayFollow && finals(reading).length > 0 && reading.state === 'ok'
        ? await this.#follow(client)
        : undefined;
    const victim = await this.#ask('v');
    client.leave();
    await pause(c.after ?? 5);
    const forwarded = this.#forwarded(c, nonce);
    return { nonce, forwarded, given, follow, victim, alive: await this.#alive() };
  }

  /** A request on a connection that has had an answer. */
  async #follow(client: Client): Promise<Asked> {
    const nonce = this.#nonce();
    const at = client.received.length;
    client.send(this.#get(`/f/${nonce}`));
    const answer = () => readResponses(client.received.slice(at), ['GET'], LAX, client.done);
    await client.until(() => client.done || isAnswered(answer()), PATIENCE);
    const response = finals(answer())[0];
    return { nonce, answered: response && nonceOf(response), status: response?.status, refused: false };
  }

  /** A harmless request on a connection of its own. */
  async #ask(kind: 'v' | 'probe'): Promise<Asked> {
    const nonce = this.#nonce();
    const client = new Client(this.#proxy);
    const refused = !(await client.connected());
    client.send(this.#get(`/${kind}/${nonce}`));
    const answer = () => readResponses(client.received, ['GET'], STRICT, client.done);
    await client.until(() => client.done || isAnswered(answer()), PATIENCE);
    client.leave();
    const response = finals(answer())[0];
    return { nonce, answered: response && nonceOf(response), status: response?.status, refused };
  }

  /** Whether the proxy listens, and a request gets through after a while at the latest. */
  async #alive(): Promise<boolean> {
    for (let probe = 0; probe < PROBES; probe++) {
      const asked = await this.#ask('probe');
      if (asked.refused) return false;
      if (asked.answered === asked.nonce) return true;
      await pause(probe * PROBE_PAUSE);
    }
    return false;
  }

  #get(target: string): string {
    return `GET ${target} HTTP/1.1\r\nHost: ${this.#host}\r\n\r\n`;
  }

  /** Reads what reached the origin. The bytes of a connection are judged whole: their order matters. */
  #forwarded(c: Case, nonce: string): Forwarded {
    const connections = this.#origin
      .recordings()
      .map(({ bytes, surplus }) => ({
        surplus,
        ...agreement((reader) => readRequests(bytes, reader), c.ignoreReaders),
      }))
      .map((each) => ({ ...each, mine: each.strict.messages.filter((request) => isOfCase(request, nonce)) }))
      .filter(({ mine, strict }) => mine.length > 0 || strict.state === 'error' || strict.unfinished);
    return {
      requests: connections.flatMap(({ mine }) => mine),
      unfinished: connections.find(({ strict }) => strict.unfinished)?.strict.unfinished,
      surplus: connections.flatMap(({ surplus }) => surplus),
      fault: connections
        .map(({ strict, mine }) => strict.why ?? hostFault(mine))
        .find((why) => why !== undefined),
      disagreements: connections.flatMap(({ disagreements }) => disagreements),
    };
  }
}

function isOfCase({ target }: Request, nonce: string): boolean {
  return target.includes(nonce) || !/\/(v|f|probe)\//.test(target);
}

function hostFault(requests: readonly Request[]): string | undefined {
  const wrong = requests.find(({ minor, fields }) => minor === 1 && values(fields, 'host').length !== 1);
  return wrong && `${values(wrong.fields, 'host').length} Host fields`;
}

function isAnswered(reading: Reading<Response>): boolean {
  return reading.state === 'error' || finals(reading).length > 0;
}

async function send(client: Client, packet: Packet): Promise<void> {
  if (packet.wait) await pause(packet.wait);
  const { until, bytes = '', times = 1 } = packet;
  if (until !== undefined) await client.until(() => client.done || client.received.includes(until), PATIENCE);
  for (const piece of packet.bytewise ? bytes : Array<string>(times).fill(bytes)) {
    if (client.closed) return;
    client.send(piece);
    if (packet.bytewise) await pause(1);
  }
  if (packet.end === 'fin') client.socket.end();
  if (packet.end === 'rst') {
    await pause(10);
    client.reset();
  }
}

/** Waits until what the client has been given is all that it will be given. */
async function settle(client: Client, c: Case): Promise<Reading<Response>> {
  const began = performance.now();
  const wanted = c.expectResponses ?? c.expectRequests ?? 1;
  for (;;) {
    const reading = readResponses(client.received, c.methods ?? ['GET'], LAX, client.done);
    if (client.done) {
      await pause(Math.max(0, began + 60 - performance.now()));
      return reading;
    }
    const now = performance.now();
    const quietSince = Math.max(client.lastAt, began);
    const over = Math.min(
      began + (c.timeout ?? (c.incomplete ? TIMEOUT : PATIENCE)),
      quietSince + patience(reading, wanted),
    );
    if (now >= over) return reading;
    await client.changed(over - now);
  }
}

/** Milliseconds of silence that make this reading the last. */
function patience(reading: Reading<Response>, wanted: number): number {
  if (reading.state === 'tunnel') return QUIET;
  if (reading.state !== 'incomplete' && finals(reading).length >= wanted) return QUIET;
  return reading.state === 'error' ? 2 * QUIET : Number.POSITIVE_INFINITY;
}

function givenTo(client: Client, reading: Reading<Response>, c: Case): Given {
  const { received: bytes, done: closed, error } = client;
  const methods = c.methods ?? ['GET'];
  const views = agreement((reader) => readResponses(bytes, methods, reader, closed), c.ignoreReaders);
  return { bytes, reading, ...views, closed, reset: error === 'ECONNRESET' };
}
