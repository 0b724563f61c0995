import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { silent } from '../../src/base/log.ts';
import { Roster } from '../../src/upstream/roster.ts';
import { atEnd } from '../support/end.ts';
import { Origin, ok } from '../support/origin.ts';
import { eventually } from '../support/patience.ts';
import { type Draft, get, Site, stateOf } from '../support/site.ts';

/** Whoever is not probed needs no world. */
const WORLD = {
  log: silent,
  resolver: { addresses: async () => 'no names here' },
  random: () => 0.5,
  pause: () => new Promise<void>(() => {}),
  probe: async () => ({ sound: true, says: 'it is not asked' }),
};

/** A version with so many endpoints, a plane that serves it, and a roster that hears of every outcome at once. */
async function open(t: TestContext, count: number, draft: Partial<Draft> = {}) {
  const sick = new Set<number>();
  const origins = await Promise.all(
    Array.from({ length: count }, (_, i) =>
      Origin.open(t, (peer) =>
        peer.say(sick.has(i) ? 'HTTP/1.1 503 Sick\r\ncontent-length: 0\r\n\r\n' : ok(`${i}`)),
      ),
    ),
  );
  const app: Draft = { versions: { v: origins.map(({ address }) => address) }, ...draft };
  // Time is wound by minutes, and the one connection of the client stays.
  const site = await Site.open(t, { app }, { settings: { timeouts: { keepAlive: 10_000_000 } } });
  const roster = new Roster({ ...WORLD, clock: site.clock }, (standings) => site.plane.stand(standings));
  atEnd(t, () => roster.close());
  roster.follow(stateOf(1, { app }));
  const client = await site.connect();
  /** One request, and whether it was answered well. */
  const ask = async (): Promise<boolean> => {
    client.say(get());
    const { line } = await client.message();
    roster.note(site.plane.collectOutcomes());
    return line.includes(' 200 ');
  };
  const used = () => roster.view('app', 'v').flatMap((each, i) => (each.used ? i : []));
  const wind = (ms: number) => {
    site.clock.wind(ms);
    roster.look();
  };
  return { site, origins, sick, roster, ask, used, wind };
}

/** More requests than it takes for whatever is due to happen with a few in a hundred. */
const MANY = 5000;

test('an endpoint that fails whenever it comes back harms five requests each time, at times ever further apart', async (t) => {
  const { origins, sick, ask, used, wind } = await open(t, 3, { slowStart: 60_000 });
  sick.add(0);
  for (const away of [10_000, 20_000, 40_000, 80_000]) {
    let failed = 0;
    for (let i = 0; i < MANY && used().length === 3; i++) if (!(await ask())) failed++;
    assert.deepEqual([used(), failed], [[1, 2], 5]);
    const before = origins[0]!.requests;
    wind(away - 1);
    for (let i = 0; i < 20; i++) assert.ok(await ask());
    assert.deepEqual([used(), origins[0]!.requests], [[1, 2], before]);
    wind(1);
    assert.deepEqual(used(), [0, 1, 2]);
  }
});

test('one that has come back and stays well is forgiven, and takes its full share in the end', async (t) => {
  const { origins, sick, ask, used, wind } = await open(t, 3, { slowStart: 1000 });
  sick.add(0);
  for (let i = 0; i < MANY && used().length === 3; i++) await ask();
  sick.clear();
  wind(10_000);
  wind(1000);
  const before = origins.map(({ requests }) => requests);
  for (let i = 0; i < 300; i++) assert.ok(await ask());
  const shares = origins.map(({ requests }, i) => requests - before[i]!);
  // A third each, and chance may go a long way.
  assert.ok(
    shares.every((share) => share > 40),
    `${shares}`,
  );
});

test('no more than the greatest share is ejected, however many fail; the others go on being asked', async (t) => {
  const { sick, ask, used, origins } = await open(t, 4, { ejection: { maxShare: 50, panic: 0 } });
  for (const i of [0, 1, 2]) sick.add(i);
  for (let i = 0; i < MANY && used().length > 2; i++) await ask();
  for (let i = 0; i < 100; i++) await ask();
  assert.equal(used().length, 2);
  assert.ok(used().includes(3));
  const third = used().find((i) => i !== 3)!;
  const before = origins[third]!.requests;
  for (let i = 0; i < MANY && origins[third]!.requests === before; i++) await ask();
  assert.ok(origins[third]!.requests > before);
});

test('while most are ejected all are used, rather than that one is crushed by what four should bear', async (t) => {
  const { sick, ask, used, origins, roster } = await open(t, 4, { ejection: { maxShare: 75, panic: 50 } });
  for (const i of [0, 1, 2]) sick.add(i);
  const ejected = () => roster.view('app', 'v').filter(({ state }) => state === 'ejected').length;
  for (let i = 0; i < MANY && ejected() < 2; i++) await ask();
  assert.equal(used().length, 2, 'half of them are enough');
  for (let i = 0; i < MANY && ejected() < 3; i++) await ask();
  assert.deepEqual(used(), [0, 1, 2, 3]);
  const before = origins.map(({ requests }) => requests);
  const grown = () => origins.every(({ requests }, i) => requests > before[i]!);
  for (let i = 0; i < MANY && !grown(); i++) await ask();
  assert.ok(grown());
});

test('under load one that comes back has a tenth of its share at first, though it is the least loaded by far', async (t) => {
  const origins = await Promise.all([1, 2, 3].map(() => Origin.open(t)));
  const endpoints = origins.map(({ address }) => address);
  const site = await Site.open(t, { app: { versions: { v: endpoints }, slowStart: 10_000 } });
  site.plane.stand([
    { service: 'app', version: 'v', endpoints: { [endpoints[0]!]: [{ out: false, back: 0 }] } },
  ]);
  const asked = () => origins.map(({ peers }) => peers.length);
  const send = async (count: number) => {
    const due = count + asked().reduce((sum, each) => sum + each, 0);
    for (let i = 0; i < count; i++) (await site.connect()).say(get());
    await eventually('all to be asked', () => asked().reduce((sum, each) => sum + each, 0) === due);
  };
  // Nobody is answered, so all of them pile up.
  await send(90);
  const [early] = asked() as [number];
  assert.ok(early < 25, `${asked()}: it would be 30 of 90 if all were the same`);
  site.clock.wind(10_000);
  await send(90);
  const [late] = asked() as [number];
  assert.ok(late - early > 30, `${asked()}: it is the least loaded, and nothing holds it back`);
});

test('an endpoint is ejected though another service has it alone, and has none to compare it with', async (t) => {
  const { site, origins, sick, ask, used } = await open(t, 3);
  const [address] = origins.map((each) => each.address);
  const app: Draft = { versions: { v: origins.map((each) => each.address) } };
  site.adopt({ app, alone: { match: [{ path: '/alone' }], versions: { v: [address!] } } });
  sick.add(0);
  for (let i = 0; i < MANY && used().length === 3; i++) await ask();
  assert.deepEqual(used(), [1, 2]);
});
