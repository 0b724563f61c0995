import { murmur3, murmur3Text } from '../base/hash.ts';
import type { Split } from '../model/state.ts';
import { weightsFault } from '../model/weights.ts';

/** A split made ready for requests. */
export interface CompiledSplit {
  /** The index of the version that the key in `key[start, end)` belongs to. */
  choose(key: Uint8Array, start: number, end: number): number;
  /** The index of the version that holds all the traffic, or -1 when several share it. */
  readonly whole: number;
}

/**
 * Weighted rendezvous hashing. Every version draws a number u in (0, 1) for the key; the version with the
 * greatest -weight / ln(u) wins, of equals the first. (D. Thaler and C. Ravishankar, "Using name-based
 * mappings to increase hit rates", 1998; the logarithmic weights are those of J. Schindelhauer and
 * G. Schomaker, "Weighted distributed hash tables", 2005.)
 *
 * The draw does not depend on the weights, and a version's score depends on no other version. So a version
 * that gains weight loses nobody, one that loses weight wins nobody, and whoever answers the same question
 * with the same salt gives the same answer, without a table to keep or to send.
 *
 * `versions` gives the indices; a version without a weight has 0 and wins nothing. Throws RangeError when
 * the weights are not sound for these versions.
 */
export function compileSplit(split: Split, versions: readonly string[]): CompiledSplit {
  const fault = weightsFault(split.weights, versions);
  if (fault !== undefined) throw new RangeError(fault);
  const weights = versions.map((version) =>
    Object.hasOwn(split.weights, version) ? split.weights[version]! : 0,
  );
  const whole = weights.indexOf(100);
  return whole < 0 ? new Rendezvous(split.salt, versions, weights) : { whole, choose: () => whole };
}

class Rendezvous implements CompiledSplit {
  readonly whole = -1;
  /** Only versions that can win are asked; these are their indices. */
  readonly #indices: Uint32Array;
  readonly #seeds: Uint32Array;
  readonly #weights: Float64Array;

  constructor(salt: string, versions: readonly string[], weights: readonly number[]) {
    this.#indices = Uint32Array.from(versions.keys()).filter((index) => weights[index]! > 0);
    this.#seeds = this.#indices.map((index) => murmur3Text(`${salt}/${versions[index]}`, 0));
    this.#weights = Float64Array.from(this.#indices, (index) => weights[index]!);
  }

  choose(key: Uint8Array, start: number, end: number): number {
    const seeds = this.#seeds;
    const weights = this.#weights;
    let winner = 0;
    let best = 0;
    for (let i = 0; i < seeds.length; i++) {
      // The half keeps u off 0 and 1, where the logarithm would be endless or nothing.
      const u = (murmur3(key, start, end, seeds[i]!) + 0.5) / 0x1_0000_0000;
      const score = -weights[i]! / Math.log(u);
      if (score > best) {
        best = score;
        winner = i;
      }
    }
    return this.#indices[winner]!;
  }
}
