import type { Harm } from './harm.ts';
import type { Verdict } from './verdict.ts';

/** What candidate and baseline did in the present epoch, all workers together. */
export interface SeenSoFar {
  readonly requests: number;
  /** Distinct keys; 0 where keys are not counted. */
  readonly keys: number;
}

/** What may happen to a rollout. Verdicts and answers carry the epoch they are of; old ones are ignored. */
export type RolloutEvent =
  /** Time has passed. */
  | { readonly type: 'tick'; readonly seen?: SeenSoFar }
  | {
      readonly type: 'verdict';
      readonly epoch: number;
      readonly verdict: Verdict;
      readonly seen: SeenSoFar;
    }
  /** `harm`: since the rollout began. `lately`: in the last seconds, for the tripwire. */
  | { readonly type: 'harm'; readonly harm: Harm; readonly lately?: Harm }
  /** A gate has answered. `errand`: the id of the one that asked. */
  | { readonly type: 'gate'; readonly errand: string; readonly pass: boolean; readonly says: string }
  | { readonly type: 'pause'; readonly by: string; readonly says?: string }
  | { readonly type: 'resume'; readonly by: string; readonly says?: string }
  /** Opens an approval that is being waited for; without a name, the first. `link`: the id of the one used. */
  | {
      readonly type: 'approve';
      readonly by: string;
      readonly gate?: string;
      readonly link?: string;
      readonly says?: string;
    }
  /** Ends the present step as if its evidence were there; `all`: goes to full weight at once. */
  | { readonly type: 'promote'; readonly by: string; readonly all?: boolean; readonly says?: string }
  | { readonly type: 'abort'; readonly by: string; readonly says?: string }
  /** Somebody has set weights; the candidate has `weight` of all traffic by now, the baseline `baseline`. */
  | { readonly type: 'hand'; readonly by: string; readonly weight: number; readonly baseline: number }
  /** The candidate has no endpoint that can be used. */
  | { readonly type: 'vanished'; readonly says: string }
  /** The way back works again, or does not, and why. */
  | { readonly type: 'way'; readonly shut?: string }
  /** Another rollout of the service is about to start. */
  | { readonly type: 'newer'; readonly rollout: string; readonly by: string }
  /** A controller goes on with it, `away` ms after the last one looked. */
  | { readonly type: 'restart'; readonly evidence: 'kept' | 'lost'; readonly away: number }
  /** The wall clock has been set, by so many ms. */
  | { readonly type: 'clock'; readonly by: number }
  /** The config file was read again; `changed`: candidate or baseline have other endpoints. */
  | { readonly type: 'reload'; readonly changed: boolean }
  /** An errand has been run, and need not be again. */
  | { readonly type: 'done'; readonly errand: string };
