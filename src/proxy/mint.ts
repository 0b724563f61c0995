import { randomBytes } from 'node:crypto';

const KEYS_AT_ONCE = 256;
const KEY_BYTES = 16;
const HEX_BYTES = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

/** Makes the names this process gives out: keys for clients without one, and ids for requests. */
export class Mint {
  #pool = Buffer.alloc(0);
  #used = 0;
  readonly #process = randomBytes(10).toString('hex');
  /** What the next 65 536 request ids begin with. */
  #prefix = '';
  #requests = -1;

  /** A random key of 128 bits, in hex. Randomness is fetched for many keys at once. */
  key(): string {
    if (this.#used === this.#pool.length) {
      this.#pool = randomBytes(KEYS_AT_ONCE * KEY_BYTES);
      this.#used = 0;
    }
    const from = this.#used;
    this.#used += KEY_BYTES;
    return this.#pool.toString('hex', from, this.#used);
  }

  /** An id no other request has: 80 random bits of this process, and a running number. It is no secret. */
  requestId(): string {
    const number = ++this.#requests;
    const low = number & 0xffff;
    if (low === 0)
      this.#prefix =
        this.#process +
        Math.floor(number / 65_536)
          .toString(16)
          .padStart(8, '0');
    return this.#prefix + HEX_BYTES[low >>> 8]! + HEX_BYTES[low & 0xff]!;
  }
}
