import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { parse } from 'yaml';
import type { Change } from '../../src/model/record.ts';
import { atEnd } from '../support/end.ts';
import { need } from '../support/need.ts';
import { atLast, once } from '../support/patience.ts';
import { CLI } from './command.ts';
import { scratch } from './site.ts';

/** So many characters of what a process said last are told if it ends by itself. */
const MOST_SAID = 4096;

interface Compose {
  readonly services: Readonly<
    Record<string, { readonly command?: readonly string[]; readonly build?: string }>
  >;
}

const OPERATOR = { authorization: 'Bearer spillway-compose-demo', 'content-type': 'application/json' };

test('docker-compose.yml is sound', (t) => {
  if (!need(t, 'docker-compose')) return;
  const { status, stderr } = spawnSync('docker-compose', ['config', '--quiet'], { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
});

test('the topology of docker-compose.yml, as processes: traffic, commands at any replica, and one replica lost', {
  timeout: 600_000,
}, async (t) => {
  if (!need(t, 'redis-server', 'haproxy', 'prometheus')) return;
  const fleet = await Topology.start(t);
  const [one, two] = [fleet.at('spillway-1', 8081), fleet.at('spillway-2', 8081)];
  const web = fleet.at('balancer', 8080);
  const read = async (url: string): Promise<string> => {
    const answer = await fetch(url);
    const text = await answer.text();
    assert.equal(answer.status, 200, `${url}: ${text}`);
    return text;
  };

  for (const replica of [one, two]) await atLast(() => read(`${replica}/ready`));
  await atLast(async () => assert.match(await read(web), /hello from (stable|canary)/));

  // A replica that has just started may be too busy to hear Redis in time.
  await atLast(async () => {
    const split = await fetch(`${two}/v1/services/demo/weights`, {
      method: 'PUT',
      headers: OPERATOR,
      body: JSON.stringify({ weights: { stable: 0, canary: 100 } }),
    });
    assert.equal(split.status, 200, await split.text());
  });
  await atLast(async () => assert.match(await read(web), /canary/));

  const answer = await fetch(`${one}/v1/services/demo/rollback?wait=all&timeout=30s`, {
    method: 'POST',
    headers: OPERATOR,
  });
  const change = (await answer.json()) as Change;
  assert.equal(answer.status, 200, JSON.stringify(change));
  assert.equal(change.receipt?.live, true, JSON.stringify(change));
  for (let i = 0; i < 20; i++) assert.match(await read(web), /stable/);
  for (const replica of ['spillway-1', 'spillway-2']) await refusesStrangers(fleet.at(replica, 8080));

  await atLast(async () => {
    const { data } = JSON.parse(await read(`${fleet.at('prometheus', 9090)}/api/v1/query?query=up`));
    assert.deepEqual(
      data.result.map((series: { value: [number, string] }) => series.value[1]),
      ['1', '1'],
    );
  });

  await fleet.kill('spillway-1');
  await atLast(() => read(web));
  assert.equal((await fetch(`${two}/v1/services/demo`, { headers: OPERATOR })).status, 200);
});

/** A listener that takes the PROXY protocol from the balancer takes nobody else for one. */
async function refusesStrangers(origin: string): Promise<void> {
  const answer = await fetch(origin).catch(() => undefined);
  assert.notEqual(
    answer?.status,
    200,
    `${origin} answers without a PROXY header from an address that must send one`,
  );
}

/** Every service of docker-compose.yml but Grafana, each as a process with a loopback address of its own. */
class Topology {
  readonly #addresses: ReadonlyMap<string, string>;
  readonly #children = new Map<string, ChildProcess>();
  readonly #folder: string;
  readonly #tell: (what: string) => void;

  private constructor(names: readonly string[], folder: string, tell: (what: string) => void) {
    // Nobody else's, even if the test is run twice at once.
    const net = `127.${64 + ((process.pid >> 8) % 128)}.${process.pid % 256}`;
    this.#addresses = new Map(names.map((name, i) => [name, `${net}.${i + 1}`]));
    this.#folder = folder;
    this.#tell = tell;
  }

  static async start(t: TestContext): Promise<Topology> {
    const { services } = parse(await readFile('docker-compose.yml', 'utf8'), { merge: true }) as Compose;
    const topology = new Topology(Object.keys(services), await scratch(t), (what) => t.diagnostic(what));
    atEnd(t, async () => {
      for (const name of topology.#children.keys()) await topology.kill(name);
    });
    await cp('config/alerts.yml', join(topology.#folder, 'alerts.yml'));
    for (const [name, { command = [], build }] of Object.entries(services)) {
      if (build !== undefined) await topology.#spillway(name, command);
      else if (name === 'redis')
        topology.#run(name, [...command, '--bind', topology.#ip(name), '--dir', topology.#folder]);
      else if (name === 'balancer')
        topology.#run(name, ['haproxy', '-f', await topology.#file(name, 'config/balancer.cfg')]);
      else if (name === 'prometheus') await topology.#prometheus(name);
    }
    return topology;
  }

  at(name: string, port: number): string {
    return `http://${this.#ip(name)}:${port}`;
  }

  async kill(name: string): Promise<void> {
    const child = this.#children.get(name)!;
    this.#children.delete(name);
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'close');
    child.kill('SIGKILL');
    await gone;
  }

  async #spillway(name: string, command: readonly string[]): Promise<void> {
    if (command.length > 0) {
      const [verb = '', title = '', endpoint = ''] = command;
      return this.#run(name, [
        process.execPath,
        CLI,
        verb,
        title,
        endpoint.replace('0.0.0.0', this.#ip(name)),
      ]);
    }
    const config = await this.#file(name, 'config/docker.yaml');
    this.#run(name, [process.execPath, CLI, 'run', '--config', config]);
  }

  async #prometheus(name: string): Promise<void> {
    const config = await this.#file(name, 'config/prometheus.yml');
    const data = `--storage.tsdb.path=${join(this.#folder, 'tsdb')}`;
    this.#run(name, [
      'prometheus',
      `--config.file=${config}`,
      data,
      `--web.listen-address=${this.#ip(name)}:9090`,
      '--log.level=error',
    ]);
  }

  #run(name: string, [file = '', ...args]: readonly string[]): void {
    const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#children.set(name, child);
    let said = '';
    child.stdout.on('data', (data) => {
      said = (said + data).slice(-MOST_SAID);
    });
    child.once('close', (code, signal) => {
      if (this.#children.get(name) === child)
        this.#tell(`${name} ended by itself, ${code ?? signal}: ${said}`);
    });
  }

  #ip(name: string): string {
    return this.#addresses.get(name)!;
  }

  /** The file as that service would find it, with addresses in the place of names and folders of the test's own. */
  async #file(name: string, path: string): Promise<string> {
    const folder = join(this.#folder, name);
    await mkdir(folder, { recursive: true });
    let text = await readFile(path, 'utf8');
    for (const [other, ip] of this.#addresses)
      text = text.replaceAll(new RegExp(`\\b${other}:(?=\\d)`, 'g'), `${ip}:`);
    text = text
      .replaceAll('0.0.0.0', this.#ip(name))
      .replaceAll('bind :', `bind ${this.#ip(name)}:`)
      .replaceAll('- alerts.yml', `- ${join(this.#folder, 'alerts.yml')}`)
      .replaceAll('172.16.0.0/12', '127.0.0.0/8')
      .replaceAll('maxconn 20000', 'maxconn 200')
      .replaceAll('mirror: /data', `mirror: ${folder}\n  replica: ${name}`);
    const file = join(folder, path.split('/').at(-1)!);
    await writeFile(file, text);
    return file;
  }
}
