import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import { atEnd } from '../support/end.ts';
import { once, patiently } from '../support/patience.ts';
import { openHouse } from './house.ts';

const WEIGHTS = '/v1/services/checkout/weights';

interface Heard {
  readonly id?: string;
  readonly event?: string;
  // biome-ignore lint/suspicious/noExplicitAny: a test reads what it expects
  readonly data?: any;
  readonly comment?: string;
}

/** Listens to the stream; `next` waits for the next block that is wanted. */
async function listen(t: TestContext, url: string, headers: Record<string, string> = {}) {
  const leave = new AbortController();
  atEnd(t, () => leave.abort());
  const response = await fetch(`${url}/v1/events`, { headers, signal: leave.signal });
  const blocks = read(response.body!);
  async function next(wanted: (heard: Heard) => boolean): Promise<Heard> {
    for (;;) {
      const { value, done } = await blocks.next();
      assert.ok(!done, 'the stream ended');
      if (wanted(value)) return value;
    }
  }
  return {
    response,
    leave: () => leave.abort(),
    next,
    change: () => next(({ event }) => event === 'change'),
  };
}

async function* read(body: AsyncIterable<Uint8Array>): AsyncGenerator<Heard> {
  let text = '';
  for await (const chunk of body) {
    text += Buffer.from(chunk).toString();
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const fields = text
        .slice(0, end)
        .split('\n')
        .map((line) => line.split(/: (.*)/s) as [string, string]);
      text = text.slice(end + 2);
      const found = Object.fromEntries(
        fields.map(([name, value]) => [name === '' ? 'comment' : name, value]),
      );
      yield { ...found, ...(found['data'] !== undefined && { data: JSON.parse(found['data']) }) };
    }
  }
}

test('every change is told as it happens, with its revision as id, and then its receipt', async (t) => {
  const { ask, url } = await openHouse(t);
  const stream = await listen(t, url);
  assert.equal(stream.response.headers.get('content-type'), 'text/event-stream');
  assert.equal(stream.response.headers.get('cache-control'), 'no-store');
  for (const canary of [5, 25, 100])
    await ask('PUT', WEIGHTS, {
      body: { weights: { stable: 100 - canary, canary }, reason: `to ${canary}` },
    });
  for (const revision of [2, 3, 4]) {
    const { id, data } = await stream.change();
    assert.equal(id, String(revision));
    assert.equal(data.revision, revision);
    assert.equal(data.action, 'weights');
    const receipt = await stream.next(({ event }) => event === 'receipt');
    assert.equal(receipt.data.revision, revision);
  }
});

test('who comes back is told what was missed, once and in order', async (t) => {
  const { ask, url } = await openHouse(t);
  for (const canary of [1, 2, 3])
    await ask('PUT', WEIGHTS, { body: { weights: { stable: 100 - canary, canary } } });
  const stream = await listen(t, url, { 'last-event-id': '2' });
  await ask('POST', '/v1/services/checkout/rollback');
  const ids = [];
  for (let i = 0; i < 3; i++) ids.push((await stream.change()).id);
  assert.deepEqual(ids, ['3', '4', '5']);
});

test('a silent stream shows signs of life', async (t) => {
  const { url } = await openHouse(t, { heartbeat: 10 });
  const stream = await listen(t, url);
  for (let i = 0; i < 3; i++) await stream.next(({ comment }) => comment === 'still here');
});

test('a client that leaves is forgotten, and makes room for another', async (t) => {
  const { control, url } = await openHouse(t);
  let listeners = 0;
  let emptied = () => {};
  const subscribe = control.subscribe.bind(control);
  control.subscribe = (listener) => {
    listeners++;
    const stop = subscribe(listener);
    return () => {
      stop();
      if (--listeners === 0) emptied();
    };
  };
  const gone = patiently<void>('the last listener to leave', (resolve) => {
    emptied = resolve;
  });
  const streams = await Promise.all([listen(t, url), listen(t, url), listen(t, url)]);
  assert.equal(listeners, 3);
  for (const stream of streams) stream.leave();
  await gone;
});

test('there is an end to how many may listen at once', async (t) => {
  const { ask, url } = await openHouse(t);
  const streams = await Promise.all(Array.from({ length: 100 }, () => listen(t, url)));
  const refused = await ask('GET', '/v1/events');
  assert.equal(refused.status, 503);
  assert.match(refused.json.detail, /100 event streams/);
  for (const stream of streams) stream.leave();
});

test('a client that does not read is cut off, not buffered for', async (t) => {
  const { address, control } = await openHouse(t);
  const socket = connect(Number(address.split(':')[1]), '127.0.0.1');
  atEnd(t, () => socket.destroy());
  socket.write(`GET /v1/events HTTP/1.1\r\nhost: ${address}\r\n\r\n`);
  await once(socket, 'data');
  socket.pause();
  const closed = once(socket, 'close');
  const asking = { actor: { name: 'x'.repeat(100_000), role: 'admin' }, wait: 0 };
  // More than the kernel buffers between the two of us, many times over.
  for (let i = 0; i < 400 && !socket.destroyed; i++)
    await control.setWeights('checkout', { stable: 100 - (i % 50), canary: i % 50 }, asking);
  socket.resume();
  await closed;
});

test('closing the API ends the streams', async (t) => {
  const { admin, url } = await openHouse(t);
  const stream = await listen(t, url);
  const ended = assert.rejects(stream.change());
  await admin.close();
  await ended;
});
