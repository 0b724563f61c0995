/**
 * A log-linear histogram of durations: every power of two of microseconds is cut into 32 equal buckets, as
 * HdrHistogram and Circllhist do it. A value is known to within 1/64 of itself (1.6 %), and finding its
 * bucket is two shifts on the bits of the float64: no logarithm, no search.
 *
 * Range: 1 µs to 2^30 µs (17.9 min). Shorter ones fall into the first bucket, longer ones into the last.
 * Two histograms merge by adding bucket to bucket, so workers and replicas can be summed exactly.
 */
const SUB_BITS = 5;
const SUB = 1 << SUB_BITS;
const OCTAVES = 30;
export const BUCKETS = SUB * OCTAVES;

const float = new Float64Array(1);
const words = new Uint32Array(float.buffer);
const HIGH = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1 ? 1 : 0;
/** The bucket number that the bits of 1.0 would have; buckets count from there. */
const ONE = 1023 << SUB_BITS;

/** The bucket, 0 to BUCKETS-1, that a duration in milliseconds belongs to. */
export function bucketOf(milliseconds: number): number {
  float[0] = milliseconds * 1000;
  // Exponent (11 bits) and the first five bits of the mantissa, read as one number, count buckets.
  const bucket = (words[HIGH]! >>> (20 - SUB_BITS)) - ONE;
  return bucket < 0 ? 0 : bucket >= BUCKETS ? BUCKETS - 1 : bucket;
}

/** The upper bound of a bucket, in milliseconds (exclusive). The lower bound of bucket b is `upper(b - 1)`. */
export function upperBound(bucket: number): number {
  const octave = Math.floor((bucket + 1) / SUB);
  const sub = (bucket + 1) % SUB;
  return (2 ** octave * (1 + sub / SUB)) / 1000;
}

/** The middle of a bucket, in milliseconds. */
export function middle(bucket: number): number {
  const lower = bucket === 0 ? 0 : upperBound(bucket - 1);
  return (lower + upperBound(bucket)) / 2;
}

/** The q-quantile (0 < q <= 1) in milliseconds of counts by bucket, or undefined if nothing was counted. */
export function quantile(counts: ArrayLike<number>, q: number): number | undefined {
  let total = 0;
  for (let b = 0; b < counts.length; b++) total += counts[b]!;
  if (total === 0) return undefined;
  let rank = Math.ceil(q * total);
  for (let b = 0; b < counts.length; b++) {
    rank -= counts[b]!;
    if (rank <= 0) return middle(b);
  }
  return middle(counts.length - 1);
}
