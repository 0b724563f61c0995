/**
 * Sums of numbers that are kept as their logarithms. Evidence against a healthy canary runs down to -1e6 and
 * lower, where `exp` is zero, so the maximum is always taken out before anything is exponentiated.
 */

/** ln(exp(a) + exp(b)). */
export function logAddExp(a: number, b: number): number {
  const max = Math.max(a, b);
  return Number.isFinite(max) ? max + Math.log1p(Math.exp(Math.min(a, b) - max)) : max;
}

/** ln of the sum of exp(x); -Infinity for none. */
export function logSumExp(xs: readonly number[]): number {
  const max = Math.max(...xs);
  if (!Number.isFinite(max)) return max;
  let sum = 0;
  for (const x of xs) sum += Math.exp(x - max);
  return max + Math.log(sum);
}
