/**
 * The bets. The proxy tosses the coin that sends a unit (a request, or a sticky key) to the canary, and knows
 * its bias w. If the version makes no difference, which version a failing unit was on is exactly that coin,
 * whatever the traffic, the hour or a shared database do. So rates are never compared: each bad unit is a
 * bet on its label, and the factor by which the bettor's wealth changes has expectation at most 1 unless the
 * canary is worse (Ville 1939; betting on the label of a sample: Podkopaev & Ramdas 2023).
 *
 * Every function returns the natural logarithm of that factor. A forced choice (w = 0 or 1) is no coin and
 * moves nothing. log1p(w (r - 1)) is used throughout: w can be 1e-5.
 */

function forced(w: number): boolean {
  return w <= 0 || w >= 1;
}

/**
 * `k` bad units of propensity `w`, `kc` of them on the canary, betting that such a unit is `r` times as
 * likely on the canary, against the null that it is at most `r0` times as likely. (Lindon & Malek 2022,
 * one-sided and exact under changing weights.)
 */
export function labelIncrement(kc: number, k: number, w: number, r: number, r0 = 1): number {
  if (k === 0 || forced(w)) return 0;
  return kc * Math.log(r / r0) - k * (Math.log1p(w * (r - 1)) - Math.log1p(w * (r0 - 1)));
}

/**
 * One unit, on the canary (x = 1) or not (x = 0), betting that what it did is exp(`logG`) times as likely on
 * the canary: the one formula behind errors, latency, conversions and values.
 */
export function tiltIncrement(x: number, w: number, logG: number): number {
  return forced(w) ? 0 : x * logG - Math.log1p(w * Math.expm1(logG));
}

/** `n` units with the standardised mark `u`, `nc` on the canary, betting that marks there are shifted by `eta`. */
export function markIncrement(u: number, nc: number, n: number, w: number, eta: number): number {
  if (n === 0 || forced(w)) return 0;
  const logG = eta * u - (eta * eta) / 2;
  return nc * logG - n * Math.log1p(w * Math.expm1(logG));
}

/**
 * `k` of `n` trials went badly, betting on the probability `p` against at most `p0`. A trial may have been
 * counted in an earlier tick than its failure, so `k` may exceed `n`.
 */
export function bernoulliIncrement(k: number, n: number, p: number, p0: number): number {
  return k * Math.log(p / p0) + (n - k) * (Math.log1p(-p) - Math.log1p(-p0));
}
