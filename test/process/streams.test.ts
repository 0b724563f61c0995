import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { WebSocket, WebSocketServer } from 'ws';
import { atEnd } from '../support/end.ts';
import { once, until } from '../support/patience.ts';
import { named, shop, startSite } from './site.ts';

/** A version that says back what it hears. */
async function echo(t: TestContext): Promise<string> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  server.on('connection', (socket) => socket.on('message', (data, binary) => socket.send(data, { binary })));
  await once(server, 'listening');
  atEnd(t, () => {
    for (const socket of server.clients) socket.terminate();
    server.close();
  });
  return `127.0.0.1:${(server.address() as { port: number }).port}`;
}

test('WebSockets outlive a shift of weight, and a rollback asks their clients to come again', async (t) => {
  const config = shop(await named(t, 'stable'), await echo(t));
  const service = { ...config.services['shop']!, streams: { evictOver: 500 } };
  const site = await startSite(t, { ...config, services: { shop: service } });
  const ask = async (method: string, path: string, body: object) => {
    const answer = await fetch(`${site.admin}/v1/services/shop/${path}`, {
      method,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    assert.equal(answer.status, 200);
  };
  const alive = async (socket: WebSocket) => {
    socket.send('there?');
    assert.equal(String((await once(socket, 'message'))[0]), 'there?');
  };

  await ask('PUT', 'weights', { weights: { stable: 0, canary: 100 } });
  const sockets = Array.from({ length: 10 }, () => new WebSocket(site.proxy.replace('http', 'ws')));
  atEnd(t, () => {
    for (const socket of sockets) socket.terminate();
  });
  await Promise.all(sockets.map((socket) => once(socket, 'open')));
  await until(async () => {
    const text = await (await fetch(`${site.admin}/metrics`)).text();
    return text.includes('spillway_open_streams{service="shop",version="canary"} 10');
  });

  await ask('PUT', 'weights', { weights: { stable: 100, canary: 0 } });
  await Promise.all(sockets.map(alive));

  await ask('PUT', 'weights', { weights: { stable: 50, canary: 50 } });
  const closed = sockets.map((socket) => once(socket, 'close'));
  await ask('POST', 'rollback', { to: 'stable' });
  assert.deepEqual(
    (await Promise.all(closed)).map(([code]) => code),
    sockets.map(() => 1012),
  );
});
