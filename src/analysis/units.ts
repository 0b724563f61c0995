import { murmur3, murmur3Text } from '../base/hash.ts';
import type { Pair } from './evidence.ts';

/**
 * Which keys of a step have already been counted: sticky mode counts a key once, at its first request, first
 * error, first slow request, first conversion, with one `Units` for each of these. A key is known by a slot
 * of its hash alone, so this is 2 x 128 KiB however many keys there are, and no key is kept.
 *
 * Two keys in one slot count as one, whichever came first. That is decided without a look at the version, so
 * it costs power and never validity; for the same reason the hash is not the one that splits, which would
 * fill the small version's slots first.
 *
 * Workers and replicas each keep their own and are merged by OR: a key that errs in two workers is one unit,
 * and a message that comes twice adds nothing.
 */
export interface Units {
  /** One bit a slot: taken. */
  readonly taken: Uint8Array;
  /** Of those taken, by a key of the canary. */
  readonly canary: Uint8Array;
}

const SLOT_BITS = 20;
const BYTES = 2 ** SLOT_BITS / 8;
/** Seeds of the second and third hash of a key, by which it is counted and by which it is dispersed. */
const UNIT_SEED = 0x756e6974;
const DISPERSION_SEED = 0x64697370;

/** The slot, 0 to 2^20 - 1, by which a key is counted. */
export function unitSlot(key: string): number {
  return murmur3Text(key, UNIT_SEED) >>> (32 - SLOT_BITS);
}

/** The same of a key as it came, buffer[start, end). */
export function unitSlotOf(buffer: Uint8Array, start: number, end: number): number {
  return murmur3(buffer, start, end, UNIT_SEED) >>> (32 - SLOT_BITS);
}

/** The slot, 0 to 127, by which a key's requests are dispersed. */
export function dispersionSlot(key: string): number {
  return murmur3Text(key, DISPERSION_SEED) >>> 25;
}

/** The same of a key as it came, buffer[start, end). */
export function dispersionSlotOf(buffer: Uint8Array, start: number, end: number): number {
  return murmur3(buffer, start, end, DISPERSION_SEED) >>> 25;
}

export function noUnits(): Units {
  return { taken: new Uint8Array(BYTES), canary: new Uint8Array(BYTES) };
}

/** Counts a key, if its slot is free. Whether it was. */
export function countUnit(units: Units, slot: number, canary: boolean): boolean {
  const byte = slot >>> 3;
  const bit = 1 << (slot & 7);
  if ((units.taken[byte]! & bit) !== 0) return false;
  units.taken[byte]! |= bit;
  if (canary) units.canary[byte]! |= bit;
  return true;
}

/** Takes over what `from` has counted and `into` has not. Returns how many those were. */
export function mergeUnits(into: Units, from: Units): Pair {
  let [canary, all] = [0, 0];
  for (let byte = 0; byte < BYTES; byte++) {
    const fresh = from.taken[byte]! & ~into.taken[byte]!;
    if (fresh === 0) continue;
    const freshCanary = from.canary[byte]! & fresh;
    into.taken[byte]! |= fresh;
    into.canary[byte]! |= freshCanary;
    all += ones(fresh);
    canary += ones(freshCanary);
  }
  return [canary, all];
}

/** How many units are counted. */
export function unitCount(units: Units): Pair {
  return mergeUnits(noUnits(), units);
}

/** As text, to be stored or sent. */
export function unitsToText({ taken, canary }: Units): string {
  return Buffer.concat([taken, canary]).toString('base64');
}

/** Reads what `unitsToText` wrote; undefined if it is nothing of the kind. */
export function unitsFromText(text: string): Units | undefined {
  const bytes = new Uint8Array(Buffer.from(text, 'base64'));
  if (bytes.length !== 2 * BYTES) return undefined;
  return { taken: bytes.slice(0, BYTES), canary: bytes.slice(BYTES) };
}

function ones(byte: number): number {
  let count = 0;
  for (let rest = byte; rest !== 0; rest &= rest - 1) count++;
  return count;
}
