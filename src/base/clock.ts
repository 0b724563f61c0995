/**
 * Time as something handed in, so that everything that decides by time can be tested with a clock wound by
 * hand. Floors 0 to 2 never hold a clock: they are told what time it is.
 */
export interface Clock {
  /** Wall-clock time, milliseconds since 1970, as told to people and written to records. */
  now(): number;
  /** Milliseconds since an arbitrary start, with fractions, never going backwards. Durations use this. */
  monotonic(): number;
}
