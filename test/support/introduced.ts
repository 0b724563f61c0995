import { Server as HttpServer } from 'node:http';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { parseProxyHeader } from '../../src/http/proxyprotocol.ts';
import { atEnd } from './end.ts';
import { once } from './patience.ts';

/** A server behind a door at which every connection has to begin with a PROXY header. */
export interface Introduced {
  readonly address: string;
  /** Every header that came, oldest first. */
  readonly headers: readonly string[];
  /** With which header a connection began that is told by the port it comes from. */
  headerOf(port: number | undefined): string | undefined;
  /** Connections that are open. */
  readonly open: number;
}

export async function introduced(t: TestContext, server: Server): Promise<Introduced> {
  const headers: string[] = [];
  const byPort = new Map<number | undefined, string>();
  const sockets: Socket[] = [];
  const door = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => {});
    let read = Buffer.alloc(0);
    socket.on('data', function take(data: Buffer) {
      read = Buffer.concat([read, data]);
      const header = parseProxyHeader(read, read.length);
      if (typeof header === 'number') return;
      socket.off('data', take);
      socket.pause();
      const text = read.toString('latin1', 0, header.length);
      headers.push(text);
      byPort.set(socket.remotePort, text);
      if (read.length > header.length) socket.unshift(read.subarray(header.length));
      server.emit('connection', socket);
      // All others read for themselves.
      if (server instanceof HttpServer) socket.resume();
    });
  });
  server.on('tlsClientError', () => {});
  door.listen(0, '127.0.0.1');
  await once(door, 'listening');
  atEnd(t, () => {
    door.close();
    for (const socket of sockets) socket.destroy();
  });
  const { port } = door.address() as AddressInfo;
  return {
    address: `127.0.0.1:${port}`,
    headers,
    headerOf: (from) => byPort.get(from),
    get open() {
      return sockets.filter(({ closed }) => !closed).length;
    },
  };
}
