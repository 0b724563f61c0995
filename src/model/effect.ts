import type { RolloutEvent } from './event.ts';
import type { Errand } from './rollout.ts';

/** What must become true of the service in the same compare-and-set as the rollout's next state. */
export type Effect =
  /**
   * Percentages of all traffic. evict: keys on a version left move now (rollback). drain: those already there
   * may stay until they are done (planned end).
   */
  | {
      readonly type: 'weights';
      readonly candidate: number;
      readonly baseline: number;
      readonly leave: 'evict' | 'drain';
    }
  /** Evidence is counted for this epoch from now on; undefined: for none. */
  | { readonly type: 'epoch'; readonly epoch: number | undefined }
  | { readonly type: 'quarantine'; readonly build: string; readonly says: string }
  /** A verdict, gate or budget moved traffic, or would have: to be kept as a decision record. */
  | { readonly type: 'record'; readonly id: string; readonly result: string; readonly event: RolloutEvent }
  /** New errands to be run once all this is written. They stand in the rollout too. */
  | { readonly type: 'errand'; readonly errand: Errand };
