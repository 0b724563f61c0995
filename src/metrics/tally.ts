import { countUnit, type Units } from '../analysis/units.ts';
import type { Tally } from '../model/evidence.ts';

/**
 * A unit as an exchange carries it, in one number: the slot of its key, the slot of its dispersion, and marks.
 * The slots stand for the key, which nobody keeps.
 */
export type Ticket = number;
const SLOT = 2 ** 20 - 1;
/** The unit is a key, and counts once; otherwise it is this request. */
export const KEYED = 2 ** 20;

/** Which of the two versions. */
export type Arm = 0 | 1;
export const BASELINE = 0;
export const CANDIDATE = 1;

/** Counts one kind of event of units that have one propensity. */
export class Tallier {
  readonly #kind: string;
  readonly #counts: Uint32Array;
  /** Shared with the talliers of the same kind and other propensities: a key counts once whatever its coin. */
  readonly #units: Units | undefined;
  #keys: number[] = [];
  #touched = false;

  /** `marks`: how many there are; they count from 0. Without `units` no ticket may be keyed. */
  constructor(kind: string, marks: number, units: Units | undefined) {
    this.#kind = kind;
    this.#counts = new Uint32Array(2 * marks);
    this.#units = units;
  }

  count(ticket: Ticket, arm: Arm, mark = 0): void {
    this.#touched = true;
    if ((ticket & KEYED) === 0) {
      this.#counts[2 * mark + arm]!++;
    } else {
      const slot = ticket & SLOT;
      if (countUnit(this.#units!, slot, arm === CANDIDATE)) this.#keys.push(2 * slot + arm, mark);
    }
  }

  /** What was counted since the last call, or undefined if nothing was. */
  collect(): Tally | undefined {
    if (!this.#touched) return undefined;
    this.#touched = false;
    const counts: number[] = [];
    for (let i = 0; i < this.#counts.length; i += 2) {
      const baseline = this.#counts[i]!;
      const candidate = this.#counts[i + 1]!;
      if (baseline + candidate > 0) counts.push(i / 2, baseline, candidate);
    }
    this.#counts.fill(0);
    const keys = this.#keys;
    this.#keys = [];
    return counts.length + keys.length === 0 ? undefined : { kind: this.#kind, counts, keys };
  }
}
