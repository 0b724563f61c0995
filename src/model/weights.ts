/**
 * Weights are percentages over a service's versions. They are checked, never corrected: a split that adds up
 * to 99 is a mistake somewhere, and guessing which number was meant would send traffic nobody asked for.
 */
export type Weights = Readonly<Record<string, number>>;

/** The finest step of a weight, in percent: one in a million requests. */
export const FINEST = 0.0001;
const UNITS = 1 / FINEST;

/** What is wrong with these weights for these versions, in a sentence with the cure; undefined if nothing is. */
export function weightsFault(weights: Weights, versions: Iterable<string>): string | undefined {
  const known = new Set(versions);
  let total = 0;
  for (const [version, weight] of Object.entries(weights)) {
    if (!known.has(version))
      return `there is no version "${version}"; the versions are ${[...known].join(', ') || 'none yet'}`;
    if (!Number.isFinite(weight) || weight < 0 || weight > 100)
      return `the weight of "${version}" is ${weight}; a weight is a percentage from 0 to 100`;
    const units = Math.round(weight * UNITS);
    if (Math.abs(weight * UNITS - units) > 1e-6)
      return `the weight of "${version}" is ${weight}; the finest step is ${FINEST} %`;
    total += units;
  }
  return total === 100 * UNITS ? undefined : `the weights add up to ${total / UNITS}, not to 100`;
}

/** The version that holds all the traffic, if one does. */
export function wholeVersion(weights: Weights): string | undefined {
  return Object.keys(weights).find((version) => weights[version] === 100);
}

/** The version with the greatest weight; of equals the first named. */
export function heaviestVersion(weights: Weights): string | undefined {
  let heaviest: string | undefined;
  for (const version of Object.keys(weights)) {
    if (heaviest === undefined || weights[version]! > weights[heaviest]!) heaviest = version;
  }
  return heaviest;
}

/** Everything on one version. */
export function wholeWeights(versions: Iterable<string>, whole: string): Weights {
  return Object.fromEntries(Array.from(versions, (version) => [version, version === whole ? 100 : 0]));
}
