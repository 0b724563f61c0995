import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { Redis } from 'ioredis';
import { run } from '../../src/store/connect.ts';
import { BEAT, LEAVE, POST, READ, REPLACE, RESTORE, type Script } from '../../src/store/scripts.ts';
import { atLast } from '../support/patience.ts';
import { RedisServer } from '../support/redis.ts';
import { SimulatedRedis } from './simulation/redis.ts';

const server = await RedisServer.start();
const client = new Redis(server.url);
after(async () => {
  client.disconnect();
  await server.stop();
});

const key = (name: string): string => `spillway:{f}:${name}`;
const keys = (...names: string[]): string[] => names.map(key);
const revision = fc.nat(4).map(String);
const stamp = fc.constantFrom('s1', 's2', 's3', 's4', 's5');
const token = fc.constantFrom('t1', 't2', 't3');
const entry = (name: string): string => JSON.stringify({ reason: name });

interface Asked {
  readonly script: Script;
  readonly keys: readonly string[];
  readonly args: readonly string[];
}

/** Nothing expires meanwhile, but for what restores at once. */
const asked: fc.Arbitrary<Asked> = fc.oneof(
  stamp.map((known) => ({ script: READ, keys: keys('truth'), args: [known] })),
  fc.tuple(revision, stamp, fc.option(token, { nil: '' })).map(([now, name, fence]) => ({
    script: REPLACE,
    keys: keys('truth', 'audit', 'term', 'restoring'),
    args: [now, name, `state ${name}`, entry(name), fence, 'news'],
  })),
  // Nobody restores nothing.
  fc.tuple(fc.integer({ min: 1, max: 4 }).map(String), stamp, stamp).map(([now, name, fresh]) => ({
    script: RESTORE,
    keys: keys('truth', 'audit', 'restoring'),
    args: [now, name, `state ${name}`, entry(name), 'news', '100000', `${fresh} again`],
  })),
  fc
    .tuple(fc.constantFrom('a', 'b'), fc.option(token, { nil: '' }), token, fc.boolean())
    .map(([me, mine, fresh, wants]) => ({
      script: BEAT,
      keys: keys('truth', 'lease', 'term', 'replicas'),
      args: [me, mine, fresh, wants ? '1' : '0', '{}', '100000', '30000'],
    })),
  fc
    .tuple(fc.constantFrom('a', 'b'), token)
    .map(([me, mine]) => ({ script: LEAVE, keys: keys('lease', 'replicas'), args: [me, mine] })),
  fc.constant({ script: POST, keys: keys('evidence'), args: ['words', '1000', '60000'] }),
);

/** Without the time of day, in which the two differ, and in one order. */
function timeless(script: Script, answer: unknown): unknown {
  if (script !== BEAT) return answer;
  const [, now, name, holder, cards] = answer as [string, string, string, string, string[]];
  const bare = cards.map((text) => text.replace(/^\d+ /, ''));
  return [now, name, holder, bare.filter((_, i) => i % 2 === 0).sort()];
}

test('the simulated Redis answers as the real one does, whatever the scripts are asked', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(asked, { maxLength: 25 }), async (row) => {
      await client.flushall();
      const simulated = new SimulatedRedis(() => Date.now());
      for (const { script, keys: named, args } of row) {
        const real = await run(client, script, named, args);
        const words = [String(named.length), ...named, ...args];
        const said = simulated.ask('eval', [script.lua, ...words]);
        assert.deepEqual(timeless(script, said), timeless(script, real));
      }
      const audit = key('audit');
      assert.deepEqual(simulated.ask('lrange', [audit, '0', '99']), await client.lrange(audit, 0, 99));
      const fields = ['revision', 'stamp', 'state', 'entry'];
      assert.deepEqual(
        simulated.ask('hmget', [key('truth'), ...fields]),
        await client.hmget(key('truth'), ...fields),
      );
    }),
    { numRuns: 300 },
  );
});

test('a replica that is not heard of is shown for a while, and then forgotten', async () => {
  await client.flushall();
  const beat = async (me: string, forgotten: number) => {
    const args = [me, '', `${me} token`, '0', '{}', '3000', forgotten];
    const reply = await run(client, BEAT, keys('truth', 'lease', 'term', 'replicas'), args);
    return (reply as unknown[])[4] as string[];
  };
  await beat('dead', 30_000);
  assert.ok((await beat('alive', 30_000)).includes('dead'));
  await atLast(async () => assert.ok(!(await beat('alive', 1)).includes('dead')));
  assert.ok((await beat('alive', 30_000)).includes('alive'));
});
