import { randomBytes } from 'node:crypto';

const KEYS_AT_ONCE = 256;
const KEY_BYTES = 16;

/** Makes the names this process gives out: keys for clients without one, and ids for requests. */
export class Mint {
  #pool = Buffer.alloc(0);
  #used = 0;
  readonly #prefix = randomBytes(10).toString('hex');
  #requests = 0;

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
    return this.#prefix + (++this.#requests).toString(16).padStart(12, '0');
  }
}
