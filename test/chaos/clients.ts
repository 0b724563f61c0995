import { randomBytes } from 'node:crypto';
import { type Agent, request as ask, type IncomingMessage } from 'node:http';
import { type ClientHttp2Session, connect } from 'node:http2';
import { WebSocket } from 'ws';
import type { Account, Kind } from './account.ts';
import { bodyOf } from './body.ts';

/** Longer than everything that Spillway waits for together, ms. */
const PATIENCE = 60_000;
/** Between two requests of one client, ms. */
const PACE = 25;
const SIZES = [200, 2000, 60_000];

/** What came of one turn of a client: undefined if it got what it wanted, else how not, and what can be said of it. */
type Outcome = { readonly how: string; readonly says: string } | undefined;

/** One turn of a client: the path is that of no other. */
type Turn = (path: string, turn: number) => Promise<Outcome>;

/** Clients of one kind that take turns until they are told to stop, and account for every turn. */
export class Clients {
  readonly #kind: Kind;
  readonly #account: Account;
  readonly #running: Promise<void>[];
  #stopped = false;

  constructor(kind: Kind, count: number, account: Account, turn: Turn) {
    this.#kind = kind;
    this.#account = account;
    this.#running = Array.from({ length: count }, () => this.#run(turn));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#running);
  }

  async #run(turn: Turn): Promise<void> {
    for (let count = 0; !this.#stopped; count++) {
      const from = performance.now();
      const path = `/${randomBytes(8).toString('hex')}/${SIZES[count % SIZES.length]}`;
      const outcome = await turn(path, count);
      const to = performance.now();
      if (outcome === undefined) this.#account.answered[this.#kind]++;
      else this.#account.failures.push({ kind: this.#kind, from, to, path, ...outcome });
      await new Promise((resolve) => setTimeout(resolve, PACE));
    }
  }
}

/** One HTTP/1.1 request over kept connections, with or without a body. Every user is new. */
export function http1(proxy: string, agent: Agent, post: boolean): Turn {
  return (path, turn) => {
    const body = post ? randomBytes(1 + (turn % 12_000)) : undefined;
    const id = randomBytes(8).toString('hex');
    return new Promise((resolve) => {
      const request = ask(`${proxy}${path}`, {
        agent,
        method: post ? 'POST' : 'GET',
        timeout: PATIENCE,
        headers: { 'x-user': id, ...(body && { 'content-length': body.length, 'x-post': id }) },
      });
      request.on('timeout', () => request.destroy(new Error('no answer')));
      request.on('error', (fault) =>
        resolve({ how: fault.message === 'no answer' ? 'silent' : 'lost', says: fault.message }),
      );
      request.on('response', (response) => void judged(response, body ?? bodyOf(path)).then(resolve));
      request.end(body);
    });
  };
}

async function judged(response: IncomingMessage, wanted: Buffer): Promise<Outcome> {
  const pieces: Buffer[] = [];
  const says = `${response.statusCode} of ${response.headers['x-spillway-version']}`;
  try {
    for await (const piece of response) pieces.push(piece as Buffer);
  } catch (fault) {
    return { how: 'cut', says: `${says}: ${(fault as Error).message}` };
  }
  return compared(response.statusCode!, Buffer.concat(pieces), wanted, says);
}

/** An answer that says it is whole. Wrong bytes in one are explained by nothing. */
function compared(status: number, body: Buffer, wanted: Buffer, says: string): Outcome {
  if (status !== 200) return { how: String(status), says: `${says} ${body.toString('latin1', 0, 300)}` };
  if (!body.equals(wanted))
    return { how: 'wrong', says: `${says}, ${body.length} bytes instead of ${wanted.length}` };
  return undefined;
}

/** Streams of one HTTP/2 connection, which is made anew when it is lost. */
export class Http2 {
  readonly #proxy: string;
  #session: ClientHttp2Session | undefined;

  constructor(proxy: string) {
    this.#proxy = proxy;
  }

  readonly get: Turn = (path) => {
    const session = this.#connected();
    return new Promise((resolve) => {
      const stream = session.request({ ':path': path, 'x-user': randomBytes(8).toString('hex') });
      const pieces: Buffer[] = [];
      let status = 0;
      let says = '';
      stream.setTimeout(PATIENCE, () => {
        resolve({ how: 'silent', says });
        stream.close();
      });
      stream.on('response', (head) => {
        status = Number(head[':status']);
        says = `${status} of ${head['x-spillway-version']}`;
      });
      stream.on('data', (piece: Buffer) => pieces.push(piece));
      // A reset ends what can be read, too; only the close says which of the two it was.
      let ended = false;
      stream.on('end', () => {
        ended = true;
      });
      stream.on('error', (fault) => {
        says += ` ${fault.message}`;
      });
      stream.on('close', () => {
        if (ended && stream.rstCode === 0)
          return resolve(compared(status, Buffer.concat(pieces), bodyOf(path), says));
        resolve({ how: status === 0 ? 'lost' : 'cut', says: `${says} closed, ${stream.rstCode}` });
      });
    });
  };

  close(): void {
    this.#session?.destroy();
  }

  #connected(): ClientHttp2Session {
    if (this.#session === undefined || this.#session.closed || this.#session.destroyed) {
      this.#session = connect(this.#proxy);
      this.#session.on('error', () => {});
    }
    return this.#session;
  }
}

/** One WebSocket for some turns of talk: what is said comes back. */
export function talk(proxy: string): Turn {
  return async (path) => {
    const socket = new WebSocket(`${proxy.replace('http', 'ws')}${path}`, {
      headers: { 'x-user': randomBytes(8).toString('hex') },
      handshakeTimeout: PATIENCE,
    });
    try {
      return await Promise.race([conversation(socket), parting(socket)]);
    } finally {
      socket.terminate();
    }
  };
}

/** Says a hundred things, and hears each of them again. */
async function conversation(socket: WebSocket): Promise<Outcome> {
  await new Promise((resolve) => socket.once('open', resolve));
  for (let word = 0; word < 100; word++) {
    const said = randomBytes(1 + word * 50);
    const heard = new Promise<Buffer>((resolve) => socket.once('message', (data) => resolve(data as Buffer)));
    socket.send(said);
    const silence = AbortSignal.timeout(PATIENCE);
    const answer = await Promise.race([
      heard,
      new Promise<undefined>((resolve) => silence.addEventListener('abort', () => resolve(undefined))),
    ]);
    if (answer === undefined) return { how: 'silent', says: `word ${word}` };
    if (!answer.equals(said)) return { how: 'wrong', says: `word ${word}` };
    await new Promise((resolve) => setTimeout(resolve, PACE));
  }
  return undefined;
}

/** Resolves only if the other side ends it. */
function parting(socket: WebSocket): Promise<Outcome> {
  return new Promise((resolve) => {
    socket.on('error', (fault) => {
      const status = /Unexpected server response: (\d+)/.exec(fault.message)?.[1];
      resolve({
        how: status ?? (socket.readyState === WebSocket.CONNECTING ? 'lost' : 'closed'),
        says: fault.message,
      });
    });
    socket.on('close', (code) => resolve({ how: code === 1012 ? '1012' : 'closed', says: `code ${code}` }));
  });
}
