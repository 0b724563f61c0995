import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { WebSocketServer } from 'ws';
import { bodyOf } from './body.ts';
import type { Mood, Word } from './endpoint.ts';

/**
 * An endpoint in a process of its own, so that it can be killed and frozen: `node origin.js NAME PORT`. GET is
 * answered with the body of the path, POST with what was posted, a WebSocket with an echo.
 */
const [name = '', port = '0'] = process.argv.slice(2);

let mood: Mood = { cuts: false, delay: 0 };

const server = createServer((request, response) => {
  if (request.method === 'POST') echo(request, response);
  else answer(response, bodyOf(request.url ?? '/'));
});
const sockets = new WebSocketServer({ server });
sockets.on('connection', (socket) => {
  socket.on('message', (data, binary) => socket.send(data, { binary }));
  socket.on('error', () => {});
});

function echo(request: IncomingMessage, response: ServerResponse): void {
  const pieces: Buffer[] = [];
  request.on('data', (piece: Buffer) => pieces.push(piece));
  request.on('end', () => {
    // Told before it is answered: what is repeated by then was delivered twice.
    tell({ posted: String(request.headers['x-post']) });
    answer(response, Buffer.concat(pieces));
  });
  request.on('error', () => {});
}

function answer(response: ServerResponse, body: Buffer): void {
  setTimeout(() => {
    response.writeHead(200, { 'content-length': body.length, 'x-origin': name });
    if (!mood.cuts) return void response.end(body);
    response.write(body.subarray(0, body.length / 2), () => response.socket?.resetAndDestroy());
  }, mood.delay);
}

function tell(word: Word): void {
  process.send?.(word);
}

process.on('message', (next: Mood) => {
  mood = next;
});
process.on('disconnect', () => process.exit());
server.listen(Number(port), '127.0.0.1', () => tell({ port: (server.address() as { port: number }).port }));
