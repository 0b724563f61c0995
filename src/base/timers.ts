/** Waiting, as something handed in, so that a simulation can have hours of it in a moment. */
export interface Timers {
  /** Does something once, so many ms from now. Returns the function that stops it. */
  after(ms: number, task: () => void): () => void;
  /** Does something every so many ms. Returns the function that stops it. Keeps no process alive. */
  every(ms: number, task: () => void): () => void;
}
