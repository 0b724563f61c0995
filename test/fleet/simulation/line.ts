import { EventEmitter } from 'node:events';
import type { Client } from '../../../src/store/connect.ts';
import type { Host } from './host.ts';
import type { Answer, SimulatedRedis } from './redis.ts';
import type { World } from './world.ts';

/** As in `src/store/connect.ts`, ms. */
const PATIENCE = 1_200;

/** The net between replicas and Redis, and the server at its end. */
export class Net {
  readonly world: World;
  readonly redis: SimulatedRedis;
  readonly #lines = new Set<Line>();
  /** Messages to a server that is frozen, in order. */
  #held: (() => void)[] = [];
  #frozen = false;
  /** The share of what is published that does not arrive, and of messages that are slow. */
  loss = 0.05;
  slow = 0.02;

  constructor(world: World, redis: SimulatedRedis) {
    this.world = world;
    this.redis = redis;
    redis.publish = (channel, words) => {
      for (const line of this.#lines)
        if (line.channels.has(channel) && !world.chance(this.loss))
          line.deliver((client) => client.emit('message', channel, words));
    };
  }

  freeze(): void {
    this.#frozen = true;
  }

  thaw(): void {
    this.#frozen = false;
    for (const task of this.#held.splice(0)) task();
  }

  /** The server ends, and with it all connections. */
  break(): void {
    this.#held = [];
    for (const line of [...this.#lines]) line.break();
  }

  /** Something arrives at the server. */
  arrive(task: () => void): void {
    if (this.#frozen) this.#held.push(task);
    else task();
  }

  join(line: Line): void {
    this.#lines.add(line);
  }

  leave(line: Line): void {
    this.#lines.delete(line);
  }

  delay(): number {
    const { world } = this;
    return world.chance(this.slow) ? world.between(10, 800) : world.between(0.1, 3);
  }
}

/** The cable of one replica. While it is cut, nothing passes, and what was under way arrives when it is mended. */
export class Cable {
  cut = false;
  #waiting: (() => void)[] = [];

  pass(task: () => void): void {
    if (this.cut) this.#waiting.push(task);
    else task();
  }

  mend(): void {
    this.cut = false;
    for (const task of this.#waiting.splice(0)) task();
  }
}

/** One connection. What is said first arrives first, either way. */
class Line {
  readonly channels = new Set<string>();
  readonly #net: Net;
  readonly #cable: Cable;
  readonly #client: SimulatedClient;
  open = true;
  #sent = 0;
  #answered = 0;
  heard: number;

  constructor(net: Net, cable: Cable, client: SimulatedClient) {
    this.#net = net;
    this.#cable = cable;
    this.#client = client;
    this.heard = net.world.now;
    net.join(this);
  }

  /** To the server. What was said before the end of the connection may yet arrive. */
  send(act: () => void): void {
    const { world } = this.#net;
    this.#sent = Math.max(this.#sent, world.now + this.#net.delay());
    world.at(this.#sent, () =>
      this.#cable.pass(() => {
        if (this.open || world.chance(0.5)) this.#net.arrive(act);
      }),
    );
  }

  /** From the server. */
  deliver(act: (client: SimulatedClient) => void): void {
    const { world } = this.#net;
    this.#answered = Math.max(this.#answered, world.now + this.#net.delay());
    world.at(this.#answered, () =>
      this.#cable.pass(() => {
        if (!this.open) return;
        this.heard = world.now;
        this.#client.host.run(() => this.open && act(this.#client));
      }),
    );
  }

  /** By the other end. */
  break(): void {
    this.#net.leave(this);
    this.#cable.pass(() => this.#client.host.run(() => this.#client.lost(this)));
  }

  /** By this end. */
  close(): void {
    this.open = false;
    this.#net.leave(this);
  }
}

/** What the store uses of a client of ioredis, which behaves as the real one does by the settings in `connect.ts`. */
export class SimulatedClient extends EventEmitter {
  readonly host: Host;
  status = 'wait';
  readonly #net: Net;
  readonly #cable: Cable;
  #line: Line | undefined;
  #tries = 0;
  readonly #pending = new Set<(error: Error) => void>();

  private constructor(host: Host, net: Net, cable: Cable) {
    super();
    this.host = host;
    this.#net = net;
    this.#cable = cable;
  }

  /** The store uses nothing else of it. */
  static dial(...[host, net, cable]: [Host, Net, Cable]): Client {
    return new SimulatedClient(host, net, cable) as unknown as Client;
  }

  async connect(): Promise<void> {
    this.#connect();
  }

  disconnect(again = false): void {
    this.#drop(again);
  }

  hmget = (...args: unknown[]) => this.#ask('hmget', args);
  lrange = (...args: unknown[]) => this.#ask('lrange', args);
  publish = (...args: unknown[]) => this.#ask('publish', args);
  xrevrange = (...args: unknown[]) => this.#ask('xrevrange', args);
  xread = (...args: unknown[]) => this.#ask('xread', args);
  eval = (...args: unknown[]) => this.#ask('eval', args);
  evalsha = (...args: unknown[]) => this.#ask('evalsha', args);

  subscribe(...channels: string[]): Promise<unknown> {
    const line = this.#line;
    return this.#request(() => {
      for (const channel of channels) line?.channels.add(channel);
      return channels.length;
    });
  }

  /** The other end has closed this one, if it is still in use. */
  lost(line: Line): void {
    if (line === this.#line) this.#drop(true);
  }

  #ask(command: string, args: readonly unknown[]): Promise<unknown> {
    return this.#request(() => this.#net.redis.ask(command, args.map(String)));
  }

  #request(act: () => Answer): Promise<unknown> {
    const line = this.#line;
    if (this.status !== 'ready' || line === undefined)
      return Promise.reject(new Error("Stream isn't writeable and enableOfflineQueue options is false"));
    return new Promise((resolve, reject) => {
      const over = () => this.#pending.delete(fail);
      const fail = (error: Error) => {
        over();
        reject(error);
      };
      this.#pending.add(fail);
      line.send(() => {
        const answer = answerOf(act);
        line.deliver(() => {
          if (answer instanceof Error) return fail(answer);
          over();
          resolve(answer);
        });
      });
    });
  }

  #connect(): void {
    if (this.status === 'end') return;
    this.status = 'connecting';
    const line = new Line(this.#net, this.#cable, this);
    this.#line = line;
    const stop = this.host.after(PATIENCE, () => {
      if (line !== this.#line || this.status === 'ready') return;
      this.emit('error', new Error('connect ETIMEDOUT'));
      this.#drop(true);
    });
    line.send(() =>
      line.deliver(() => {
        stop();
        this.#tries = 0;
        this.status = 'ready';
        this.emit('ready');
      }),
    );
  }

  #drop(again: boolean): void {
    this.#line?.close();
    this.#line = undefined;
    this.status = again ? 'reconnecting' : 'end';
    this.emit('close');
    for (const fail of [...this.#pending]) fail(new Error('Connection is closed.'));
    if (again) this.host.after(Math.min(50 * 2 ** ++this.#tries, 1_000), () => this.#connect());
  }
}

/** What a script refuses is an answer too. */
function answerOf(act: () => Answer): Answer | Error {
  try {
    return act();
  } catch (error) {
    return Object.assign(error as Error, { name: 'ReplyError' });
  }
}
