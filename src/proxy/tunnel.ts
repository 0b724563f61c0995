import { WebSocketTap } from './websocket.ts';

/** Both sides of a WebSocket have so long to say their last, ms. */
const CLOSING = 5000;

/** The ends of a tunnel: where buffer[from, to) goes. */
export interface Ends {
  toClient(buffer: Buffer, from: number, to: number): void;
  toEndpoint(buffer: Buffer, from: number, to: number): void;
}

/**
 * What a request has become whose endpoint agreed to another protocol: bytes both ways. When its version leaves, a
 * WebSocket is closed by close frames, as soon as a frame of either side has come to its end; all else just ends.
 */
export class Tunnel {
  readonly #ends: Ends;
  readonly #webSocket: WebSocketTap | undefined;
  /** When its end was begun because its version has left, monotonic ms; negative before. */
  #leftAt = -1;

  /** buffer[from, to): what the endpoint has said already, which goes out with its head. */
  constructor(ends: Ends, protocol: string, buffer: Buffer, from: number, to: number) {
    this.#ends = ends;
    if (protocol.toLowerCase() === 'websocket') this.#webSocket = new WebSocketTap();
    this.#webSocket?.down.pass(buffer, from, to);
  }

  get isWebSocket(): boolean {
    return this.#webSocket !== undefined;
  }

  /** Whether its end has been begun because its version has left. */
  get leaving(): boolean {
    return this.#leftAt >= 0;
  }

  /** The endpoint says more. */
  down(buffer: Buffer, from: number, to: number): void {
    this.#ends.toClient(buffer, from, this.#webSocket?.down.pass(buffer, from, to) ?? to);
    if (this.leaving) this.#sayClose();
  }

  /** The client says more. */
  up(buffer: Buffer, from: number, to: number): void {
    this.#ends.toEndpoint(buffer, from, this.#webSocket?.up.pass(buffer, from, to) ?? to);
    if (this.leaving) this.#sayClose();
  }

  /** Its version has left, at `now` or before. Whether it is over with that; else it is to be asked again. */
  leave(now: number): boolean {
    const first = !this.leaving;
    if (first) this.#leftAt = now;
    if (this.#webSocket === undefined) return true;
    if (!first) return now - this.#leftAt >= CLOSING;
    this.#webSocket.down.close();
    this.#webSocket.up.close();
    this.#sayClose();
    return false;
  }

  #sayClose(): void {
    const down = this.#webSocket?.down.take();
    if (down !== undefined) this.#ends.toClient(down, 0, down.length);
    const up = this.#webSocket?.up.take();
    if (up !== undefined) this.#ends.toEndpoint(up, 0, up.length);
  }
}
