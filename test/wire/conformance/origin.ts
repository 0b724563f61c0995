import { createHash } from 'node:crypto';
import { createServer, type Server, type Socket } from 'node:net';
import { reset } from '../../../src/proxy/reset.ts';
import { pause } from '../client.ts';
import type { Packet, Script } from './case.ts';
import { values } from './lines.ts';
import { type Reading, type Request, readRequests } from './messages.ts';
import { STRICT } from './reader.ts';

/**
 * An origin that records every byte it is sent. It answers when a strict reader sees a whole request, and not
 * at once: bytes that come in the pause belong, to the proxy, to the same request. That is a desync.
 */

/** Milliseconds between a whole request and its answer. */
const ANSWER_PAUSE = 35;
/** Milliseconds until a request that cannot be read is answered with 400. */
const REFUSAL_PAUSE = 80;
/** Milliseconds until a promised body is asked for with 100 Continue. */
const CONTINUE_PAUSE = 25;
/** Bytes kept of a connection. */
const MOST = 8e6;

/** Bytes that came after a whole request and before its answer. */
export interface Surplus {
  readonly after: string;
  readonly bytes: string;
}

/** What one connection was sent since the case began. */
export interface Recording {
  readonly bytes: string;
  readonly surplus: readonly Surplus[];
}

export class Origin {
  readonly #server: Server;
  #connections: Connection[] = [];
  #case: CaseScript = { nonce: '', script: undefined, used: false };

  constructor() {
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      this.#connections.push(new Connection(socket, this.#case));
    });
  }

  /** Resolves with the port. */
  listen(port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, '127.0.0.1', () => {
        const address = this.#server.address();
        resolve(typeof address === 'object' && address ? address.port : port);
      });
    });
  }

  /** From here on belongs to the case with this nonce: requests to `/t/NONCE` get what the script says. */
  begin(nonce: string, script: Script | undefined): void {
    this.#case = { nonce, script, used: false };
    this.#connections = this.#connections.filter((connection) => connection.open);
    for (const connection of this.#connections) connection.begin(this.#case);
  }

  /** What every connection was sent since `begin`. */
  recordings(): Recording[] {
    return this.#connections.map((connection) => connection.recording()).filter(({ bytes }) => bytes !== '');
  }

  /** Closes every connection. */
  drop(): void {
    for (const connection of this.#connections) connection.drop();
  }

  close(): Promise<void> {
    this.drop();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }
}

interface CaseScript {
  readonly nonce: string;
  readonly script: Script | undefined;
  used: boolean;
}

class Connection {
  readonly #socket: Socket;
  #case: CaseScript;
  #received = '';
  /** Where the present case begins. */
  #mark = 0;
  /** Where the next request begins. */
  #at = 0;
  /** Where a tunnel begins, or -1. */
  #tunnel = -1;
  /** Up to where the tunnel was answered. */
  #echoed = 0;
  #surplus: Surplus[] = [];
  #timer: NodeJS.Timeout | undefined;
  #playing = false;
  /** The request was answered early; the rest of its body is still to come. */
  #early = false;
  #continued = false;

  constructor(socket: Socket, now: CaseScript) {
    this.#socket = socket;
    this.#case = now;
    socket.on('error', () => {});
    socket.on('close', () => clearTimeout(this.#timer));
    socket.on('end', () => {
      if (!this.#playing) setTimeout(() => socket.end(), 20);
    });
    socket.on('data', (bytes) => {
      this.#received += bytes.toString('latin1');
      if (this.#received.length > MOST) socket.destroy();
      else this.#advance();
    });
    if (now.script?.when === 'connect' && !now.used) void this.#play(now.script);
  }

  get open(): boolean {
    return !this.#socket.destroyed;
  }

  begin(now: CaseScript): void {
    this.#case = now;
    this.#mark = this.#received.length;
    this.#surplus = [];
  }

  recording(): Recording {
    const end = this.#tunnel < 0 ? this.#received.length : this.#tunnel;
    return { bytes: this.#received.slice(this.#mark, end), surplus: this.#surplus };
  }

  drop(): void {
    this.#socket.destroy();
  }

  #advance(): void {
    if (this.#tunnel >= 0) this.#answerTunnel();
    if (this.#tunnel >= 0 || this.#playing) return;
    clearTimeout(this.#timer);
    const reading = readRequests(this.#received.slice(this.#at), STRICT);
    const whole = reading.messages[0];
    if (this.#playsOnHead(reading)) void this.#playEarly(reading);
    else if (whole) this.#after(ANSWER_PAUSE, () => this.#answerWhole());
    else if (reading.state === 'error') this.#after(REFUSAL_PAUSE, () => this.#refuse(reading.why ?? ''));
    else if (this.#awaitsContinue(reading)) this.#after(CONTINUE_PAUSE, () => this.#continue());
  }

  #after(ms: number, act: () => void): void {
    this.#timer = setTimeout(act, ms);
  }

  #isCase(target: string | undefined): boolean {
    return target?.includes(this.#case.nonce) === true && target.includes('/t/');
  }

  #playsOnHead({ messages, unfinished }: Reading<Request>): boolean {
    const { script, used } = this.#case;
    const head = messages[0] ?? (unfinished?.stage === 'body' ? unfinished : undefined);
    return script?.when === 'head' && !used && this.#isCase(head?.target);
  }

  /** An origin that keeps to the protocol still takes the body it was promised; a naive one forgets it. */
  async #playEarly({ messages, unfinished }: Reading<Request>): Promise<void> {
    const script = this.#case.script!;
    if (script.naive) this.#at += messages[0]?.end ?? unfinished?.headEnd ?? 0;
    else this.#early = true;
    await this.#play(script);
    this.#advance();
  }

  #answerWhole(): void {
    const request = readRequests(this.#received.slice(this.#at), STRICT).messages[0];
    if (!request) return;
    const extra = this.#received.slice(this.#at + request.end);
    this.#at += request.end;
    this.#continued = false;
    const { script, used } = this.#case;
    const scripted = script && !used && script.when === 'complete' && this.#isCase(request.target);
    if (/[^\r\n]/.test(extra) && !this.#early)
      this.#surplus.push({ after: `${request.method} ${request.target.slice(0, 80)}`, bytes: extra });
    if (scripted) void this.#play(script).then(() => this.#advance());
    else if (!this.#early) this.#echo(request);
    this.#early = false;
    this.#advance();
  }

  #echo({ method, target, minor, fields, body }: Request): void {
    const nonce = /[?&/](n[0-9a-z]{6,})/.exec(target)?.[1] ?? '-';
    const kind = /\/(t|v|f|smuggled|second|probe)\//.exec(target)?.[1] ?? 'other';
    const said = `${kind} ${nonce} ${method} len=${body.length}\n`;
    const options = values(fields, 'connection')
      .join()
      .toLowerCase()
      .split(/\s*,\s*/);
    const close = options.includes('close') || (minor === 0 && !options.includes('keep-alive'));
    const head = `HTTP/1.1 200 OK\r\nX-Origin: ${kind}\r\nX-Nonce: ${nonce}\r\nContent-Type: text/plain\r\nContent-Length: ${said.length}\r\n`;
    this.#write(`${head}${close ? 'Connection: close\r\n' : ''}\r\n${method === 'HEAD' ? '' : said}`);
    if (close) this.#socket.end();
  }

  #refuse(why: string): void {
    const said = `refused: ${why}`;
    this.#write(
      `HTTP/1.1 400 Bad Request\r\nX-Origin: refused\r\nContent-Length: ${said.length}\r\nConnection: close\r\n\r\n${said}`,
    );
    this.#socket.end();
  }

  #awaitsContinue({ unfinished }: Reading<Request>): boolean {
    return (
      unfinished?.stage === 'body' &&
      unfinished.minor === 1 &&
      !this.#continued &&
      values(unfinished.fields ?? [], 'expect').some((value) => /100-continue/i.test(value))
    );
  }

  #continue(): void {
    this.#continued = true;
    this.#write('HTTP/1.1 100 Continue\r\n\r\n');
  }

  async #play(script: Script): Promise<void> {
    this.#case.used = true;
    this.#playing = true;
    if (script.tunnel) {
      this.#tunnel = this.#at;
      this.#echoed = this.#received.length;
    }
    for (const step of script.steps) await this.#step(step);
    if (script.end === 'fin') this.#socket.end();
    if (script.end === 'destroy') this.#socket.destroy();
    if (script.end === 'rst') {
      await pause(15);
      reset(this.#socket);
    }
    this.#playing = false;
  }

  async #step({ bytes = '', wait, times = 1, bytewise }: Packet): Promise<void> {
    if (wait) await pause(wait);
    const text = bytes.replaceAll('{{WSACCEPT}}', () => this.#webSocketAccept());
    for (const piece of bytewise ? text : Array<string>(times).fill(text)) this.#write(piece);
  }

  #write(bytes: string): void {
    if (this.#socket.writable && bytes !== '') this.#socket.write(bytes, 'latin1');
  }

  /** The proof that a WebSocket handshake was read (RFC 6455 §4.2.2). */
  #webSocketAccept(): string {
    const key = /sec-websocket-key:\s*([^\r\n]+)/i.exec(this.#received)?.[1] ?? '';
    return createHash('sha1').update(`${key.trim()}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
  }

  #answerTunnel(): void {
    const frame = Buffer.from(this.#received.slice(this.#echoed), 'latin1');
    this.#echoed = this.#received.length;
    if (this.#case.script?.echo === 'ws' && frame.length >= 6) this.#socket.write(webSocketEcho(frame));
  }
}

/** Answers one small masked text frame with a frame that says `echo:` and the same. */
function webSocketEcho(frame: Buffer): Buffer {
  const length = frame[1]! & 127;
  const payload = Buffer.from(frame.subarray(6, 6 + length)).map((byte, i) => byte ^ frame[2 + (i & 3)]!);
  return Buffer.concat([Buffer.from([0x81, payload.length + 5]), Buffer.from('echo:'), payload]);
}
