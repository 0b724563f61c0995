import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { type Request, readRequests } from '../conformance/messages.ts';
import { STRICT } from '../conformance/reader.ts';
import { answerBytes, packetsOf } from './bytes.ts';
import type { Conversation } from './exchange.ts';

/** An origin that reads strictly, answers `/N` with the answer of exchange N, byte for byte, and keeps what it read. */
export class ScriptedOrigin {
  readonly requests: Request[] = [];
  /** What it was sent that it should not have been. */
  fault: string | undefined;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #conversation: Conversation | undefined;

  constructor() {
    this.#server = createServer({ noDelay: true }, (socket) => {
      this.#sockets.add(socket);
      this.#serve(socket);
    });
  }

  /** Resolves with the port. */
  async listen(): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return (this.#server.address() as AddressInfo).port;
  }

  begin(conversation: Conversation): void {
    this.#conversation = conversation;
    this.requests.length = 0;
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }

  #serve(socket: Socket): void {
    let received = '';
    socket.on('error', () => {});
    socket.on('data', (bytes) => {
      received += bytes.toString('latin1');
      const reading = readRequests(received, STRICT);
      const request = reading.messages[0];
      if (reading.state === 'error') this.fault = reading.why;
      if (!request) return;
      if (received.length > request.end) this.fault = `more after ${request.method} ${request.target}`;
      received = '';
      this.requests.push(request);
      void this.#answer(socket, Number(request.target.slice(1)));
    });
  }

  async #answer(socket: Socket, index: number): Promise<void> {
    const { exchanges, packets } = this.#conversation!;
    const exchange = exchanges[index]!;
    for (const packet of packetsOf(answerBytes(exchange), packets)) {
      socket.write(packet, 'latin1');
      await new Promise((resolve) => setImmediate(resolve));
    }
    const { framing, minor } = exchange.answer;
    if (minor === 0 || (framing === 'close' && exchange.request.method !== 'HEAD')) socket.end();
  }
}
