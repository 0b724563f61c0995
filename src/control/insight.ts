import type { LatencyCounts } from '../analysis/latency.ts';
import { own } from '../base/own.ts';
import type { Rollout } from '../model/rollout.ts';
import type { State } from '../model/state.ts';
import type { Verdict } from '../model/verdict.ts';
import type { Outcomes } from './controller.ts';
import type { Sample } from './samples.ts';

/** What is known of rollouts besides what stands in the truth. Implemented by the controller. */
export interface Insight {
  /** The newest verdict on a rollout; undefined before the first. */
  verdict(rollout: string): Verdict | undefined;
  /** Workers that have told nothing lately of a rollout. */
  missing(rollout: string): readonly string[];
  /** What was last heard of the series that a rollout is judged by. */
  samples(rollout: string): readonly Sample[];
  /** Why gates that are being asked stay shut, by name. */
  gates(rollout: string): Readonly<Record<string, string>>;
  /** The traffic of a service in the last minute, and what `baseline` was like in the minutes before. */
  traffic(service: string, baseline: string): Flow;
  readonly outcomes: Outcomes;
}

/** Traffic of a service, all versions together. */
export interface Flow {
  /** Requests a second. */
  readonly perSecond: number;
  /** The part of them that failed. */
  readonly errorRate: number;
  /** Latencies of the baseline, by the judge's buckets. */
  readonly latency: LatencyCounts;
}

/** Whether a rollout's way back works now, and why it does or does not. */
export function rollbackReady(
  { services }: State,
  { service, baseline, candidate, stranded }: Rollout,
  verdict: Verdict | undefined,
): { readonly ready: boolean; readonly says: string } {
  const version = own(own(services, service)?.versions ?? {}, baseline);
  if (version === undefined)
    return { ready: false, says: `version "${baseline}" is gone, so nothing is left to go back to` };
  if (version.endpoints.length === 0)
    return {
      ready: false,
      says: `version "${baseline}" has no endpoints; add some before "${candidate}" is alone`,
    };
  if (stranded !== undefined) return { ready: false, says: `${stranded}; mend it first` };
  const { bad, trials } = verdict?.stable ?? { bad: 0, trials: 0 };
  if (trials > 0 && bad === trials)
    return {
      ready: false,
      says: `version "${baseline}" failed all of its last ${trials} requests; mend it first`,
    };
  return { ready: true, says: `version "${baseline}" can take the traffic back at once` };
}
