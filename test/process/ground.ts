import { type ChildProcess, spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';
import type { RolloutList, RolloutView } from '../../src/model/api.ts';
import type { Config } from '../../src/model/settings.ts';
import type { ServiceConfig } from '../../src/model/state.ts';
import { atEnd } from '../support/end.ts';
import { once } from '../support/patience.ts';
import { spillway } from './command.ts';
import { type Site, scratch, shop, startSite } from './site.ts';
import { Traffic } from './traffic.ts';

/** What rollouts are proven on: two versions in processes of their own, and steady traffic of sticky users. */

/** Requests a second. */
export const RATE = 200;
/** Users who come again and again. */
export const USERS = 5000;

/** How a version behaves. */
export interface Manners {
  /** The part of its requests that fail. */
  readonly fails?: number;
  /** The part of its requests that are slow, and how slow those are, ms. */
  readonly slow?: { readonly part: number; readonly ms: number };
}

/** A version in a process of its own. It errs at random, by a seed, so that no two requests are alike. */
export async function version(
  t: TestContext,
  { fails = 0, slow = { part: 0, ms: 0 } }: Manners = {},
): Promise<{ endpoint: string; child: ChildProcess }> {
  const code = `
    let seed = ${Math.round(fails * 1000) + slow.ms + 1};
    const chance = () => (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) / 2 ** 32;
    require("node:http").createServer((request, response) => {
      response.statusCode = chance() < ${fails} ? 500 : 200;
      if (chance() < ${slow.part}) setTimeout(() => response.end(), ${slow.ms});
      else response.end();
    }).listen(0, "127.0.0.1", function () { console.log(this.address().port); });`;
  const child = spawn(process.execPath, ['-e', code], { stdio: ['ignore', 'pipe', 'inherit'] });
  atEnd(t, async () => {
    if (child.kill('SIGKILL')) await once(child, 'close');
  });
  const [port] = (await once(createInterface({ input: child.stdout! }), 'line')) as [string];
  return { endpoint: `127.0.0.1:${port}`, child };
}

/** A site under traffic, with enough of it behind it to know how stable does. */
export async function underTraffic(
  t: TestContext,
  stable: string,
  canary: string,
  { rate = RATE, users = USERS, before = RATE }: { rate?: number; users?: number; before?: number } = {},
  more: Partial<ServiceConfig> = {},
): Promise<{ site: Site; traffic: Traffic }> {
  const config: Config = shop(stable, canary);
  const { shop: service } = config.services;
  const site = await startSite(t, {
    ...config,
    services: { shop: { ...service!, key: { header: 'x-user' }, ...more } },
  });
  const traffic = new Traffic(t, site.proxy, rate, users);
  await traffic.answered(before);
  return { site, traffic };
}

/** `spillway rollout start`, with these terms in a file. */
export async function start(t: TestContext, site: Site, terms: object, ...more: string[]) {
  const path = join(await scratch(t), 'terms.json');
  await writeFile(path, JSON.stringify(terms));
  const args = ['rollout', 'start', 'shop', '--candidate', 'canary', '--file', path, ...more];
  return spillway(args, { SPILLWAY_ADMIN: site.admin });
}

export async function read<T>(site: Site, path: string): Promise<T> {
  const answer = await fetch(`${site.admin}${path}`);
  if (answer.status !== 200) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  return (await answer.json()) as T;
}

export async function newest(site: Site): Promise<RolloutView> {
  return (await read<RolloutList>(site, '/v1/rollouts')).rollouts[0]!;
}
