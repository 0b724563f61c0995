import http2 from 'node:http2';
import type { Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { atEnd } from './end.ts';
import { once } from './patience.ts';

export type Script = (stream: http2.ServerHttp2Stream, fields: http2.IncomingHttpHeaders) => void;

/** An endpoint that speaks HTTP/2 in plain, and nothing else. */
export async function endpoint(
  t: TestContext,
  script: Script,
  settings: http2.Settings = {},
): Promise<{ address: string; sessions: http2.ServerHttp2Session[]; cut: () => void; close: () => void }> {
  const server = http2.createServer({ settings });
  const sessions: http2.ServerHttp2Session[] = [];
  const sockets: Socket[] = [];
  server.on('connection', (socket: Socket) => sockets.push(socket));
  /** Ends every connection without a word. */
  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  server.on('session', (session) => {
    sessions.push(session);
    session.on('error', () => {});
  });
  server.on('stream', (stream, fields) => {
    stream.on('error', () => {});
    script(stream, fields);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const close = () => {
    server.close();
    for (const session of sessions) session.destroy();
  };
  atEnd(t, close);
  const bound = server.address();
  if (bound === null || typeof bound === 'string') throw new Error('not listening on a port');
  return { address: `127.0.0.1:${bound.port}`, sessions, cut, close };
}
