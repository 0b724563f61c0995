import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Tally } from './tally.ts';

const PIECE = Buffer.alloc(65_536, 'x');
/** Pieces of a big answer: 40 MiB, twice what the buffers of two kernel sockets on either side can grow to. */
export const BIG = 640;

type Answer = (request: IncomingMessage, response: ServerResponse, tally: Tally) => void;

/** What the origin does, by path. */
const ANSWERS: Readonly<Record<string, Answer>> = {
  '/never': (_, response, tally) => {
    tally.add('asked');
    response.on('close', () => tally.add('left'));
  },
  '/reset': (request, _, tally) => {
    tally.add(`reset ${request.method}`);
    request.socket.resetAndDestroy();
  },
  '/half': (request, response) => {
    response.writeHead(200, { 'content-length': 2 * PIECE.length });
    response.write(PIECE, () => request.socket.resetAndDestroy());
  },
  '/half-chunked': (request, response) => {
    response.writeHead(200);
    response.write(PIECE, () => request.socket.resetAndDestroy());
  },
  '/half-close': ({ socket }) => {
    socket.write('HTTP/1.1 200 OK\r\n\r\n');
    socket.write(PIECE, () => socket.resetAndDestroy());
  },
  '/stall': (_, response, tally) => {
    response.writeHead(200, { 'content-length': 2 * PIECE.length });
    response.write(PIECE);
    response.on('close', () => tally.add('left'));
  },
  '/big': (_, response, tally) => {
    response.writeHead(200, { 'content-length': BIG * PIECE.length });
    response.on('close', () => tally.add(response.writableFinished ? 'finished' : 'left'));
    pour(response, BIG);
  },
  '/drip': (_, response, tally) => {
    response.writeHead(200);
    const timer = setInterval(() => response.write('x'), 20);
    response.on('close', () => {
      clearInterval(timer);
      tally.add('left');
    });
  },
};

/** Writes as fast as it is taken, and no faster. */
function pour(response: ServerResponse, left: number): void {
  while (left > 0 && !response.destroyed) {
    left--;
    if (!response.write(PIECE)) {
      response.once('drain', () => pour(response, left));
      return;
    }
  }
  response.end();
}

/** An origin that answers `ok` on every path but those on which it misbehaves. */
export class FaultyOrigin {
  /** What happened here: requests and answers that were broken off, by name. */
  readonly tally = new Tally();
  port = 0;
  #server: Server | undefined;

  async listen(port = 0): Promise<void> {
    const server = createServer((request, response) => this.#answer(request, response));
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    this.port = (server.address() as AddressInfo).port;
  }

  /** Stops listening and drops whoever is connected. */
  async close(): Promise<void> {
    const server = this.#server;
    const closed = new Promise((resolve) => server?.close(resolve));
    server?.closeAllConnections();
    await closed;
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    request.on('error', () => {});
    const answer = ANSWERS[request.url ?? ''];
    if (answer) return answer(request, response, this.tally);
    request.on('close', () => {
      if (!request.complete) this.tally.add('body broken off');
    });
    request.resume().on('end', () => response.end('ok'));
  }
}
