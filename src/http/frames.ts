/** Where the frames of one direction of a WebSocket end (RFC 6455 §5.2): all that a proxy need know of them. */
export class Frames {
  /** The head of a frame, as far as it has come: at most two bytes and eight of length. */
  readonly #head = Buffer.alloc(10);
  #have = 0;
  /** Bytes of mask and payload still to come. */
  #left = 0;

  /** Whether a frame has just ended, or none has begun. */
  get between(): boolean {
    return this.#have === 0 && this.#left === 0;
  }

  /** Reads buffer[from, to), or with `stop` only up to where the first frame in it ends. Returns where it stopped. */
  pass(buffer: Buffer, from: number, to: number, stop: boolean): number {
    let at = from;
    while (at < to) {
      if (this.#left > 0) {
        const step = Math.min(this.#left, to - at);
        this.#left -= step;
        at += step;
      } else {
        this.#head[this.#have++] = buffer[at++]!;
        if (this.#have >= 2 && this.#have === this.#size) this.#begin();
      }
      if (stop && this.between) break;
    }
    return at;
  }

  /** How long the head is, once its first two bytes are here. */
  get #size(): number {
    const length = this.#head[1]! & 127;
    return length < 126 ? 2 : length === 126 ? 4 : 10;
  }

  #begin(): void {
    const head = this.#head;
    const length = head[1]! & 127;
    const masked = head[1]! >= 128;
    this.#have = 0;
    this.#left = masked ? 4 : 0;
    if (length < 126) this.#left += length;
    else if (length === 126) this.#left += head.readUInt16BE(2);
    else this.#left += head.readUInt32BE(2) * 2 ** 32 + head.readUInt32BE(6);
  }
}

/** A close frame: to a client as it is, to a server masked (with zeros, which leave it as it is). */
export function closeFrame(code: number, masked: boolean): Buffer {
  const frame = masked ? [0x88, 0x82, 0, 0, 0, 0] : [0x88, 0x02];
  return Buffer.from([...frame, code >> 8, code & 255]);
}
