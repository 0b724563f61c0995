import { connect, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { memoryBytes } from '../proc.ts';
import { type Ground, type Row, type Standing, stand } from './row.ts';

/** Opened before the first reading, so that what a proxy sets up once is not charged to the connections. */
const BEFORE = 1_000;
const COUNTED = 5_000;
const AT_ONCE = 50;
const REQUEST = 'GET /api/v1/items/1 HTTP/1.1\r\nHost: shop.example.com\r\nCookie: uid=user1\r\n\r\n';

/** What an idle keep-alive connection that has had one answer costs, in a proxy that has just been started. */
export async function idle(ground: Ground): Promise<Row> {
  return {
    title: `Memory by idle connection, from ${BEFORE} to ${BEFORE + COUNTED} of them`,
    columns: [
      { key: 'bytes', title: 'bytes/connection', digits: 0 },
      { key: 'megabytes', title: 'MB in all', digits: 1 },
    ],
    rounds: 3,
    contenders: ground.standing.map(({ rival }) => ({
      name: rival.name,
      async measure() {
        const proxy = await stand(rival, ground);
        const sockets: Socket[] = [];
        try {
          await open(proxy.port, BEFORE, sockets);
          const before = await settled(proxy);
          await open(proxy.port, COUNTED, sockets);
          const after = await settled(proxy);
          return {
            bytes: (after - before) / COUNTED,
            megabytes: after / 1e6,
            errors: sockets.filter((socket) => socket.readyState !== 'open').length,
          };
        } finally {
          for (const socket of sockets) socket.destroy();
          await proxy.end();
        }
      },
    })),
  };
}

async function open(port: number, count: number, sockets: Socket[]): Promise<void> {
  for (let i = 0; i < count; i += AT_ONCE) {
    sockets.push(...(await Promise.all(Array.from({ length: AT_ONCE }, () => answered(port)))));
  }
}

/** A connection that has had the whole of one answer. */
function answered(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(REQUEST));
    let answer = '';
    socket.setEncoding('latin1').on('data', (text: string) => {
      answer += text;
      // The small object is JSON, so this is its last byte, whether or not it came in chunks.
      if (/\}(\r\n0\r\n\r\n)?$/.test(answer)) resolve(socket);
    });
    socket.on('error', reject);
    socket.once('close', () => reject(new Error('a connection that was to be idle was closed')));
  });
}

/** The memory once it has stopped moving, or after five seconds. */
async function settled(proxy: Standing): Promise<number> {
  let last = memoryBytes(proxy.pid);
  for (let i = 0; i < 20; i++) {
    await pause(250);
    const now = memoryBytes(proxy.pid);
    if (Math.abs(now - last) < now / 1_000) return now;
    last = now;
  }
  return last;
}
