import { closeFrame, Frames } from '../http/frames.ts';

/** Service Restart: come again (RFC 6455 §7.4.1 and its registry). */
const TO_CLIENT = closeFrame(1012, false);
/** Going Away. */
const TO_ENDPOINT = closeFrame(1001, true);

/** One direction of a WebSocket passed through, which can be closed between two frames. */
export class Half {
  readonly #frames = new Frames();
  readonly #close: Buffer;
  #closing = false;
  #closed = false;

  constructor(close: Buffer) {
    this.#close = close;
  }

  /** How far buffer[from, to) is to be passed on: to its end, or up to where the close frame goes. */
  pass(buffer: Buffer, from: number, to: number): number {
    return this.#closed ? from : this.#frames.pass(buffer, from, to, this.#closing);
  }

  close(): void {
    this.#closing = true;
  }

  /** The close frame, once, when it may be written. */
  take(): Buffer | undefined {
    if (!this.#closing || this.#closed || !this.#frames.between) return undefined;
    this.#closed = true;
    return this.#close;
  }
}

/** What is known of a WebSocket: where the frames end, both ways. */
export class WebSocketTap {
  /** To the client. */
  readonly down = new Half(TO_CLIENT);
  /** To the endpoint. */
  readonly up = new Half(TO_ENDPOINT);
}
