import { logAddExp, logSumExp } from './logs.ts';

/**
 * One bettor's money. It is spread evenly over alternatives and, within each, over the moments at which
 * betting starts: half at once, the rest in equal parts at the start of each later epoch, held as cash till
 * then. So a failure after half an hour of health meets fresh money that health has not eaten. An average
 * of such bets is a non-negative supermartingale that starts at 1: the chance that it ever exceeds 1/a under
 * the null is at most a, however often one looks (Ville 1939). Mixing over the unknown start: Shiryaev
 * 1963; Shin, Ramdas & Rinaldo 2024, here with a proper prior, so that the false-alarm probability is
 * bounded, not only its rate.
 */
export interface Mixture {
  /** Share of the money that bets from the beginning. 1: no later starts. */
  readonly early: number;
  /** Later starts planned. */
  readonly epochs: number;
  /** Seconds from one start to the next. */
  readonly epochLength: number;
  /** Later starts that have happened. */
  readonly done: number;
  /** ln of the money now in play, by alternative. */
  readonly wealth: readonly number[];
}

/** Later starts of a detector. */
const EPOCHS = 64;
/** Share of the money that bets from the beginning. */
const EARLY = 0.5;

/** A bettor over so many alternatives, with later starts each `epochLength` seconds. */
export function startMixture(
  alternatives: number,
  epochLength: number,
  epochs = EPOCHS,
  early = EARLY,
): Mixture {
  const wealth = new Array<number>(alternatives).fill(Math.log(early));
  return { early, epochs, epochLength, done: 0, wealth };
}

/** A bettor that puts everything in play at once. */
export function startAtOnce(alternatives: number): Mixture {
  return startMixture(alternatives, 1, 0, 1);
}

/** Puts in play what is due `t` seconds after the start. Comes before the bets of that tick. */
export function advance(mixture: Mixture, t: number): Mixture {
  let due = mixture.done;
  while (due < mixture.epochs && t >= (due + 1) * mixture.epochLength) due++;
  if (due === mixture.done) return mixture;
  const fresh = Math.log(((1 - mixture.early) * (due - mixture.done)) / mixture.epochs);
  return { ...mixture, done: due, wealth: mixture.wealth.map((each) => logAddExp(each, fresh)) };
}

/** Adds each alternative's increment. */
export function bet(mixture: Mixture, increments: readonly number[]): Mixture {
  return { ...mixture, wealth: mixture.wealth.map((each, j) => each + increments[j]!) };
}

/** ln of all the money, cash included. 0 at the start; ln(1/a) is reached with chance a at most. */
export function logWealth(mixture: Mixture): number {
  const played = logSumExp(mixture.wealth) - Math.log(mixture.wealth.length);
  if (mixture.done >= mixture.epochs) return played;
  return logAddExp(played, Math.log((1 - mixture.early) * (1 - mixture.done / mixture.epochs)));
}

/** The ratio believed in, for display: the alternatives' geometric mean, weighted by what each has won. */
export function believedRatio(mixture: Mixture, ratios: readonly number[]): number {
  const total = logSumExp(mixture.wealth);
  return Math.exp(
    mixture.wealth.reduce((sum, each, j) => sum + Math.exp(each - total) * Math.log(ratios[j]!), 0),
  );
}
