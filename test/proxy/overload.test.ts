import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { AT_EASE, type Load, type Overload, weigh } from '../../src/proxy/overload.ts';
import { always, Origin, ok } from '../support/origin.ts';
import { eventually } from '../support/patience.ts';
import { get, Site } from '../support/site.ts';

const BORNE = { loopDelay: 1000, memory: 1000, descriptors: 1096 };
const NOTHING = { loopDelay: 0, memory: 0, descriptors: 0 };
type Look = Partial<typeof NOTHING>;

/** What there was too much of after each of these looks. */
function causes(...looks: readonly Look[]): Overload['cause'][] {
  let overload = AT_EASE;
  return looks.map((look) => {
    overload = weigh(overload, { ...NOTHING, ...look }, BORNE);
    return overload.cause;
  });
}

test('there is too much of what reaches its limit, and until it is well below that', () => {
  const memory = (...megabytes: number[]) => causes(...megabytes.map((each) => ({ memory: each })));
  assert.deepEqual(memory(999, 1000, 950, 901, 899, 950), [
    undefined,
    'memory',
    'memory',
    'memory',
    undefined,
    undefined,
  ]);
  assert.deepEqual(causes({ descriptors: 999 }, { descriptors: 1000 }), [undefined, 'descriptors']);
});

test('a stall that is over is no overload, three looks in a row are', () => {
  const loop = (...delays: number[]) => causes(...delays.map((loopDelay) => ({ loopDelay })));
  assert.deepEqual(loop(9000, 0, 9000, 9000), [undefined, undefined, undefined, undefined]);
  assert.deepEqual(loop(1000, 5000, 2000, 950, 0), [undefined, undefined, 'loop', 'loop', undefined]);
});

test('of several things the one that there is most too much of is named', () => {
  assert.deepEqual(causes({ memory: 1100, descriptors: 1200 }), ['descriptors']);
  assert.deepEqual(causes({ memory: 1100 }, { memory: 950, descriptors: 1200 }, { memory: 950 }), [
    'memory',
    'descriptors',
    undefined,
  ]);
});

test('what never reaches a limit is never too much, and what stays below its relief does not last', () => {
  const share = (most: number) => fc.double({ min: 0, max: most, noNaN: true });
  const looks = (most: number) =>
    fc.array(
      fc.record({
        loopDelay: share(most * 1000),
        memory: share(most * 1000),
        descriptors: share(most * 1000),
      }),
    );
  fc.assert(
    fc.property(looks(0.99), (all) => assert.ok(causes(...all).every((cause) => cause === undefined))),
  );
  fc.assert(
    fc.property(looks(3), looks(0.89), (some, less) => {
      const last = causes(...some, ...less, ...Array(3).fill(NOTHING)).at(-1);
      assert.equal(last, undefined);
    }),
  );
});

async function open(t: TestContext, settings: object = {}) {
  const origin = await Origin.open(t);
  const load = { loopDelay: 0, memory: 0 };
  const site = await Site.open(
    t,
    { app: { versions: { v: [origin.address] } } },
    { settings: { overload: { memory: 1000 }, ...settings }, load: (): Load => load },
  );
  const until = (cause: Overload['cause']) =>
    eventually(`it to have too much of ${cause}`, () => site.plane.overload.cause === cause);
  return { origin, site, load, until };
}

test('with too much memory in use newcomers are told to come again, and those who are served are served', async (t) => {
  const { origin, site, load, until } = await open(t);
  const served = await site.connect();
  served.say(get());
  const asked = await origin.next();
  await asked.message();

  load.memory = 1000;
  await until('memory');
  const late = await site.connect();
  late.say(get());
  const { line, field, body } = await late.message();
  assert.match(line, / 503 /);
  assert.equal(JSON.parse(body).fault, 'shedding');
  assert.equal(field('retry-after'), '1');
  assert.equal(field('connection'), 'close');
  assert.equal(await late.gone(), 'end');
  assert.deepEqual(site.plane.collectShed(), { memory: 1 });

  asked.say(ok('served'));
  const answer = await served.message();
  assert.equal(answer.body, 'served');
  assert.equal(answer.field('connection'), 'close', 'what it holds is short');

  load.memory = 100;
  await until(undefined);
  const next = await site.connect();
  next.say(get());
  await asked.message();
  asked.say(ok('next'));
  const more = await next.message();
  assert.equal(more.body, 'next');
  assert.equal(more.field('connection'), undefined);
});

test('while the loop is late kept connections are kept, as connecting anew costs more than a request', async (t) => {
  const { origin, site, load, until } = await open(t);
  load.loopDelay = 2000;
  const client = await site.connect();
  await until('loop');
  client.say(get());
  const asked = await origin.next();
  await asked.message();
  asked.say(ok('served'));
  assert.equal((await client.message()).field('connection'), undefined);
});

test('of the descriptors there are, each client has one to an endpoint reserved', async (t) => {
  const origin = await Origin.open(t, always('ok'));
  const site = await Site.open(
    t,
    { app: { versions: { v: [origin.address] } } },
    { settings: { overload: { descriptors: 96 + 6 } } },
  );
  const clients = [await site.connect(), await site.connect(), await site.connect()];
  for (const client of clients) {
    client.say(get());
    assert.equal((await client.message()).body, 'ok');
  }
  const late = await site.connect();
  assert.match((await late.message()).line, / 503 /);
  assert.deepEqual(site.plane.collectShed(), { descriptors: 1 });
  await eventually('it to be seen', () => site.plane.overload.cause === 'descriptors');
  clients[0]!.socket.destroy();
  clients[1]!.socket.destroy();
  await eventually('room', () => site.plane.overload.cause === undefined);
  assert.match((await site.get()).line, / 200 /);
});
