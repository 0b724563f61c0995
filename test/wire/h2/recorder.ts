import { createServer } from 'node:net';
import type { TestContext } from 'node:test';
import { atEnd } from '../../support/end.ts';

/** An origin that keeps what it was sent to the byte, and answers 200 once that looks like a whole request. */
export interface Recorder {
  readonly address: string;
  raw: string;
  /** Those that were whole. */
  requests: number;
}

export async function record(t: TestContext): Promise<Recorder> {
  const recorder = { address: '', raw: '', requests: 0 };
  const server = createServer((socket) => {
    let heard = '';
    socket.on('error', () => {});
    socket.on('data', (data: Buffer) => {
      recorder.raw += data.toString('latin1');
      heard += data.toString('latin1');
      if (!whole(heard)) return;
      heard = '';
      recorder.requests++;
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok');
    });
    atEnd(t, () => socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  atEnd(t, () => server.close());
  const bound = server.address();
  if (bound === null || typeof bound === 'string') throw new Error('not listening on a port');
  recorder.address = `127.0.0.1:${bound.port}`;
  return recorder;
}

function whole(heard: string): boolean {
  const end = heard.indexOf('\r\n\r\n');
  if (end < 0) return false;
  const head = heard.slice(0, end);
  if (/\r\ntransfer-encoding: chunked/.test(head))
    return /\r\n0\r\n(?:[^\r]+\r\n)*\r\n$/.test(heard.slice(end + 2));
  return heard.length - end - 4 >= Number(/\r\ncontent-length: (\d+)/.exec(head)?.[1] ?? 0);
}
