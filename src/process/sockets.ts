import { lookup } from 'node:dns/promises';
import { readFileSync, readlinkSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import net from 'node:net';
import { getSystemErrorName } from 'node:util';
import { type Address, formatAddress, parseAddress } from '../model/address.ts';
import { clearStale } from './socket.ts';

/** A socket as `node:net` holds it and passes it to other processes. */
export interface Handle {
  readonly fd: number;
  close(): void;
  /** Fills in `address` and `port`. Sockets of the Unix kind cannot tell. */
  getsockname?(into: { address?: string; port?: number }): number;
}

/** A socket that is bound, to be listened on by whoever is given the handle. */
export interface Bound {
  /** As the config file has it. */
  readonly wanted: string;
  /** As it is: port 0 has been replaced. */
  readonly address: string;
  readonly handle: Handle;
  /** It belongs to whoever started this process, which will go on listening on it. */
  readonly foreign: boolean;
}

/** A socket that this process was started with. */
export interface Passed {
  readonly name: string;
  readonly address: string;
  readonly handle: Handle;
  readonly foreign: boolean;
}

/**
 * What node:cluster makes the sockets of its workers with. A `net.Server` would do, but it begins to accept
 * as soon as it listens, and who holds sockets for others must not.
 */
const { _createServerHandle: makeHandle } = net as unknown as {
  /** The handle, or a negative errno. */
  _createServerHandle(address: string | null, port: number, family: number, fd?: number): Handle | number;
};

/** The first descriptor that is passed (sd_listen_fds(3)). */
export const FIRST_PASSED = 3;

/**
 * The sockets that were passed to this process as sd_listen_fds(3) has it: by systemd, or by the Spillway
 * that it is to replace. Takes the variables out of `env`, since they are meant for nobody else.
 */
export function passedSockets(env: NodeJS.ProcessEnv): Passed[] {
  const foreign = env['LISTEN_PID'] === String(process.pid);
  // A parent cannot know the number of its child before that runs, so the child looks whether it is the parent.
  const inherited = env['SPILLWAY_PREDECESSOR'] === String(process.ppid);
  const count = foreign || inherited ? Number(env['LISTEN_FDS'] ?? 0) : 0;
  const names = (env['LISTEN_FDNAMES'] ?? '').split(':').map(decodeURIComponent);
  for (const name of ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES', 'SPILLWAY_PREDECESSOR']) delete env[name];
  // With a predecessor comes a line to it.
  handed = count + (inherited ? 1 : 0);
  return Array.from({ length: count }, (_, index) => {
    const fd = FIRST_PASSED + index;
    const handle = handleOf(null, 0, 0, fd);
    return { name: names[index] ?? '', address: addressOf(handle), handle, foreign };
  });
}

/** How many descriptors this process was started with, beyond the usual three. */
let handed = 0;

/**
 * What else to give a child that gets descriptors up to `from`. Those that were passed to this process are not
 * closed when it starts another; so the child would have them open, and a socket that nobody serves would go on
 * taking connections. What stands at their numbers is written over, with the child's stderr.
 */
export function overPassed(from: number): number[] {
  return Array.from({ length: Math.max(0, FIRST_PASSED + handed - from) }, () => 2);
}

/** How a successor is told of these sockets; they are to be its descriptors from `FIRST_PASSED` on. */
export function passingOn(sockets: readonly Bound[]): Readonly<Record<string, string>> {
  return {
    SPILLWAY_PREDECESSOR: String(process.pid),
    LISTEN_FDS: String(sockets.length),
    LISTEN_FDNAMES: sockets.map(({ wanted }) => encodeURIComponent(wanted)).join(':'),
  };
}

/**
 * The listening sockets of this Spillway. The primary binds and holds them; workers are given them, and so
 * is whoever takes its place. Thus none is ever closed as long as anybody serves.
 */
export class Sockets {
  readonly #passed: Passed[];
  readonly #bound: Bound[] = [];
  #left = false;

  constructor(passed: readonly Passed[] = []) {
    this.#passed = [...passed];
  }

  get all(): readonly Bound[] {
    return this.#bound;
  }

  /** The socket for this address: one that was passed, or a new one. Rejects with the system's error. */
  async open(wanted: string): Promise<Bound> {
    const parsed = parseAddress(wanted);
    if (typeof parsed === 'string') throw new RangeError(`listen address "${wanted}": ${parsed}`);
    const passed = await this.#take(wanted, parsed);
    const bound = passed
      ? { ...passed, wanted }
      : { ...(await bind(wanted, parsed)), wanted, foreign: false };
    this.#bound.push(bound);
    return bound;
  }

  /** Lets go of what was passed and nobody wanted; returns what it was. */
  release(): readonly Passed[] {
    const unwanted = this.#passed.splice(0);
    for (const { handle } of unwanted) handle.close();
    return unwanted;
  }

  /** Nobody can connect any more, unless the socket is somebody else's too. */
  async close(socket: Bound): Promise<void> {
    this.#bound.splice(this.#bound.indexOf(socket), 1);
    const address = parseAddress(socket.address);
    // Of a Unix socket the file is what matters. Its descriptor is left: a server may hold it besides, and
    // closing a number twice may close what somebody else has got in the meantime.
    if (typeof address === 'string' || 'host' in address) socket.handle.close();
    else if (!socket.foreign && !this.#left) await rm(address.path, { force: true });
  }

  /** Somebody else has them now: they go on when they are closed here. */
  leave(): void {
    this.#left = true;
  }

  async closeAll(): Promise<void> {
    for (const socket of [...this.#bound]) await this.close(socket);
  }

  async #take(wanted: string, address: Address): Promise<Passed | undefined> {
    if (this.#passed.length === 0) return undefined;
    const names = await namesOf(address);
    const index = this.#passed.findIndex(
      (passed) => passed.name === wanted || names.includes(passed.address),
    );
    return index < 0 ? undefined : this.#passed.splice(index, 1)[0];
  }
}

/** The addresses that a socket for this one may have. */
async function namesOf(address: Address): Promise<string[]> {
  if ('path' in address) return [formatAddress(address)];
  const { host, port } = { ...address, host: (await lookup(address.host)).address };
  const own = formatAddress({ host, port });
  // systemd listens on [::] for both families when it is told nothing but a port.
  return host === '0.0.0.0' ? [own, formatAddress({ host: '::', port })] : [own];
}

async function bind(text: string, address: Address): Promise<{ address: string; handle: Handle }> {
  await clearStale(text);
  if ('path' in address) return { address: text, handle: handleOf(address.path, -1, -1) };
  const { address: host, family } = await lookup(address.host);
  const handle = handleOf(host, address.port, family);
  const bound = addressOf(handle);
  // The system's word that an address is taken is kept back until somebody listens.
  if (address.port !== 0 && bound !== formatAddress({ host, port: address.port })) {
    handle.close();
    throw systemError('EADDRINUSE');
  }
  return { address: bound, handle };
}

function handleOf(address: string | null, port: number, family: number, fd?: number): Handle {
  const made = makeHandle(address, port, family, fd);
  if (typeof made === 'number') throw systemError(getSystemErrorName(made));
  return made;
}

function systemError(code: string): Error {
  return Object.assign(new Error(code), { code });
}

function addressOf(handle: Handle): string {
  const name: { address?: string; port?: number } = {};
  if (handle.getsockname === undefined) return `unix:${pathOf(handle.fd)}`;
  handle.getsockname(name);
  return formatAddress({ host: name.address ?? '', port: name.port ?? 0 });
}

/** Where a Unix socket stands in the file system; empty where the system does not tell. */
function pathOf(fd: number): string {
  try {
    const inode = /\[(\d+)\]/.exec(readlinkSync(`/proc/self/fd/${fd}`))?.[1];
    const rows = readFileSync('/proc/net/unix', 'utf8').split('\n');
    return rows.map((row) => row.trim().split(/\s+/)).find((row) => row[6] === inode)?.[7] ?? '';
  } catch {
    return '';
  }
}
