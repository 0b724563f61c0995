import { type Family, family } from './family.ts';

/** Where a rollout that is under way stands. There is one a service at most, so the service names it. */
export interface Standing {
  readonly service: string;
  readonly phase: string;
  /** Counted from 1; 0 outside steps. */
  readonly step: number;
  /** Left out before the first. */
  readonly verdict?: {
    readonly word: string;
    readonly tests: readonly {
      readonly name: string;
      readonly evidence: number;
      readonly threshold: number;
    }[];
  };
  readonly rollbackReady: boolean;
}

/** Whence the numbers on rollouts come, asked at scrape time. */
export interface RolloutSources {
  standings(): readonly Standing[];
  /** Since the start. */
  rollbacks(): Iterable<{ readonly service: string; readonly cause: string; readonly count: number }>;
  /** Looks that changed the truth since the start, and the seconds they took in all. */
  decisions(): { readonly count: number; readonly seconds: number };
  /** Posted since the start, by what became of them. */
  observations(): Iterable<{ readonly service: string; readonly outcome: string; readonly count: number }>;
}

export function rolloutFamilies({ standings, rollbacks, decisions, observations }: RolloutSources): Family[] {
  const tests = () =>
    standings().flatMap(({ service, verdict }) =>
      (verdict?.tests ?? []).map(({ name, ...test }) => ({ ...test, labels: { service, test: name } })),
    );
  return [
    family('gauge', 'spillway_rollout_phase', 'Always 1; the label says where the rollout is.', () =>
      standings().map(({ service, phase }) => ({ value: 1, labels: { service, phase } })),
    ),
    family('gauge', 'spillway_rollout_step', 'Step of the rollout, from 1; 0 outside steps.', () =>
      standings().map(({ service, step }) => ({ value: step, labels: { service } })),
    ),
    family('gauge', 'spillway_rollout_verdict', 'Always 1; the label says what the evidence means.', () =>
      standings().flatMap(({ service, verdict }) =>
        verdict === undefined ? [] : [{ value: 1, labels: { service, verdict: verdict.word } }],
      ),
    ),
    family('gauge', 'spillway_rollout_evidence', 'Natural logarithm of the evidence of a test.', () =>
      tests().map(({ evidence: value, labels }) => ({ value, labels })),
    ),
    family('gauge', 'spillway_rollout_evidence_threshold', 'The evidence at which a test decides.', () =>
      tests().map(({ threshold: value, labels }) => ({ value, labels })),
    ),
    family('gauge', 'spillway_rollback_ready', 'Whether the way back from a rollout works now.', () =>
      standings().map(({ service, rollbackReady }) => ({
        value: Number(rollbackReady),
        labels: { service },
      })),
    ),
    family('counter', 'spillway_rollbacks_total', 'Rollouts that were rolled back, by cause.', () =>
      Array.from(rollbacks(), ({ service, cause, count }) => ({ value: count, labels: { service, cause } })),
    ),
    family('counter', 'spillway_observations_total', 'Observations posted, by what became of them.', () =>
      Array.from(observations(), ({ service, outcome, count }) => ({
        value: count,
        labels: { service, outcome },
      })),
    ),
    family(
      'counter',
      'spillway_rollout_decisions_total',
      'Looks at a rollout that changed something.',
      () => [{ value: decisions().count }],
    ),
    family(
      'counter',
      'spillway_rollout_decision_seconds_total',
      'What they took, from the evidence to the new truth being written and announced.',
      () => [{ value: decisions().seconds }],
    ),
  ];
}
