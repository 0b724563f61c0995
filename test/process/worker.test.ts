import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { type TestContext, test } from 'node:test';
import { silent } from '../../src/base/log.ts';
import { EMPTY } from '../../src/model/empty.ts';
import { settingsOf } from '../../src/model/settings.ts';
import type { State } from '../../src/model/state.ts';
import { systemClock } from '../../src/process/clock.ts';
import { diffState, type Up } from '../../src/process/messages.ts';
import { Worker } from '../../src/process/worker.ts';
import { atEnd } from '../support/end.ts';
import { once } from '../support/patience.ts';
import { named } from './site.ts';

const { proxy } = settingsOf({ listen: [{ address: '127.0.0.1:0' }] }, 1);

function stateWith(endpoint: string, revision = 1): State {
  return {
    revision,
    services: {
      shop: {
        match: [{ path: '/' }],
        versions: { stable: { endpoints: [endpoint] } },
        split: {
          weights: { stable: 100 },
          salt: 'salt',
          hashVersion: 1,
          cause: 'seed',
          since: '2026-01-01T00:00:00.000Z',
        },
        wholes: ['stable'],
      },
    },
  };
}

/** A worker with a data plane of its own, and everything it says. */
function workerOf(t: TestContext) {
  const said: Up[] = [];
  const voice = new EventEmitter();
  const worker = new Worker(
    (message) => {
      said.push(message);
      voice.emit(message.type, message);
    },
    systemClock,
    { ...silent, setLevel() {} },
  );
  atEnd(t, () => worker.leave(1000));
  /** Starts it, at an address of its own or at this one. */
  const start = (state: State, address = '127.0.0.1:0') => {
    worker.hear({ type: 'start', settings: proxy, speeches: {}, logLevel: 'info', state, standings: [] });
    worker.hear({ type: 'listen', listener: { address } });
  };
  return { worker, said, voice, start };
}

test('a worker serves the state it was started with, and says where', async (t) => {
  const { said, voice, start } = workerOf(t);
  const listening = once(voice, 'listening');
  start(stateWith(await named(t, 'stable'), 7));
  const [{ address }] = await listening;
  assert.deepEqual(said[0], { type: 'adopted', revision: 7 });
  assert.equal(await (await fetch(`http://${address}`)).text(), 'stable');
});

test('a patch is adopted before a question that follows it is answered', async (t) => {
  const { worker, said, voice, start } = workerOf(t);
  const first = stateWith(await named(t, 'stable'));
  const listening = once(voice, 'listening');
  start(first);
  await listening;
  const settled = once(voice, 'settled');
  worker.hear({ type: 'patch', patch: diffState(first, { ...first, revision: 2 }) });
  worker.hear({ type: 'settle', ask: 4, service: 'shop', versions: ['stable'] });
  assert.deepEqual(await settled, [{ type: 'settled', ask: 4, revision: 2, lastRequestAt: undefined }]);
  assert.deepEqual(said.at(-2), { type: 'adopted', revision: 2 });
});

test('a state that cannot be compiled leaves the one before in force, and the next is adopted again', async (t) => {
  const { worker, voice, start } = workerOf(t);
  const first = stateWith(await named(t, 'stable'));
  const listening = once(voice, 'listening');
  start(first);
  const [{ address }] = await listening;
  const broken = stateWith('no address at all', 2);
  worker.hear({ type: 'patch', patch: diffState(first, broken) });
  const settled = once(voice, 'settled');
  worker.hear({ type: 'settle', ask: 1, service: undefined, versions: [] });
  assert.equal((await settled)[0].revision, 1);
  assert.equal(await (await fetch(`http://${address}`)).text(), 'stable');
  const adopted = once(voice, 'adopted');
  worker.hear({ type: 'patch', patch: diffState(broken, { ...first, revision: 3 }) });
  assert.equal((await adopted)[0].revision, 3);
});

test('what was counted goes up, at the latest before the last word', async (t) => {
  const { worker, said, voice, start } = workerOf(t);
  const listening = once(voice, 'listening');
  start(stateWith(await named(t, 'stable')));
  const [{ address }] = await listening;
  for (let i = 0; i < 3; i++) await (await fetch(`http://${address}`)).text();
  await (await fetch(`http://${address}/`, { headers: { connection: 'close' } })).text();
  const leaving = once(voice, 'leaving');
  worker.hear({ type: 'drain', ms: 1000 });
  assert.equal((await leaving)[0].fault, undefined);
  const counts = said.flatMap((message) => (message.type === 'counts' ? message.counts : []));
  const answered = counts.flatMap(({ codes }) => codes.filter((_, index) => index % 2 === 1));
  assert.equal(
    answered.reduce((sum, count) => sum + count, 0),
    4,
  );
  assert.equal(said.at(-1)?.type, 'leaving');
});

test('a worker goes on telling of a trial while nothing happens, and tells all of it before its last word', async (t) => {
  const { worker, said, voice, start } = workerOf(t);
  const { revision, services } = stateWith(await named(t, 'stable'));
  const trial = { rollout: 'r1', epoch: 1, baseline: 'stable', candidate: 'canary', sticky: true };
  const listening = once(voice, 'listening');
  start({ revision, services: { shop: { ...services['shop']!, trial } } });
  const [{ address }] = await listening;
  await once(voice, 'trials');
  for (let i = 0; i < 3; i++)
    await (await fetch(`http://${address}`, { headers: { connection: 'close' } })).text();
  const leaving = once(voice, 'leaving');
  worker.hear({ type: 'drain', ms: 1000 });
  await leaving;
  const posts = said.flatMap((message) => (message.type === 'trials' ? message.counts : []));
  assert.deepEqual(
    posts.map(({ seq }) => seq),
    posts.map((_, index) => index + 1),
  );
  assert.equal(
    posts.reduce((sum, { requests }) => sum + requests[0], 0),
    3,
  );
  assert.equal(said.at(-1)?.type, 'leaving');
});

test('a worker that cannot listen leaves, and says why and what to do', async (t) => {
  const { voice, start } = workerOf(t);
  const leaving = once(voice, 'leaving');
  start(EMPTY, await named(t, 'somebody else'));
  assert.match(
    (await leaving)[0].fault,
    /Cannot listen on .*: something else is listening there.*stop it, or/,
  );
});
