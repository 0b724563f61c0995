import { rmSync } from 'node:fs';
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Config } from '../src/model/settings.ts';
import { Crew, freePort, type Member } from './crew.ts';
import { describeMachine, installed, LOAD_CORE, PROXY_CORE, root } from './machine.ts';
import { main } from './main.ts';
import { startOrigins } from './origins.ts';
import { cpuSeconds } from './proc.ts';
import type { Origins } from './rivals/rival.ts';
import { SMALL } from './rows/load.ts';
import { median, quantile } from './statistics.ts';
import { wrk } from './wrk.ts';

const REPLICAS = 5;
const CHANGES = 200;
const FAILOVERS = 3;
/** Milliseconds; the first is what a fleet has if nobody says otherwise. */
const LEASES = [3_000, 1_000];
/** Seconds over which the commands to Redis are counted. */
const WATCHED = 10;
/** What Redis counts: commands, bytes that it read, and that it wrote. */
const COUNTED = ['total_commands_processed', 'total_net_input_bytes', 'total_net_output_bytes'] as const;
const USERS = 20_000;
const CLI = fileURLToPath(new URL('../src/cli.js', import.meta.url));

interface Replica extends Member {
  readonly admin: string;
}

interface FleetView {
  readonly leader?: string;
  readonly replicas: readonly { readonly replica: string; readonly silent: boolean }[];
}

const crew = new Crew();
const lines: string[] = [];
const tell = (line: string) => {
  lines.push(line);
  console.log(line);
};

/** What a fleet costs, and how fast it agrees. */
async function bench(): Promise<void> {
  for (const tool of ['redis-server', 'wrk']) if (!installed(tool)) throw new Error(`${tool} is missing`);
  const machine = describeMachine();
  const directory = await mkdtemp(join(tmpdir(), 'spillway-fleet-'));
  process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
  try {
    const origins = await startOrigins(crew, directory);
    const port = await freePort();
    const command = ['redis-server', '--bind', '127.0.0.1', '--port', String(port), '--save', ''] as const;
    await crew.start({ name: 'redis', command, core: LOAD_CORE, port });
    tell(`# A fleet of ${REPLICAS}, commit ${machine.commit}${machine.changed ? ' with changes' : ''}\n`);
    tell(
      `${machine.cpu}, ${machine.cores} cores, Node ${machine.node}, one Redis; all on one machine, replicas on one core, Redis and everything else on the other. Load average before the run ${machine.load.map((load) => load.toFixed(1)).join(', ')}.\n`,
    );
    for (const lease of LEASES) await withFleet({ origins, port, directory, lease });
    await cost(origins, port, directory);
    await writeFile(new URL('bench/results/fleet.md', root), `${lines.join('\n')}\n`);
  } finally {
    await crew.end();
  }
}

async function withFleet(ground: { origins: Origins; port: number; directory: string; lease: number }) {
  const names = Array.from({ length: REPLICAS }, (_, i) => `replica-${i + 1}`);
  const fleet = new Map<string, Replica & { traffic: number }>();
  for (const name of names) fleet.set(name, await start(name, ground));
  await settled(fleet);
  if (ground.lease === LEASES[0]) {
    await convergence([...fleet.values()]);
    await commands(fleet, ground.port);
  }
  for (const signal of ['SIGKILL', 'SIGSTOP'] as const) {
    const took: number[] = [];
    for (let round = 0; round < FAILOVERS; round++) {
      const leader = (await settled(fleet)).leader!;
      const victim = fleet.get(leader)!;
      fleet.delete(leader);
      const began = performance.now();
      process.kill(victim.pid, signal);
      const [other] = fleet.values();
      for (;;) {
        const { leader: next } = await view(other!);
        if (next !== undefined && next !== leader) break;
        await pause(5);
      }
      took.push(performance.now() - began);
      if (signal === 'SIGSTOP') process.kill(victim.pid, 'SIGCONT');
      await victim.end();
      fleet.set(leader, await start(leader, ground));
    }
    tell(
      `- Another leads after the leader got ${signal}, lease ${ground.lease} ms: ${took.map((ms) => Math.round(ms)).join(', ')} ms.`,
    );
  }
  for (const replica of fleet.values()) await replica.end();
}

/** From the call until the receipt of all replicas is back with the caller. */
async function convergence(replicas: readonly Replica[]): Promise<void> {
  const weights: number[] = [];
  const rollbacks: number[] = [];
  for (let change = 0; change < CHANGES; change++) {
    const at = replicas[change % replicas.length]!;
    const canary = 1 + (change % 99);
    weights.push(await live(at, 'PUT', 'weights', { weights: { stable: 100 - canary, canary } }));
    rollbacks.push(await live(at, 'POST', 'rollback'));
  }
  for (const [what, all] of [
    ['A weight change', weights],
    ['A rollback', rollbacks],
  ] as const)
    tell(
      `- ${what} is served by all ${replicas.length}, and the receipt is back: p50 ${quantile(all, 0.5).toFixed(1)} ms, p99 ${quantile(all, 0.99).toFixed(1)} ms (${all.length} times; goal p99 ≤ 250 ms).`,
    );
}

async function live(at: Replica, method: string, what: string, body?: object): Promise<number> {
  const began = performance.now();
  const answer = await fetch(`${at.admin}/v1/services/shop/${what}?wait=all&timeout=5s`, {
    method,
    ...(body && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  });
  const { receipt } = (await answer.json()) as { receipt?: { live: boolean } };
  if (receipt?.live !== true) throw new Error(`a change is not live: ${answer.status}`);
  return performance.now() - began;
}

/** What reaches Redis, by replica and second: commands, and bytes in and out. */
async function commands(
  fleet: ReadonlyMap<string, Replica & { traffic: number }>,
  port: number,
): Promise<void> {
  const count = async (): Promise<readonly number[]> => {
    const stats = await info(port);
    return COUNTED.map((name) => Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(stats)?.[1]) / fleet.size);
  };
  const rate = async (): Promise<string> => {
    const before = await count();
    await pause(WATCHED * 1000);
    const [commands, read, written] = (await count()).map((now, i) => (now - before[i]!) / WATCHED);
    return `${commands!.toFixed(1)} commands, ${kilo(read!)} sent to Redis and ${kilo(written!)} got from it`;
  };
  tell(`- By replica and second, at rest: ${await rate()}. Commands inside of scripts are counted.`);
  const [first] = fleet.values();
  const answer = await fetch(`${first!.admin}/v1/services/shop/rollouts`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ candidate: 'canary' }),
  });
  const { rollout } = (await answer.json()) as { rollout: { id: string } };
  tell(`- The same in a rollout without traffic: ${await rate()}.`);
  const load = visits([...fleet.values()]);
  tell(`- The same with traffic, by ${USERS} users who are judged by their key: ${await rate()}.`);
  tell(`- That was ${Math.round((await load()) / fleet.size)} requests by replica and second.`);
  await fetch(`${first!.admin}/v1/rollouts/${rollout.id}/abort`, { method: 'POST' });
}

/** Users who come again and again, each replica seeing all of them, until the returned function is called: how many a second came. */
function visits(replicas: readonly (Replica & { traffic: number })[]): () => Promise<number> {
  let over = false;
  let [count, user] = [0, 0];
  const began = performance.now();
  const visitors = replicas.map(async ({ traffic }) => {
    while (!over) {
      user = (user + 7_919) % USERS;
      await (await fetch(`http://127.0.0.1:${traffic}/`, { headers: { cookie: `uid=user-${user}` } })).text();
      count++;
    }
  });
  return async () => {
    over = true;
    await Promise.all(visitors);
    return (count * 1000) / (performance.now() - began);
  };
}

function kilo(bytes: number): string {
  return `${(bytes / 1000).toFixed(1)} kB`;
}

/** What a request costs with each store, turn by turn. */
async function cost(origins: Origins, port: number, directory: string): Promise<void> {
  const contenders = new Map<string, Replica & { traffic: number }>();
  for (const store of ['memory:', `redis://127.0.0.1:${port}/1`])
    contenders.set(
      store,
      await start(`alone-${contenders.size}`, { origins, port, directory, lease: 3000, store }),
    );
  const costs = new Map<string, number[]>();
  for (let round = 0; round < 6; round++)
    for (const [store, { pid, traffic }] of contenders) {
      const before = cpuSeconds(pid);
      const { requests } = await wrk({ ...SMALL, port: traffic, seconds: 3 });
      const spent = ((cpuSeconds(pid) - before) * 1e6) / requests;
      if (round > 0) costs.set(store, [...(costs.get(store) ?? []), spent]);
    }
  const told = Array.from(
    costs,
    ([store, all]) => `${median(all).toFixed(1)} µs with ${store.split('/')[0]}`,
  );
  tell(
    `- CPU by small GET: ${told.join(', ')} (medians of ${[...costs.values()][0]!.length} rounds, turn by turn).`,
  );
}

async function start(
  name: string,
  {
    origins,
    port,
    directory,
    lease,
    store = `redis://127.0.0.1:${port}/0`,
  }: {
    origins: Origins;
    port: number;
    directory: string;
    lease: number;
    store?: string;
  },
): Promise<Replica & { traffic: number }> {
  const folder = join(directory, `${name}-${lease}`);
  await mkdir(folder, { recursive: true });
  const [traffic, admin] = [await freePort(), await freePort()];
  const config: Config = {
    listen: [{ address: `127.0.0.1:${traffic}` }],
    admin: { address: `127.0.0.1:${admin}`, requestsPerMinute: 1_000_000 },
    store,
    workers: 1,
    log: { level: 'error' },
    ...(store !== 'memory:' && { fleet: { name: `lease-${lease}`, replica: name, lease, mirror: folder } }),
    services: {
      shop: {
        match: [{ path: '/' }],
        key: { cookie: 'uid' },
        versions: {
          stable: { endpoints: [`127.0.0.1:${origins.stable}`] },
          canary: { endpoints: [`127.0.0.1:${origins.canary}`] },
        },
        weights: { stable: 100, canary: 0 },
      },
    },
  };
  const file = join(folder, 'spillway.json');
  await writeFile(file, JSON.stringify(config));
  const command = [process.execPath, CLI, 'run', '--config', file] as const;
  const member = await crew.start({ name, command, core: PROXY_CORE, port: traffic });
  return { ...member, admin: `http://127.0.0.1:${admin}`, traffic };
}

/** When everybody sees everybody, and one leads. */
async function settled(fleet: ReadonlyMap<string, Replica>): Promise<FleetView> {
  for (;;) {
    const views = await Promise.all([...fleet.values()].map(view));
    const [first] = views;
    const agreed = views.every(
      ({ leader, replicas }) =>
        leader !== undefined &&
        leader === first!.leader &&
        replicas.filter(({ silent }) => !silent).length >= fleet.size,
    );
    if (agreed && fleet.has(first!.leader!)) return first!;
    await pause(100);
  }
}

async function view({ admin }: Replica): Promise<FleetView> {
  return (await (await fetch(`${admin}/v1/fleet`)).json()) as FleetView;
}

function info(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write('INFO stats\r\n'));
    socket.once('data', (data: Buffer) => {
      resolve(data.toString());
      socket.destroy();
    });
    socket.once('error', reject);
  });
}

await main(bench);
