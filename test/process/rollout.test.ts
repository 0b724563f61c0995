import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import type { RequestListener } from 'node:http';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type TestContext, test } from 'node:test';
import type { DecisionList, RolloutList, RolloutView } from '../../src/model/api.ts';
import type { Config } from '../../src/model/settings.ts';
import { spillway } from './command.ts';
import { origin, type Site, scratch, shop, startSite, until } from './site.ts';
import { Traffic } from './traffic.ts';

const RATE = 200;

/** Every so many requests fail, beginning with the first. */
function failing(one: number, of: number): RequestListener {
  let count = 0;
  return (_request, response) => {
    response.statusCode = count++ % of < one ? 500 : 200;
    response.end();
  };
}

/** A version in a process of its own, which can be killed. */
async function killable(t: TestContext): Promise<{ endpoint: string; child: ChildProcess }> {
  const code =
    'const s = require("node:http").createServer((q, a) => a.end()).listen(0, "127.0.0.1", () => console.log(s.address().port))';
  const child = spawn(process.execPath, ['-e', code], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(async () => {
    if (child.kill('SIGKILL')) await once(child, 'close');
  });
  const [port] = (await once(createInterface({ input: child.stdout! }), 'line')) as [string];
  return { endpoint: `127.0.0.1:${port}`, child };
}

/** A site under traffic, with enough of it behind it to know how stable does. */
async function underTraffic(t: TestContext, stable: string, canary: string) {
  const config: Config = shop(stable, canary);
  const { shop: service } = config.services;
  const site = await startSite(t, {
    ...config,
    services: { shop: { ...service!, key: { header: 'x-user' } } },
  });
  const traffic = new Traffic(t, site.proxy, RATE);
  await traffic.answered(RATE);
  return { site, traffic };
}

async function start(t: TestContext, site: Site, terms: object, ...more: string[]) {
  const path = join(await scratch(t), 'terms.json');
  await writeFile(path, JSON.stringify(terms));
  const args = ['rollout', 'start', 'shop', '--candidate', 'canary', '--file', path, ...more];
  return spillway(args, { SPILLWAY_ADMIN: site.admin });
}

/** What rolled it back can be judged again as it was, and by a policy that would have waited. */
async function simulates(t: TestContext, site: Site, id: string): Promise<void> {
  const env = { SPILLWAY_ADMIN: site.admin };
  const same = await spillway(['simulate', '--rollout', id], env);
  assert.equal(same.code, 0, same.out + same.err);
  assert.match(same.out, /; 1 of 1 decisions come out the same/);
  assert.match(same.out, /-> rolled back: /);
  const path = join(await scratch(t), 'policy.yaml');
  await writeFile(path, 'policy: { alpha: 1.0e-200, tripwire: false }\n');
  const other = await spillway(['simulate', '--rollout', id, '--policy', path, '--json'], env);
  assert.equal(other.code, 0, other.out + other.err);
  const { recorded, simulated, looks } = JSON.parse(other.out);
  assert.ok(looks > 0 && recorded.at(-1).result.startsWith('rolled back'));
  assert.ok(
    simulated.every(({ result }: { result?: string }) => result === undefined),
    other.out,
  );
  await writeFile(path, 'policy: { mode: request }\n');
  const refused = await spillway(['simulate', '--rollout', id, '--policy', path], env);
  assert.match(refused.err, /mode is request, and the evidence was counted with sticky/);
}

async function read<T>(site: Site, path: string): Promise<T> {
  const answer = await fetch(`${site.admin}${path}`);
  assert.equal(answer.status, 200, path);
  return (await answer.json()) as T;
}

async function newest(site: Site): Promise<RolloutView> {
  return (await read<RolloutList>(site, '/v1/rollouts')).rollouts[0]!;
}

test('a candidate that fails half of the time is off soon after its first error, for all to see', async (t) => {
  const stable = await origin(t, failing(0, 1));
  const canary = await origin(t, failing(1, 2));
  const { site, traffic } = await underTraffic(t, stable, canary);
  const strategy = { type: 'canary', steps: [5] };
  const { code, out, err } = await start(t, site, { strategy }, '--wait', '--for', '60');
  assert.equal(code, 1, out + err);
  assert.match(out, /step 1\/1 at 5 %/);
  assert.match(out, /rolled back: /);

  const rollout = await newest(site);
  assert.equal(rollout.weight, 0);
  const [decision] = (await read<DecisionList>(site, `/v1/rollouts/${rollout.id}/decisions`)).decisions;
  await simulates(t, site, rollout.id);
  assert.match(decision!.result, /^rolled back: /);
  assert.ok(decision!.harm ?? decision!.verdict, 'what it was judged by is recorded');

  const { requests } = traffic.versions.get('canary')!;
  await traffic.answered([...traffic.versions.values()].reduce((sum, each) => sum + each.requests, RATE));
  assert.equal(traffic.versions.get('canary')!.requests, requests, 'nobody is sent there any more');
  const seconds = (traffic.lastOf.get('canary')! - traffic.firstErrorOf.get('canary')!) / 1000;
  t.diagnostic(`off ${seconds.toFixed(1)} s after the first error, ${requests} requests: ${rollout.status}`);

  const metrics = await (await fetch(`${site.admin}/metrics`)).text();
  assert.match(metrics, /^spillway_rollbacks_total\{service="shop",cause="[a-z]+"\} 1$/m);

  const again = await start(t, site, { strategy });
  assert.equal(again.code, 1);
  assert.match(again.err, /release this one from quarantine/);
  const env = { SPILLWAY_ADMIN: site.admin };
  const released = await spillway(['rollout', 'release', 'shop', '--build', rollout.build], env);
  assert.equal(released.code, 0, released.err);
});

test('equal versions are promoted step by step, and the old one has nothing left', async (t) => {
  const stable = await origin(t, failing(0, 1));
  const canary = await origin(t, failing(0, 1));
  const { site, traffic } = await underTraffic(t, stable, canary);
  const step = (weight: number, requests: number) => ({ weight, atLeast: 1, needs: { requests } });
  const strategy = { type: 'canary', steps: [step(5, 10), step(25, 50), step(50, 100)], bake: { for: 1 } };
  const planned = await start(t, site, { strategy }, '--plan');
  assert.match(planned.out, /It would go so:\n {2}5 %: /);
  const begun = performance.now();
  const { code, out, err } = await start(t, site, { strategy }, '--wait', '--for', '60');
  assert.equal(code, 0, out + err);
  for (const place of [
    'step 1/3 at 5 %',
    'step 2/3 at 25 %',
    'step 3/3 at 50 %',
    'baking at 99.5 %',
    'promoted',
  ])
    assert.ok(out.includes(place), out);
  const { weights } = (await site.status()).services[0]!.split;
  assert.deepEqual(weights, { stable: 0, canary: 100 });
  assert.equal(
    [...traffic.versions.values()].reduce((sum, { errors }) => sum + errors, 0),
    0,
  );
  t.diagnostic(`promoted in ${((performance.now() - begun) / 1000).toFixed(1)} s, without a failed request`);
});

test('when stable fails as well the candidate is not blamed: it pauses, and a person can abort', async (t) => {
  const stable = await origin(t, failing(3, 10));
  const canary = await origin(t, failing(3, 10));
  const { site } = await underTraffic(t, stable, canary);
  const started = await start(t, site, { strategy: { type: 'canary', steps: [25] } });
  assert.equal(started.code, 0, started.err);
  const paused = await until(async () => {
    const rollout = await newest(site);
    return rollout.phase.at === 'stepping' ? undefined : rollout;
  });
  assert.ok(paused.phase.at === 'paused' && paused.phase.cause === 'environment', paused.status);
  assert.equal(paused.weight, 25);
  t.diagnostic(paused.status);
  const metrics = await (await fetch(`${site.admin}/metrics`)).text();
  assert.match(metrics, /^spillway_rollout_phase\{service="shop",phase="paused"\} 1$/m);
  assert.match(metrics, /^spillway_rollout_evidence_threshold\{service="shop",test="errorRatio"\} /m);
  assert.match(metrics, /^spillway_rollback_ready\{service="shop"\} 1$/m);

  const env = { SPILLWAY_ADMIN: site.admin };
  const aborted = await spillway(['rollout', 'abort', paused.id, '--reason', 'not today'], env);
  assert.equal(aborted.code, 0, aborted.err);
  assert.match(aborted.out, /rolled back: not today/);
  const watched = await spillway(['rollout', 'watch', paused.id], env);
  assert.equal(watched.code, 1);
});

test('a candidate whose process is killed is rolled back', async (t) => {
  const stable = await origin(t, failing(0, 1));
  const canary = await killable(t);
  const { site, traffic } = await underTraffic(t, stable, canary.endpoint);
  const started = await start(t, site, { strategy: { type: 'canary', steps: [10] } });
  assert.equal(started.code, 0, started.err);
  await until(async () => ((traffic.versions.get('canary')?.requests ?? 0) > 0 ? true : undefined));
  canary.child.kill('SIGKILL');
  const killed = performance.now();
  const env = { SPILLWAY_ADMIN: site.admin };
  const watched = await spillway(['rollout', 'watch', (await newest(site)).id, '--for', '60'], env);
  assert.equal(watched.code, 1, watched.out + watched.err);
  const { errors } = traffic.versions.get('canary')!;
  t.diagnostic(
    `off ${((performance.now() - killed) / 1000).toFixed(1)} s after it was killed; ${errors} requests failed`,
  );
});
