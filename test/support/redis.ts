import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { insist } from './need.ts';

/** So many ports are tried. */
const ATTEMPTS = 5;
/** Milliseconds after which an answer is not waited for any more. */
const SILENCE = 10_000;
/** How often it may have to be waited for in vain when a server starts. */
const SILENCES = 2;

/** A real redis-server of the tests' own, that keeps nothing on the disk. It can be frozen, killed and started anew. */
export class RedisServer {
  readonly address: string;
  readonly #directory: string;
  readonly #options: readonly string[];
  /** What it is started by. */
  readonly #prefix: readonly string[];
  #child: ChildProcess;

  private constructor(
    address: string,
    directory: string,
    options: readonly string[],
    prefix: readonly string[],
  ) {
    this.#prefix = prefix;
    this.address = address;
    this.#directory = directory;
    this.#options = options;
    this.#child = this.#spawn();
  }

  /** To be stopped by whoever started it. */
  static start(...options: string[]): Promise<RedisServer> {
    return RedisServer.#begin('127.0.0.1', options, []);
  }

  /** The same by a command that starts it elsewhere, and where it is found there. */
  static elsewhere(prefix: readonly string[], host: string): Promise<RedisServer> {
    return RedisServer.#begin(host, ['--bind', '0.0.0.0', '--protected-mode', 'no'], prefix);
  }

  /** A port that was free a moment ago may not be so any more. */
  static async #begin(
    host: string,
    options: readonly string[],
    prefix: readonly string[],
  ): Promise<RedisServer> {
    insist('redis-server');
    const directory = await mkdtemp(join(tmpdir(), 'spillway-redis-'));
    for (let attempt = 1; ; attempt++) {
      const server = new RedisServer(`${host}:${await freePort()}`, directory, options, prefix);
      try {
        await server.#answers();
        return server;
      } catch (error) {
        if (attempt === ATTEMPTS) throw error;
      }
    }
  }

  get url(): string {
    return `redis://${this.address}/0`;
  }

  freeze(): void {
    this.#child.kill('SIGSTOP');
  }

  thaw(): void {
    this.#child.kill('SIGCONT');
  }

  /** Ends it as a crash does: whatever it held is lost. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await gone;
  }

  /** Starts it again at the same address, with nothing. */
  async restart(): Promise<void> {
    await this.kill();
    this.#child = this.#spawn();
    await this.#answers();
  }

  async stop(): Promise<void> {
    await this.kill();
    await rm(this.#directory, { recursive: true, force: true });
  }

  /** What it says to a command, as it comes over the line. */
  async ask(...command: string[]): Promise<string> {
    const [host, port] = this.#parts;
    const socket = connect({ host, port });
    try {
      // Whoever else may have the port may keep silent.
      const signal = AbortSignal.timeout(SILENCE);
      await once(socket, 'connect', { signal });
      socket.write(
        `*${command.length}\r\n${command.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`,
      );
      const [answer] = (await once(socket, 'data', { signal })) as [Buffer];
      return answer.toString();
    } finally {
      socket.destroy();
    }
  }

  get #parts(): [string, number] {
    const [host = '', port = ''] = this.address.split(':');
    return [host, Number(port)];
  }

  #spawn(): ChildProcess {
    const [host, port] = this.#parts;
    const [command = '', ...args] = [
      ...this.#prefix,
      'redis-server',
      ...['--bind', host, '--port', String(port), '--save', '', '--appendonly', 'no', ...this.#options],
    ];
    return spawn(command, args, { cwd: this.#directory, stdio: 'ignore' });
  }

  async #answers(): Promise<void> {
    for (let silences = 0; silences < SILENCES; await pause(20)) {
      const answer = await this.ask('PING').catch((error: Error) => error);
      const { exitCode, signalCode } = this.#child;
      if (exitCode !== null || signalCode !== null)
        throw new Error(`redis-server at ${this.address} ended with ${exitCode ?? signalCode}`);
      if (typeof answer === 'string') return;
      if (answer.name === 'AbortError') silences++;
    }
    await this.kill();
    throw new Error(`redis-server at ${this.address} does not answer`);
  }
}

/** The greatest port to which 10 000 can be added, which is where nodes of a cluster meet. */
const HIGHEST = 55_535;

async function freePort(): Promise<number> {
  for (;;) {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    server.close();
    await once(server, 'close');
    if (port <= HIGHEST) return port;
  }
}
