import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { silent } from '../../src/base/log.ts';
import { Evidence } from '../../src/control/evidence.ts';
import type { Connections } from '../../src/model/connections.ts';
import type { TrialCounts } from '../../src/model/evidence.ts';
import type { Resource } from '../../src/model/overload.ts';
import { settingsOf } from '../../src/model/settings.ts';
import type { State } from '../../src/model/state.ts';
import { Crew, type Entrance } from '../../src/process/crew.ts';
import type { Ear } from '../../src/process/hand.ts';
import type { Down, Up } from '../../src/process/messages.ts';
import { counts } from '../support/counts.ts';
import { stateOf } from '../support/site.ts';

const { proxy } = settingsOf({ listen: [{ address: '127.0.0.1:0' }] }, 1);

/** A worker that only remembers what it was told; the test speaks for it. */
interface Puppet {
  readonly number: number;
  readonly ear: Ear;
  readonly told: Down[];
  killed: boolean;
}

const STANDINGS = [
  { service: 'app', version: 'v', endpoints: { '127.0.0.1:1': [{ out: 'down' as const }] } },
];

function crewOf(t: TestContext, size: number) {
  t.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  const hired: Puppet[] = [];
  const added: [number, number][] = [];
  const forgotten: number[] = [];
  const heard: unknown[] = [];
  const time = { now: 0 };
  const clock = { now: () => time.now, monotonic: () => time.now };
  const evidence = new Evidence(clock);
  const crew = new Crew({
    size,
    orders: { settings: proxy, speeches: {}, logLevel: 'info' },
    hire(number, ear) {
      const puppet: Puppet = { number, ear, told: [], killed: false };
      hired.push(puppet);
      return {
        pid: 1000 + hired.length,
        tell: (message) => void puppet.told.push(message),
        kill() {
          puppet.killed = true;
        },
      };
    },
    totals: {
      add: (counts, worker) => void added.push([worker, counts.length]),
      forget: (worker) => void forgotten.push(worker),
    },
    evidence,
    roster: {
      follow: (state) => void heard.push(state.revision),
      note: (outcomes) => void heard.push(...outcomes),
      standings: () => STANDINGS,
    },
    clock,
    log: silent,
  });
  return { crew, hired, added, forgotten, evidence, time, heard };
}

const READY: Up = { type: 'adopted', revision: 0 };
const LISTENING: Up = { type: 'listening', address: '127.0.0.1:4242' };
const ALIVE = alive(undefined);
const ENTRANCE = entrance('127.0.0.1:4242');

function alive(cause: Resource | undefined, connections: Connections = {}): Up {
  return { type: 'alive', pressure: { loop: 0, memory: 0, descriptors: 0 }, cause, connections };
}

function entrance(address: string): Entrance {
  const handle = { fd: -1, close() {} };
  return { listener: { address }, socket: { wanted: address, address, handle, foreign: false } };
}

async function serving(t: TestContext, size: number) {
  const all = crewOf(t, size);
  const started = all.crew.start();
  for (const puppet of all.hired) puppet.ear.heard(READY);
  await started;
  const listening = all.crew.listen([ENTRANCE]);
  for (const puppet of all.hired) puppet.ear.heard(LISTENING);
  await listening;
  return all;
}

const types = (puppet: Puppet | undefined) => puppet?.told.map((message) => message.type);

test('every worker is told the state announced last, and given the sockets when all are ready for it', async (t) => {
  const { crew, hired } = crewOf(t, 2);
  crew.announce({ revision: 7, services: {} });
  const started = crew.start();
  assert.deepEqual(
    hired.map((puppet) => puppet.number),
    [1, 2],
  );
  const [first] = hired[1]!.told;
  assert.ok(first?.type === 'start');
  assert.equal(first.state.revision, 7);
  for (const { ear } of hired) ear.heard(READY);
  await started;
  assert.deepEqual(types(hired[1]), ['start']);
  const listening = crew.listen([ENTRANCE]);
  assert.deepEqual(hired[1]!.told.at(-1), { type: 'listen', listener: ENTRANCE.listener });
  hired[0]!.ear.heard(LISTENING);
  assert.equal(crew.roll.serving, 1);
  hired[1]!.ear.heard(LISTENING);
  await listening;
});

test('a worker that cannot listen fails the start with its own words, and the others are ended', async (t) => {
  const { crew, hired } = crewOf(t, 2);
  const started = crew.start();
  for (const { ear } of hired) ear.heard(READY);
  await started;
  const listening = crew.listen([ENTRANCE]);
  hired[0]!.ear.heard({ type: 'leaving', fault: 'Cannot listen on 127.0.0.1:80.' });
  hired[0]!.ear.gone('exit code 0');
  await assert.rejects(listening, /Cannot listen on 127\.0\.0\.1:80/);
  assert.equal(hired[1]!.killed, true);
  t.mock.timers.tick(60_000);
  assert.equal(hired.length, 2, 'nobody is hired again');
});

test('a worker that dies is forgotten by the totals and replaced after its delay, never at once', async (t) => {
  const { crew, hired, forgotten } = await serving(t, 2);
  crew.announce({ revision: 3, services: {} });
  hired[1]!.ear.gone('signal SIGKILL');
  assert.deepEqual(forgotten, [2]);
  assert.deepEqual(
    crew.workers().map(({ worker }) => worker),
    [1],
  );
  t.mock.timers.tick(99);
  assert.equal(hired.length, 2);
  t.mock.timers.tick(1);
  assert.equal(hired[2]?.number, 2);
  const [start] = hired[2]!.told;
  assert.ok(start?.type === 'start');
  assert.equal(start.state.revision, 3, 'the replacement begins with the newest truth');
});

test('a worker that dies young again is replaced more slowly, and one that lived a while quickly', async (t) => {
  const { hired, time } = await serving(t, 1);
  hired[0]!.ear.gone('exit code 1');
  t.mock.timers.tick(100);
  hired[1]!.ear.gone('exit code 1');
  t.mock.timers.tick(199);
  assert.equal(hired.length, 2);
  t.mock.timers.tick(1);
  assert.equal(hired.length, 3);
  time.now += 10_000;
  hired[2]!.ear.gone('exit code 1');
  t.mock.timers.tick(100);
  assert.equal(hired.length, 4);
});

test('a worker that is silent for ten looks hangs, and is ended; one that says anything is not', async (t) => {
  const { hired } = await serving(t, 2);
  for (let look = 0; look < 10; look++) {
    assert.equal(hired[0]!.killed, false);
    hired[1]!.ear.heard(ALIVE);
    t.mock.timers.tick(1_000);
  }
  assert.deepEqual(
    hired.map(({ killed }) => killed),
    [true, false],
  );
  hired[0]!.ear.gone('signal SIGKILL');
  t.mock.timers.tick(100);
  assert.equal(hired[2]?.number, 1);
});

test('the roll tells who was heard of lately, whose loop hangs, and where nobody is', async (t) => {
  const { crew, hired } = await serving(t, 3);
  assert.deepEqual(crew.roll, { alive: 3, serving: 3, silent: 0, vacant: 0 });
  for (let look = 0; look < 3; look++) {
    hired[0]!.ear.heard(ALIVE);
    t.mock.timers.tick(1_000);
  }
  hired[2]!.ear.gone('signal SIGKILL');
  assert.deepEqual(crew.roll, { alive: 1, serving: 1, silent: 1, vacant: 1 });
  hired[0]!.ear.heard({ type: 'leaving', fault: undefined });
  assert.deepEqual(crew.roll, { alive: 1, serving: 0, silent: 1, vacant: 1 });
  hired[1]!.ear.heard(ALIVE);
  t.mock.timers.tick(100);
  hired[3]!.ear.heard(READY);
  assert.deepEqual(crew.roll, { alive: 3, serving: 1, silent: 0, vacant: 0 });
  hired[3]!.ear.heard(LISTENING);
  assert.equal(crew.roll.serving, 2);
});

test('open connections are those of all workers that are there', async (t) => {
  const { crew, hired } = await serving(t, 2);
  const [one, two] = hired.map(({ ear }) => ear);
  const [a, b] = ['127.0.0.1:1', '127.0.0.1:2'];
  one!.heard(alive(undefined, { [a]: { 'http/1.1': 1, h2: 2, opening: 3 } }));
  const other = { 'http/1.1': 7, h2: 0, opening: 0 };
  two!.heard(alive(undefined, { [a]: { 'http/1.1': 10, h2: 20, opening: 30 }, [b]: other }));
  assert.deepEqual(crew.connections(), { [a]: { 'http/1.1': 11, h2: 22, opening: 33 }, [b]: other });
  one!.gone('signal SIGKILL');
  assert.deepEqual(crew.connections(), { [a]: { 'http/1.1': 10, h2: 20, opening: 30 }, [b]: other });
});

test('who has too much to bear leaves accepting to others, as long as there are others', async (t) => {
  const { crew, hired } = await serving(t, 2);
  const [one, two] = hired.map(({ ear }) => ear);
  const last = (index: number) => hired[index]!.told.at(-1);
  const listen = { type: 'listen', listener: ENTRANCE.listener };
  const unlisten = { type: 'unlisten', address: '127.0.0.1:4242' };
  one!.heard(alive('memory'));
  assert.deepEqual([last(0), last(1)], [unlisten, listen]);
  assert.deepEqual(crew.workers()[0], { worker: 1, pid: 1001, revision: 0, overloaded: 'memory' });
  assert.equal(crew.roll.serving, 2, 'it serves those it has');

  two!.heard(alive('loop'));
  assert.deepEqual([last(0), last(1)], [listen, listen], 'all refuse rather than let wait');
  two!.heard(ALIVE);
  assert.deepEqual([last(0), last(1)], [unlisten, listen]);

  const other = entrance('127.0.0.1:4343');
  const listening = crew.listen([ENTRANCE, other]);
  two!.heard({ type: 'listening', address: '127.0.0.1:4343' });
  await listening;
  assert.deepEqual(last(0), unlisten, 'a reload waits for nobody who accepts nothing');
  two!.gone('signal SIGKILL');
  assert.deepEqual(hired[0]!.told.slice(-2), [listen, { type: 'listen', listener: other.listener }]);
  one!.heard(ALIVE);
  assert.deepEqual(last(0), { type: 'listen', listener: other.listener });
});

test('counts go to the totals under the number of the worker, and unrouted ones add up over all', async (t) => {
  const { crew, hired, added } = await serving(t, 2);
  const count = counts({ service: 'a', version: 'stable' });
  hired[0]!.ear.heard({
    type: 'counts',
    counts: [count],
    unrouted: { 'no-service': 2 },
    handshakes: {},
    shed: {},
  });
  hired[1]!.ear.heard({
    type: 'counts',
    counts: [count, count],
    unrouted: { 'no-service': 3 },
    handshakes: {},
    shed: {},
  });
  hired[1]!.ear.gone('signal SIGKILL');
  assert.deepEqual(added, [
    [1, 1],
    [2, 2],
  ]);
  assert.deepEqual(crew.unrouted(), { 'no-service': 5 });
});

test('what workers count of a trial becomes its evidence, and a worker that says nothing is missing', async (t) => {
  const { crew, hired, evidence, time } = await serving(t, 2);
  crew.announce(stateInTrial(1));
  hired[0]!.ear.heard({ type: 'trials', counts: [told(1, 1)] });
  hired[0]!.ear.heard({ type: 'trials', counts: [told(1, 1)] });
  hired[0]!.ear.heard({ type: 'trials', counts: [told(0, 2)] });
  assert.deepEqual(evidence.take('r1', 1)?.requests, [1, 1]);
  time.now += 1_999;
  hired[0]!.ear.heard({ type: 'trials', counts: [told(1, 2)] });
  time.now += 2;
  assert.deepEqual(evidence.missing('r1'), ['worker 2']);
  hired[1]!.ear.gone('signal SIGKILL');
  assert.deepEqual(evidence.missing('r1'), [], 'who is not there sees nothing');
  t.mock.timers.tick(100);
  hired[2]!.ear.heard(LISTENING);
  hired[2]!.ear.heard({ type: 'trials', counts: [told(1, 1)] });
  assert.deepEqual(evidence.take('r1', 2)?.requests, [2, 2], 'a successor counts its posts anew');
});

/** A state with a rollout of shop in this epoch. */
function stateInTrial(epoch: number): State {
  const { services } = stateOf(1, {
    shop: { versions: { stable: [], canary: [] }, weights: { stable: 95, canary: 5 } },
  });
  const trial = { rollout: 'r1', epoch, baseline: 'stable', candidate: 'canary', sticky: true };
  return { revision: 1 + epoch, services: { shop: { ...services['shop']!, trial } } };
}

/** One good request of the candidate. */
function told(epoch: number, seq: number): TrialCounts {
  const nothing = { failures: [0, 0], slow: [0, 0], dispersed: [], batches: [] } as const;
  return { rollout: 'r1', epoch, seq, requests: [0, 1], ...nothing };
}

test('a receipt is live when every worker has settled, and tells the last request over all', async (t) => {
  const { crew, hired } = await serving(t, 2);
  crew.announce({ revision: 5, services: {} });
  const receipt = crew.receipt(5, 1000, 'shop', ['canary']);
  for (const puppet of hired) assert.deepEqual(types(puppet), ['start', 'listen', 'patch', 'settle']);
  hired[0]!.ear.heard({ type: 'settled', ask: 1, revision: 5, lastRequestAt: 2000 });
  hired[1]!.ear.heard({ type: 'settled', ask: 1, revision: 6, lastRequestAt: 1000 });
  assert.deepEqual(await receipt, {
    revision: 5,
    live: true,
    workers: [
      { worker: 1, revision: 5, lastRequestAt: '1970-01-01T00:00:02.000Z' },
      { worker: 2, revision: 6, lastRequestAt: '1970-01-01T00:00:01.000Z' },
    ],
    missing: [],
    lastRequestAt: '1970-01-01T00:00:02.000Z',
  });
});

test('a receipt names the workers that were silent, or could not adopt the revision, and is not live', async (t) => {
  const { crew, hired } = await serving(t, 3);
  const receipt = crew.receipt(5, 1000);
  hired[0]!.ear.heard({ type: 'settled', ask: 1, revision: 5, lastRequestAt: undefined });
  hired[1]!.ear.heard({ type: 'settled', ask: 1, revision: 4, lastRequestAt: undefined });
  t.mock.timers.tick(1000);
  assert.deepEqual(await receipt, {
    revision: 5,
    live: false,
    workers: [{ worker: 1, revision: 5 }],
    missing: [2, 3],
  });
});

test('a worker that is replaced during a receipt is asked again', async (t) => {
  const { crew, hired } = await serving(t, 1);
  crew.announce({ revision: 5, services: {} });
  const receipt = crew.receipt(5, 1000, 'shop', ['canary']);
  hired[0]!.ear.gone('signal SIGKILL');
  t.mock.timers.tick(100);
  assert.deepEqual(types(hired[1]), ['start', 'listen', 'settle']);
  hired[1]!.ear.heard({ type: 'settled', ask: 1, revision: 5, lastRequestAt: undefined });
  assert.equal((await receipt).live, true);
});

test('draining tells every worker, waits for the last of them, and replaces none', async (t) => {
  const { crew, hired } = await serving(t, 2);
  let over = false;
  const drained = crew.drain(1000).then(() => {
    over = true;
  });
  for (const puppet of hired) assert.deepEqual(puppet.told.at(-1), { type: 'drain', ms: 1000 });
  hired[0]!.ear.heard({ type: 'leaving', fault: undefined });
  hired[0]!.ear.gone('exit code 0');
  await Promise.resolve();
  assert.equal(over, false);
  hired[1]!.ear.gone('exit code 0');
  await drained;
  assert.equal(hired.length, 2);
});

test('a worker that does not leave although its time is up is killed', async (t) => {
  const { crew, hired } = await serving(t, 1);
  const drained = crew.drain(1000);
  t.mock.timers.tick(5_999);
  assert.equal(hired[0]!.killed, false);
  t.mock.timers.tick(1);
  assert.equal(hired[0]!.killed, true);
  hired[0]!.ear.gone('signal SIGKILL');
  await drained;
});

test('entrances that come and go are told to the workers there are, and those that come later know the newest', async (t) => {
  const { crew, hired } = await serving(t, 1);
  const other = entrance('127.0.0.1:4343');
  const listening = crew.listen([other]);
  assert.deepEqual(hired[0]!.told.slice(-2), [
    { type: 'unlisten', address: '127.0.0.1:4242' },
    { type: 'listen', listener: other.listener },
  ]);
  hired[0]!.ear.gone('signal SIGKILL');
  await listening;
  t.mock.timers.tick(100);
  assert.deepEqual(hired[1]!.told.slice(1), [{ type: 'listen', listener: other.listener }]);
});

test('new settings reach the workers there are and those that come later', async (t) => {
  const { crew, hired } = await serving(t, 1);
  const settings = { ...proxy, exposeVersion: false };
  crew.configure({ settings, speeches: {}, logLevel: 'debug' });
  assert.deepEqual(hired[0]!.told.at(-1), { type: 'configure', settings, speeches: {}, logLevel: 'debug' });
  hired[0]!.ear.gone('signal SIGKILL');
  t.mock.timers.tick(100);
  const [start] = hired[1]!.told;
  assert.ok(start?.type === 'start');
  assert.equal(start.settings.exposeVersion, false);
  assert.equal(start.logLevel, 'debug');
});

test('workers are told how endpoints stand, from their first word on, and tell what they met', async (t) => {
  const { crew, hired, heard } = await serving(t, 2);
  const [first] = hired[0]!.told;
  assert.ok(first?.type === 'start');
  assert.deepEqual(first.standings, STANDINGS);
  crew.stand(STANDINGS);
  assert.deepEqual(hired[1]!.told.at(-1), { type: 'stand', standings: STANDINGS });
  const outcome = { endpoint: '127.0.0.1:1', requests: 7, errors: 5, streak: 5 };
  hired[0]!.ear.heard({ type: 'outcomes', outcomes: [outcome] });
  crew.announce({ revision: 7, services: {} });
  assert.deepEqual(heard, [outcome, 7]);
});
