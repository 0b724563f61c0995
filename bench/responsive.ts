import { rmSync } from 'node:fs';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Crew, freePort } from './crew.ts';
import { describeMachine, installed, type Machine, pinSelf, root } from './machine.ts';
import { main } from './main.ts';
import { startOrigins } from './origins.ts';
import { cpuSeconds } from './proc.ts';
import { spillway } from './rivals/spillway.ts';
import { SMALL } from './rows/load.ts';
import { stand } from './rows/row.ts';
import { quantile } from './statistics.ts';
import { type LoadResult, wrk } from './wrk.ts';

/** Between one call of each kind and the next, ms: so that the calls are no load of their own. */
const PAUSE = 100;

/** The calls that are measured. The canary's weight moves back and forth, so that each of them changes something. */
const CALLS: readonly (readonly [title: string, method: string, path: string, canary?: number])[] = [
  ['GET /v1/services', 'GET', '/v1/services'],
  ['PUT weights, until every worker has confirmed', 'PUT', '/v1/services/shop/weights', 50],
  ['POST rollback, until every worker has confirmed', 'POST', '/v1/services/shop/rollback'],
  ['PUT weights?wait=none', 'PUT', '/v1/services/shop/weights?wait=none', 5],
];

/** How long each call took, ms, by its title. */
type Times = ReadonlyMap<string, number[]>;

/** What the admin API was like while the proxy did what it did. */
interface Spell {
  readonly times: Times;
  /** Share of a core that the whole Spillway took. */
  readonly busy: number;
  readonly load: LoadResult | undefined;
}

/** Is Spillway steered as well while its workers have all they can do? */
async function responsive(seconds: number): Promise<void> {
  if (!installed('wrk')) throw new Error('wrk is missing');
  const machine = describeMachine();
  pinSelf();
  const directory = await mkdtemp(join(tmpdir(), 'spillway-responsive-'));
  process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
  const crew = new Crew();
  try {
    const origins = await startOrigins(crew, directory);
    const admin = await freePort();
    const proxy = await stand(spillway('spillway', { admin }), { crew, origins, directory });
    const work = { ...SMALL, port: proxy.port };
    const spell = async (load?: Promise<LoadResult>): Promise<Spell> => {
      const before = cpuSeconds(proxy.pid);
      const began = performance.now();
      const times = await call(`http://127.0.0.1:${admin}`, seconds);
      const took = (performance.now() - began) / 1000;
      return { times, busy: (cpuSeconds(proxy.pid) - before) / took, load: await load };
    };
    // Compilers settle on both paths before anything counts.
    await Promise.all([call(`http://127.0.0.1:${admin}`, 3), wrk({ ...work, seconds: 4 })]);
    const idle = await spell();
    const load = wrk({ ...work, seconds: seconds + 3 });
    await pause(1000);
    const saturated = await spell(load);
    const report = told(idle, saturated, seconds, machine);
    await writeFile(new URL('bench/results/responsive.md', root), report);
    console.log(report);
  } finally {
    await crew.end();
  }
}

async function call(admin: string, seconds: number): Promise<Times> {
  const times = new Map(CALLS.map(([title]) => [title, [] as number[]]));
  for (const end = performance.now() + seconds * 1000; performance.now() < end; await pause(PAUSE)) {
    for (const [title, method, path, canary] of CALLS) {
      const body = canary !== undefined && {
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ weights: { stable: 100 - canary, canary } }),
      };
      const began = performance.now();
      const answer = await fetch(`${admin}${path}`, { method, ...body });
      const text = await answer.text();
      times.get(title)!.push(performance.now() - began);
      if (!answer.ok) throw new Error(`${method} ${path} was answered with ${answer.status}: ${text}`);
    }
  }
  return times;
}

function told(idle: Spell, saturated: Spell, seconds: number, machine: Machine): string {
  const row = (title: string) =>
    [idle, saturated]
      .flatMap(({ times }) => [0.5, 0.99].map((q) => quantile(times.get(title)!, q).toFixed(1)))
      .join(' | ');
  const { requests, seconds: loaded, errors } = saturated.load!;
  return `# The admin API while all workers are saturated, commit ${machine.commit}${machine.changed ? ' with changes' : ''}

${machine.cpu}, ${machine.cores} cores, Node ${machine.node}; load average ${machine.load.map((each) => each.toFixed(1)).join(', ')} before. Primary and one worker share one core; load, origins and whoever calls share the other. ${saturated.times.get(CALLS[0]![0])!.length} calls of each kind in ${seconds} s, one after the other, ${PAUSE} ms between rounds.

Under load: ${Math.round(requests / loaded)} small GETs a second over 64 connections, ${errors} errors; Spillway took ${(100 * saturated.busy).toFixed(0)} % of a core, and ${(100 * idle.busy).toFixed(0)} % without load.

| ms | idle p50 | p99 | saturated p50 | p99 |
| --- | --- | --- | --- | --- |
${CALLS.map(([title]) => `| ${title} | ${row(title)} |`).join('\n')}
`;
}

await main(() => responsive(Number(process.argv[2] ?? 20)));
