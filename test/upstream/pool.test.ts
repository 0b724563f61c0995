import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Deadlines } from '../../src/base/deadlines.ts';
import { silent } from '../../src/base/log.ts';
import { Pools } from '../../src/upstream/pools.ts';
import { always, Origin, ok } from '../support/origin.ts';
import { eventually } from '../support/patience.ts';
import { Notebook } from './notebook.ts';
import { ask, LIMITS, poolOf, question, TERMS } from './parts.ts';

test('a connection that has served is used again, the last one first', async (t) => {
  const origin = await Origin.open(t, always('ok'));
  const { pool } = poolOf(t, origin.address);
  const first = ask(pool);
  const second = ask(pool);
  await Promise.all([first.notes.told('end'), second.notes.told('end')]);
  assert.equal(origin.peers.length, 2);
  for (let i = 0; i < 5; i++) await ask(pool).notes.told('end');
  assert.equal(origin.peers.length, 2);
  assert.equal(origin.requests, 7);
  const third = ask(pool);
  assert.equal(third.channel.reused, true);
  assert.equal(third.channel.connected, true);
});

test('whoever insists on a fresh connection gets one', async (t) => {
  const origin = await Origin.open(t, always('ok'));
  const { pool } = poolOf(t, origin.address);
  await ask(pool).notes.told('end');
  const fresh = pool.take(TERMS.connect, true);
  assert.equal(fresh?.reused, false);
  assert.equal(fresh?.connected, false);
  fresh?.destroy();
});

test('an idle connection is closed when its time is over, and not before', async (t) => {
  const origin = await Origin.open(t, always('ok'));
  const { pool, deadlines } = poolOf(t, origin.address);
  await ask(pool).notes.told('end');
  deadlines.sweep(TERMS.keepAlive - 1);
  assert.equal(pool.quiet, false);
  deadlines.sweep(TERMS.keepAlive);
  assert.equal(pool.quiet, true);
  await origin.peers[0]!.gone();
});

test('an endpoint that says how long it keeps a connection is hung up on a second sooner', async (t) => {
  const origin = await Origin.open(t, (peer) => peer.say(ok('ok', 'keep-alive: max=5, timeout=3\r\n')));
  const { pool, deadlines } = poolOf(t, origin.address);
  await ask(pool).notes.told('end');
  deadlines.sweep(1999);
  assert.equal(pool.quiet, false);
  deadlines.sweep(2000);
  assert.equal(pool.quiet, true);
});

test('a hint longer than our own time changes nothing', async (t) => {
  const origin = await Origin.open(t, (peer) => peer.say(ok('ok', 'keep-alive: timeout=600\r\n')));
  const { pool, deadlines } = poolOf(t, origin.address);
  await ask(pool).notes.told('end');
  deadlines.sweep(TERMS.keepAlive);
  assert.equal(pool.quiet, true);
});

test('a byte that nobody asked for ends an idle connection', async (t) => {
  const origin = await Origin.open(t, always('ok'));
  const { pool } = poolOf(t, origin.address);
  await ask(pool).notes.told('end');
  origin.peers[0]!.say('H');
  await eventually('the connection to be gone', () => pool.quiet);
  const { channel, notes } = ask(pool);
  assert.equal(channel.reused, false);
  await notes.told('end');
});

test('a connection that its endpoint closed while idle is not used again', async (t) => {
  const origin = await Origin.open(t, always('ok'));
  const { pool } = poolOf(t, origin.address);
  await ask(pool).notes.told('end');
  origin.peers[0]!.end();
  await eventually('the connection to be gone', () => pool.quiet);
  assert.equal(ask(pool).channel.reused, false);
});

test('a connection that goes stale as it is used again says so', async (t) => {
  const origin = await Origin.open(t);
  const { pool } = poolOf(t, origin.address);
  const first = ask(pool);
  const peer = await origin.next();
  await peer.take('\r\n\r\n');
  peer.say(ok('ok'));
  await first.notes.told('end');
  const second = ask(pool);
  assert.equal(second.channel.reused, true);
  peer.end();
  await second.notes.told('reset');
});

test('no more connections are opened than may be, and who waits gets one in turn', async (t) => {
  const origin = await Origin.open(t);
  const { pool } = poolOf(t, origin.address, { connections: 2, pending: 3 });
  const busy = [ask(pool), ask(pool)];
  assert.equal(pool.take(TERMS.connect, false), undefined);

  const served: string[] = [];
  const names = ['first', 'second', 'third'];
  const waiting = names.map((name): Notebook => {
    const notes = new Notebook(() => {
      served.push(name);
      const channel = pool.take(TERMS.connect, false)!;
      channel.ask(notes, TERMS, question({ lines: `GET /${name} HTTP/1.1\r\nhost: a\r\n` }));
    });
    return notes;
  });
  for (const notes of waiting) assert.equal(pool.enqueue(notes), true);
  assert.equal(pool.enqueue(new Notebook()), false);

  const peers = [await origin.next(), await origin.next()];
  await Promise.all(peers.map((peer) => peer.take('\r\n\r\n')));
  peers[0]!.say(ok('ok'));
  assert.match(await peers[0]!.take('\r\n\r\n'), /^GET \/first /);
  peers[0]!.say(ok('ok'));
  assert.match(await peers[0]!.take('\r\n\r\n'), /^GET \/second /);
  peers[1]!.say(ok('ok'));
  assert.match(await peers[1]!.take('\r\n\r\n'), /^GET \/third /);
  for (const peer of peers) peer.say(ok('ok'));
  await Promise.all([
    ...busy.map(({ notes }) => notes.told('end')),
    ...waiting.map((notes) => notes.told('end')),
  ]);
  assert.deepEqual(served, names);
  assert.equal(origin.peers.length, 2);
});

test('the place of a connection that is lost is given to who waits', async (t) => {
  const origin = await Origin.open(t);
  const { pool } = poolOf(t, origin.address, { connections: 1 });
  const first = ask(pool);
  let second: ReturnType<typeof ask> | undefined;
  pool.enqueue(
    new Notebook(() => {
      second = ask(pool);
    }),
  );
  const lost = await origin.next();
  await lost.take('\r\n\r\n');
  lost.reset();
  await first.notes.told('reset');
  assert.equal(second?.channel.reused, false);
  const peer = await origin.next();
  peer.say(ok('ok'));
  await second?.notes.told('end');
});

test('who waits no longer is passed over', async (t) => {
  const origin = await Origin.open(t, always('ok'));
  const { pool } = poolOf(t, origin.address, { connections: 1 });
  const first = ask(pool);
  const [gone, next] = [new Notebook(), new Notebook()];
  pool.enqueue(gone);
  pool.enqueue(next);
  pool.forget(gone);
  await first.notes.told('end');
  assert.deepEqual(gone.events, []);
  assert.deepEqual(next.events, ['granted']);
});

test('an endpoint that refused is avoided for a second, or until it can be reached', async (t) => {
  const origin = await Origin.open(t);
  origin.close();
  const { pool, deadlines } = poolOf(t, origin.address);
  assert.equal(pool.avoided, false);
  await ask(pool).notes.told('refused');
  assert.equal(pool.avoided, true);
  deadlines.sweep(999);
  assert.equal(pool.avoided, true);
  deadlines.sweep(1000);
  assert.equal(pool.avoided, false);
  await ask(pool).notes.told('refused');
  assert.equal(pool.avoided, true);
  await Origin.open(t, always('ok'), origin.address);
  await ask(pool).notes.told('end');
  assert.equal(pool.avoided, false);
});

test('a retired pool closes what is idle at once and what is busy when it is done', async (t) => {
  const origin = await Origin.open(t);
  const { pool } = poolOf(t, origin.address);
  const [busy, idle] = [ask(pool), ask(pool)];
  const peers = [await origin.next(), await origin.next()];
  for (const peer of peers) await peer.take('\r\n\r\n');
  peers[1]!.say(ok('ok'));
  await eventually('one of them to be idle', () =>
    [busy, idle].some(({ notes }) => notes.events.includes('end')),
  );
  pool.retire();
  await peers[1]!.gone();
  assert.equal(pool.quiet, false);
  peers[0]!.say(ok('ok'));
  await Promise.all([busy, idle].map(({ notes }) => notes.told('end')));
  assert.equal(pool.quiet, true);
  await peers[0]!.gone();
});

test('a pool that is named again keeps its connections', async (t) => {
  const origin = await Origin.open(t, always('ok'));
  const { pool } = poolOf(t, origin.address);
  const { notes } = ask(pool);
  pool.retire();
  pool.revive();
  await notes.told('end');
  assert.equal(pool.quiet, false);
  assert.equal(ask(pool).channel.reused, true);
});

test('an endpoint has one pool however many name it, and the last sets its limits', async (t) => {
  const origin = await Origin.open(t, always('ok'));
  const pools = new Pools(new Deadlines(0, 0), silent);
  const pool = pools.get({ endpoint: origin.address }, LIMITS, { connections: 1, requests: 9, pending: 1 });
  assert.equal(
    pools.get({ endpoint: origin.address }, LIMITS, { connections: 2, requests: 9, pending: 1 }),
    pool,
  );
  assert.equal(pool.pooling.connections, 2);
  await ask(pool).notes.told('end');

  pools.keepOnly(new Set([pool]));
  assert.equal(pool.quiet, false);
  const { notes } = ask(pool);
  pools.keepOnly(new Set());
  assert.equal(
    pools.get({ endpoint: origin.address }, LIMITS, { connections: 1, requests: 9, pending: 1 }),
    pool,
    'busy, so it stays',
  );
  await notes.told('end');
  pools.keepOnly(new Set());
  assert.equal(pool.quiet, true);
  assert.notEqual(
    pools.get({ endpoint: origin.address }, LIMITS, { connections: 1, requests: 9, pending: 1 }),
    pool,
  );
});

test('an endpoint that is no address is refused by name', () => {
  const pools = new Pools(new Deadlines(0, 0), silent);
  assert.throws(
    () => pools.get({ endpoint: 'nowhere' }, LIMITS, { connections: 1, requests: 9, pending: 1 }),
    /endpoint "nowhere": a port/,
  );
});

test('faults in a row are told at once, when there are as many as may be', (t) => {
  const { pool } = poolOf(t, '127.0.0.1:1');
  const alarms: number[] = [];
  pool.alarmAt = 3;
  pool.alarm = () => alarms.push(pool.outcomes()!.streak);
  for (const status of [503, 502, 200, 500, 503, 504]) pool.served(status);
  assert.deepEqual(alarms, []);
  pool.faulted();
  assert.deepEqual(alarms, [3]);
  assert.equal(pool.outcomes(), undefined, 'all of it has been told');
  pool.use(false);
  pool.faulted();
  assert.deepEqual(pool.outcomes(), { requests: 1, errors: 1, streak: 1 });
});

test('a connection that went stale in the pool is no fault of the endpoint', async (t) => {
  const origin = await Origin.open(t);
  const { pool } = poolOf(t, origin.address);
  const { notes } = ask(pool);
  const peer = await origin.next();
  await peer.message();
  peer.say('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n');
  await notes.told('end');
  const again = ask(pool);
  await peer.message();
  peer.socket.destroy();
  await again.notes.told('reset');
  assert.deepEqual(pool.outcomes(), { requests: 1, errors: 0, streak: 0 });
  const fresh = ask(pool);
  const other = await origin.next();
  await other.message();
  other.socket.destroy();
  await fresh.notes.told('reset');
  assert.deepEqual(pool.outcomes(), { requests: 1, errors: 1, streak: 1 });
});
