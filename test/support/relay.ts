import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { reset } from '../../src/proxy/reset.ts';
import { atEnd } from './end.ts';
import { once } from './patience.ts';

/** The two sides of one connection through a relay. */
interface Pair {
  readonly near: Socket;
  readonly far: Socket;
}

/** How a line may be bad. */
export interface Weather {
  /** Nothing passes, and nobody is told: as when a cable is cut. */
  readonly cut?: boolean;
  /** Whatever is said arrives so many ms later. */
  readonly delay?: number;
}

/** A line to another server that can be cut, slowed, half-closed and broken. It is closed after the test. */
export class Relay {
  readonly #target: string;
  readonly #server: Server;
  readonly #pairs = new Set<Pair>();
  #weather: Weather = {};
  /** What waits for the line to be mended. */
  #waiting: (() => void)[] = [];

  private constructor(target: string) {
    this.#target = target;
    this.#server = createServer({ allowHalfOpen: true }, (near) => this.#join(near));
  }

  static async open(t: TestContext, target: string): Promise<Relay> {
    const relay = new Relay(target);
    relay.#server.listen(0, '127.0.0.1');
    await once(relay.#server, 'listening');
    atEnd(t, () => relay.close());
    return relay;
  }

  /** Where the line begins. */
  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Cuts or slows the line, for those who use it and those who will. What was held up while it was cut goes on when it is not. */
  set weather(weather: Weather) {
    this.#weather = weather;
    if (weather.cut) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const go of waiting) go();
  }

  /** Ends every connection by a reset, as when the other server dies. */
  break(): void {
    for (const { near, far } of this.#pairs) {
      reset(near);
      reset(far);
    }
  }

  /** Closes only what leads back: whoever is near hears an end, and may go on to speak. */
  halfClose(): void {
    for (const { near } of this.#pairs) near.end();
  }

  close(): void {
    this.#server.close();
    this.break();
  }

  #join(near: Socket): void {
    const { hostname, port } = new URL(`tcp://${this.#target}`);
    const far = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
    const pair = { near, far };
    this.#pairs.add(pair);
    this.#pass(near, far);
    this.#pass(far, near);
    const over = () => {
      this.#pairs.delete(pair);
      near.destroy();
      far.destroy();
    };
    for (const socket of [near, far]) socket.on('error', over).on('close', over);
  }

  /** One way of a line. What is said first arrives first, however the weather changes meanwhile. */
  #pass(from: Socket, to: Socket): void {
    let before = Promise.resolve();
    const later = (act: () => void) => {
      const due = performance.now() + (this.#weather.delay ?? 0);
      before = before.then(() => this.#passable(due)).then(act);
    };
    from.on('data', (data: Buffer) => later(() => to.writable && to.write(data)));
    from.on('end', () => later(() => to.end()));
  }

  async #passable(due: number): Promise<void> {
    const wait = due - performance.now();
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    while (this.#weather.cut) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }
}
