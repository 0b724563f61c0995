import { bernoulliIncrement, labelIncrement } from './label.ts';
import { ABSOLUTE_PARTS } from './promotion.ts';

/**
 * How much evidence a decision takes: for plans, and for "about 40 minutes to a verdict at this traffic". What a
 * bet gains on average is the bet on the average unit.
 */

/** The canary's share of bad units when they are `r` times as likely there. */
function share(w: number, r: number): number {
  return (w * r) / (1 + w * (r - 1));
}

/** Nats that one bad unit is worth to the relative promotion bet, on average, when versions are equal. */
export function promotionGain(margin: number, w: number): number {
  return labelIncrement(w, 1, w, 1, margin);
}

/** Bad units, of both versions, until equal versions pass the relative promotion test of level `beta`. */
export function promotionEvents(margin: number, w: number, beta: number): number {
  return (Math.log(1 / beta) + Math.log(2 / 0.6)) / promotionGain(margin, w);
}

/** Slow units, of both versions, until equal versions pass the test of slowness, which has no floor to bet on. */
export function slowEvents(margin: number, w: number, beta: number): number {
  return (Math.log(1 / beta) + Math.log(1 / 0.6)) / promotionGain(margin, w);
}

/** Nats that one canary trial is worth to the best bet on the floor, when it fails at `rate`. */
export function floorGain(floor: number, rate: number): number {
  return Math.max(...ABSOLUTE_PARTS.map((part) => bernoulliIncrement(rate, 1, floor * part, floor)));
}

/** Canary trials without a failure until the floor alone passes. */
export function flawlessTrials(floor: number, beta: number): number {
  return (Math.log(1 / beta) + Math.log(6)) / (0.9 * floor);
}

/** Bad units of the canary until a true ratio `r` is rolled back by a detector of level `alpha`. */
export function rollbackCanaryEvents(
  r: number,
  w: number,
  alpha: number,
  alternatives = 7,
  early = 0.5,
): number {
  const bad = share(w, r);
  return (bad * (Math.log(1 / alpha) + Math.log(alternatives / early))) / labelIncrement(bad, 1, w, r);
}
