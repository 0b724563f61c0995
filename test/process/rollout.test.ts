import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { DecisionList, RolloutList } from '../../src/model/api.ts';
import { once, until } from '../support/patience.ts';
import { spillway } from './command.ts';
import { newest, RATE, read, start, underTraffic, version } from './ground.ts';
import { freeEndpoints, named, type Site, scratch, shop, startSite } from './site.ts';

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
  // The policy it had, by its name; a file may begin with a named one, too.
  const named = await spillway(['simulate', '--rollout', id, '--policy', 'standard', '--json'], env);
  assert.equal(named.code, 0, named.out + named.err);
  const again = JSON.parse(named.out);
  assert.deepEqual(again.simulated, again.recorded);
  await writeFile(path, 'policy: { name: patient, tripwire: false }\n');
  const own = await spillway(['simulate', '--rollout', id, '--policy', path, '--json'], env);
  assert.equal(own.code, 0, own.out + own.err);
  assert.deepEqual(JSON.parse(own.out).simulated, simulated);
  const unknown = await spillway(['simulate', '--rollout', id, '--policy', 'bold'], env);
  assert.match(unknown.err, /"bold" is neither a file nor a policy; the policies are patient, standard, /);
  await writeFile(path, 'policy: { mode: request }\n');
  const refused = await spillway(['simulate', '--rollout', id, '--policy', path], env);
  assert.match(refused.err, /mode is request, and the evidence was counted with sticky/);
}

/** A policy that waits for more than a rollout ever sees. */
const PATIENT = { alpha: 1e-200, tripwire: false };
const FIVE = { type: 'canary', steps: [5] };

test('a candidate that fails half of the time is off soon after its first error, for all to see', async (t) => {
  const stable = await version(t);
  const canary = await version(t, { fails: 0.5 });
  const { site, traffic } = await underTraffic(t, stable.endpoint, canary.endpoint);
  await site.reload(
    { ...JSON.parse(await readFile(site.configPath, 'utf8')), policies: { patient: PATIENT } },
    'the config is reloaded',
  );
  const { code, out, err } = await start(t, site, { strategy: FIVE }, '--wait', '--for', '60');
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
  await traffic.answered(traffic.total + RATE);
  assert.equal(traffic.versions.get('canary')!.requests, requests, 'nobody is sent there any more');
  const seconds = (traffic.lastOf.get('canary')! - traffic.firstErrorOf.get('canary')!) / 1000;
  t.diagnostic(`off ${seconds.toFixed(1)} s after the first error, ${requests} requests: ${rollout.status}`);

  const metrics = await (await fetch(`${site.admin}/metrics`)).text();
  assert.match(metrics, /^spillway_rollbacks_total\{service="shop",cause="[a-z]+"\} 1$/m);

  const again = await start(t, site, { strategy: FIVE });
  assert.equal(again.code, 1);
  assert.match(again.err, /release this one from quarantine/);
  const env = { SPILLWAY_ADMIN: site.admin };
  const released = await spillway(['rollout', 'release', 'shop', '--build', rollout.build], env);
  assert.equal(released.code, 0, released.err);
});

test('a candidate that fails 5 % of the time, where stable fails 0.1 %, is off within half a minute', async (t) => {
  const stable = await version(t, { fails: 0.001 });
  const canary = await version(t, { fails: 0.05 });
  const { site, traffic } = await underTraffic(t, stable.endpoint, canary.endpoint);
  const begun = performance.now();
  const { code, out, err } = await start(t, site, { strategy: FIVE }, '--wait', '--for', '90');
  assert.equal(code, 1, out + err);
  const seconds = (performance.now() - begun) / 1000;
  const { requests, errors } = traffic.versions.get('canary')!;
  const { phase } = await newest(site);
  assert.ok(phase.at === 'rolledBack');
  t.diagnostic(`off after ${seconds.toFixed(1)} s, ${requests} requests, ${errors} failures: ${phase.says}`);
});

test('a candidate whose p99 is three times as high is found', async (t) => {
  const stable = await version(t, { slow: { part: 0.05, ms: 40 } });
  const canary = await version(t, { slow: { part: 0.05, ms: 120 } });
  const before = { before: 4 * RATE };
  const { site, traffic } = await underTraffic(t, stable.endpoint, canary.endpoint, before);
  const begun = performance.now();
  const { code, out, err } = await start(t, site, { strategy: FIVE }, '--wait', '--for', '180');
  assert.equal(code, 1, out + err);
  const seconds = (performance.now() - begun) / 1000;
  const { phase } = await newest(site);
  assert.ok(phase.at === 'rolledBack' && phase.cause === 'worse', phase.at);
  assert.match(phase.says, /latency/);
  const { requests } = traffic.versions.get('canary')!;
  t.diagnostic(`found after ${seconds.toFixed(1)} s, ${requests} requests: ${phase.says}`);
});

test('equal versions are promoted through 1, 5, 25 and 50 % on evidence alone', async (t) => {
  const stable = await version(t, { fails: 0.04 });
  const canary = await version(t, { fails: 0.04 });
  const crowd = { rate: 2 * RATE, users: 100_000, before: 6 * RATE };
  const { site, traffic } = await underTraffic(t, stable.endpoint, canary.endpoint, crowd);
  const steps = [1, 5, 25, 50].map((weight) => ({ weight, atLeast: 1, needs: 'verdict' }));
  const strategy = { type: 'canary', steps, bake: { for: 1 } };
  // To show that latency is no worse takes minutes; that errors are not is what there is time for here.
  const metrics = [{ name: 'errorRatio', kind: 'errorRatio' }];
  const terms = { strategy, policy: { metrics } };
  const planned = await start(t, site, terms, '--plan');
  assert.match(planned.out, /It would go so:\n {2}1 %: /);
  const begun = performance.now();
  const { code, out, err } = await start(t, site, terms, '--wait', '--for', '180');
  assert.equal(code, 0, out + err);
  const seconds = (performance.now() - begun) / 1000;
  for (const place of ['step 1/4 at 1 %', 'step 2/4 at 5 %', 'step 3/4 at 25 %', 'step 4/4 at 50 %'])
    assert.ok(out.includes(place), out);
  assert.match(out, /baking at 99.5 %: the judge finds the candidate healthy\n.*promoted/);
  const { weights } = (await site.status()).services[0]!.split;
  assert.deepEqual(weights, { stable: 0, canary: 100 });
  t.diagnostic(
    `promoted in ${seconds.toFixed(1)} s and ${traffic.total} requests; ${planned.out.trim().split('\n').at(-1)!.trim()}`,
  );
  t.diagnostic(out.trim().replaceAll('\n', ' | '));
});

test('a candidate whose users refund more is rolled back on what is posted of them', async (t) => {
  const [stable, canary] = [await version(t), await version(t)];
  const { site, traffic } = await underTraffic(t, stable.endpoint, canary.endpoint);
  const metrics = [{ name: 'refunds', kind: 'conversion', worse: 'higher' }];
  const strategy = { type: 'canary', steps: [50] };
  const begun = await start(t, site, { strategy, policy: { metrics } });
  assert.equal(begun.code, 0, begun.err);
  let refunded = 0;
  let answer = '';
  await until(async () => {
    // Of the candidate all refund, of the baseline nobody.
    const keys = traffic.usersOf('canary').slice(refunded, refunded + 20);
    refunded += keys.length;
    if (keys.length > 0) {
      const observations = keys.map((key) => ({ metric: 'refunds', key, id: `refund of ${key}` }));
      const posted = await fetch(`${site.admin}/v1/services/shop/observations`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ observations }),
      });
      answer = await posted.text();
    }
    return (await newest(site)).phase.at === 'rolledBack';
  });
  const { phase } = await newest(site);
  assert.match(phase.at === 'rolledBack' ? phase.says : '', /^Worse: refunds is decided/, answer);
  t.diagnostic(`rolled back on ${refunded} refunds: ${answer}`);
});

test('when stable fails as well the candidate is not blamed: it pauses, and a person can abort', async (t) => {
  const stable = await version(t, { fails: 0.3 });
  const canary = await version(t, { fails: 0.3 });
  const { site } = await underTraffic(t, stable.endpoint, canary.endpoint);
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

test('a candidate whose process is killed is rolled back, and no GET of its users fails', async (t) => {
  const stable = await version(t);
  const canary = await version(t);
  const rescue = { on: ['connect', 'reset', 502, 503] as const };
  const { site, traffic } = await underTraffic(t, stable.endpoint, canary.endpoint, {}, { rescue });
  const started = await start(t, site, { strategy: FIVE });
  assert.equal(started.code, 0, started.err);
  await until(async () => (traffic.versions.get('canary')?.requests ?? 0) > 0);
  canary.child.kill('SIGKILL');
  const killed = performance.now();
  const env = { SPILLWAY_ADMIN: site.admin };
  const watched = await spillway(['rollout', 'watch', (await newest(site)).id, '--for', '60'], env);
  assert.equal(watched.code, 1, watched.out + watched.err);
  const seconds = (performance.now() - killed) / 1000;
  const failed = [...traffic.versions.values()].reduce((sum, { errors }) => sum + errors, 0);
  assert.equal(failed, 0);
  assert.ok(traffic.rescued > 0);
  t.diagnostic(
    `off ${seconds.toFixed(1)} s after it was killed; ${traffic.rescued} rescued, ${failed} failed`,
  );
});

test('a rollout goes on after Spillway was killed and started again, and whoever watches sees its end', async (t) => {
  const [proxy, admin] = (await freeEndpoints(2)) as [string, string];
  const config = shop((await version(t)).endpoint, (await version(t)).endpoint, {
    listen: [{ address: proxy }],
    admin: { address: admin },
    store: `file:${await scratch(t)}`,
  });
  const first = await startSite(t, config);
  const steps = [{ weight: 5, atLeast: 4, needs: 'nothing' }];
  const terms = {
    strategy: { type: 'canary', steps, bake: { for: 1 } },
    policy: { harmBudget: { failures: 9 } },
  };
  const started = await start(t, first, terms);
  assert.equal(started.code, 0, started.err);
  const env = { SPILLWAY_ADMIN: first.admin };
  const { id } = await newest(first);
  const watched = spillway(['rollout', 'watch', id, '--for', '60'], env);
  first.child.kill('SIGKILL');
  await once(first.child, 'exit');
  const second = await startSite(t, config);
  const { code, out, err } = await watched;
  assert.equal(code, 0, out + err);
  assert.match(out, /Spillway was away for .* and lost its evidence, which is gathered again/);
  assert.deepEqual((await newest(second)).policy.harmBudget, { failures: 9 });
});

test('weights by hand, files read again and newer rollouts do to one under way what is promised', async (t) => {
  const config = shop((await version(t)).endpoint, await named(t, 'canary'));
  const { shop: service } = config.services;
  const next = { endpoints: [await named(t, 'next')] };
  const three = { ...service!, versions: { ...service!.versions, next } };
  const site = await startSite(t, { ...config, services: { shop: three } });
  const send = async (method: string, path: string, body: object): Promise<string> => {
    const headers = { 'content-type': 'application/json' };
    const answer = await fetch(`${site.admin}/v1/${path}`, { method, headers, body: JSON.stringify(body) });
    const text = await answer.text();
    assert.equal(answer.status, 200, text);
    return text;
  };
  const begin = (candidate: string): Promise<string> => {
    const strategy = { type: 'canary', steps: [{ weight: 20, atLeast: 600, needs: 'nothing' }] };
    return send('POST', 'services/shop/rollouts', { candidate, strategy });
  };

  const weights = async () => {
    const { versions } = (await site.status()).services[0]!;
    return Object.fromEntries(Object.entries(versions).map(([name, { weight }]) => [name, weight]));
  };

  await begin('canary');
  const { id } = await newest(site);
  await send('PUT', 'services/shop/weights', { weights: { stable: 50, canary: 50 } });
  const stood = await newest(site);
  assert.ok(stood.phase.at === 'paused' && stood.phase.cause === 'person', stood.status);
  await send('POST', `rollouts/${id}/resume`, {});
  assert.deepEqual(await weights(), { stable: 80, canary: 20, next: 0 });

  const { epoch } = await newest(site);
  await site.reload({ ...config, services: { shop: three } }, 'the config is reloaded');
  assert.equal((await newest(site)).epoch, epoch, 'nothing has changed');
  const canary = { endpoints: [await named(t, 'another')] };
  const moved = { ...three, versions: { ...three.versions, canary } };
  await site.reload({ ...config, services: { shop: moved } }, 'the config is reloaded');
  const again = await newest(site);
  assert.equal(again.epoch, epoch + 1, 'its evidence is gathered again');
  assert.equal(again.phase.at, 'stepping');

  await begin('next');
  const { rollouts } = await read<RolloutList>(site, '/v1/rollouts');
  const [older, newer] = [rollouts.find((each) => each.id === id), rollouts.find((each) => each.id !== id)];
  assert.ok(older?.phase.at === 'rolledBack' && older.phase.cause === 'newer', older?.status);
  assert.equal(newer?.phase.at, 'stepping');
  assert.deepEqual(await weights(), { stable: 80, canary: 0, next: 20 });
});
