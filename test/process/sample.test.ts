import assert from 'node:assert/strict';
import { type AddressInfo, createServer } from 'node:net';
import { test } from 'node:test';
import { startSample } from '../../src/process/sample.ts';
import { atEnd } from '../support/end.ts';
import { once } from '../support/patience.ts';
import { freeEndpoints } from './site.ts';

test('a sample says which version it is, and plays a failure when asked to', async (t) => {
  const [endpoint = ''] = await freeEndpoints(1);
  const sample = await startSample('stable (v1)', endpoint);
  atEnd(t, () => sample.close());
  const plain = await fetch(`http://${endpoint}/any/path`);
  assert.equal(plain.status, 200);
  assert.equal(await plain.text(), 'hello from stable (v1)\n');
  const broken = await fetch(`http://${endpoint}/?status=500&delay=1`);
  assert.equal(broken.status, 500);
  await broken.text();
  const nonsense = await fetch(`http://${endpoint}/?status=999&delay=-1`);
  assert.equal(nonsense.status, 200);
  await nonsense.text();
});

test('a taken port is named with the cure', async (t) => {
  const holder = createServer().listen(0, '127.0.0.1');
  await once(holder, 'listening');
  atEnd(t, () => holder.close());
  const { port } = holder.address() as AddressInfo;
  await assert.rejects(
    startSample('stable', `127.0.0.1:${port}`),
    new RegExp(`Cannot listen on 127\\.0\\.0\\.1:${port}: something else is listening there.*ss -ltnp`),
  );
});
