import assert from 'node:assert/strict';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { reset } from '../../src/proxy/reset.ts';
import { atEnd } from '../support/end.ts';
import { once } from '../support/patience.ts';

/** Two ends of a connection. */
async function pair(t: TestContext): Promise<{ near: Socket; far: Socket }> {
  const server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const far = connect({ host: '127.0.0.1', port, allowHalfOpen: true });
  atEnd(t, () => {
    far.destroy();
    server.close();
  });
  const [near] = (await once(server, 'connection')) as [Socket];
  return { near, far };
}

test('a connection is ended by a reset', async (t) => {
  const { near, far } = await pair(t);
  const gone = once(far, 'close').catch((error: NodeJS.ErrnoException) => error.code);
  reset(near);
  await once(near, 'close');
  assert.equal(await gone, 'ECONNRESET');
});

test('a connection is ended although it is just being shut down', { timeout: 60_000 }, async (t) => {
  const { near } = await pair(t);
  near.end('the last');
  reset(near);
  await once(near, 'close');
});

test('a connection whose last words are not taken is ended by a reset', async (t) => {
  const { near, far } = await pair(t);
  far.pause();
  near.end(Buffer.alloc(50_000_000));
  const gone = once(far, 'error');
  reset(near);
  await once(near, 'close');
  far.resume();
  const [error] = (await gone) as [NodeJS.ErrnoException];
  assert.equal(error.code, 'ECONNRESET');
});
