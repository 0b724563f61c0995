import { createServer } from 'node:net';
import type { TestContext } from 'node:test';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { atEnd } from './end.ts';
import { once } from './patience.ts';
import { connect } from './peer.ts';

/** Connections that the kernel completes for a listener that does not accept: its backlog and one more. */
const BACKLOG = 1;

/** An endpoint on which connecting hangs: its backlog is full and nobody accepts. */
export interface Deaf {
  readonly address: string;
  /** Begins to accept. Whoever tries still gets through with the kernel's next try, and is answered `late`. */
  hear(): void;
}

/** Deaf until it is told to hear, or the test is over. A thread of its own has to be stuck for it. */
export async function deaf(t: TestContext): Promise<Deaf> {
  const lock = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(new URL(import.meta.url), { workerData: lock });
  atEnd(t, () => worker.terminate());
  const [port] = await once(worker, 'message');
  const address = `127.0.0.1:${port}`;
  for (let i = 0; i <= BACKLOG; i++) {
    const { socket } = await connect(address);
    atEnd(t, () => socket.destroy());
  }
  return {
    address,
    hear() {
      Atomics.store(lock, 0, 1);
      Atomics.notify(lock, 0);
    },
  };
}

function stuck(lock: Int32Array): void {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', () => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nlate'));
  });
  server.listen({ host: '127.0.0.1', port: 0, backlog: BACKLOG }, () => {
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('not listening on a port');
    parentPort?.postMessage(address.port);
    Atomics.wait(lock, 0, 0);
  });
}

if (!isMainThread && workerData instanceof Int32Array) stuck(workerData);
