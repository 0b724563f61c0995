import { createHash } from 'node:crypto';
import type { Tick } from '../analysis/evidence.ts';
import { explain } from '../analysis/explain.ts';
import { guardRow, type Row } from '../analysis/guards.ts';
import { judge } from '../analysis/judge.ts';
import type { LatencyCounts } from '../analysis/latency.ts';
import type { Policy as JudgePolicy } from '../analysis/policy.ts';
import { type JudgeState, startJudge, startStep } from '../analysis/state.ts';
import type { Harm, Rollout, SeenSoFar } from '../model/rollout.ts';
import type { Verdict } from '../model/verdict.ts';
import { judgedStep, judgePolicy } from './policy.ts';

/**
 * What is known of a rollout from one look to the next: the judge's state, what the present epoch has seen, and
 * what the candidate has cost. It is kept in memory alone: after a restart the
 * step begins again, for which the judge's policy has kept some of alpha.
 */
export interface Watch {
  readonly policy: JudgePolicy;
  readonly epoch: number;
  readonly judge: JudgeState;
  readonly seen: SeenSoFar;
  /** Since the watch began, epochs together. */
  readonly harm: Harm;
  /** Each look's counts of the last seconds, for the tripwire. */
  readonly rows: readonly Row[];
  /** SHA-256, chained over everything that the judge was fed. */
  readonly digest: string;
}

/** What one look has found. */
export interface Look {
  readonly watch: Watch;
  readonly verdict: Verdict;
  /** What the candidate has cost in the last seconds. */
  readonly lately: Harm;
}

/** Seconds that the tripwire looks back. */
const LATELY = 10;
const NO_HARM: Harm = { requests: 0, failures: 0, baselineRequests: 0, baselineFailures: 0, keys: 0 };

/**
 * A watch over the epoch that a rollout is in now, at `t` on a clock of seconds that never goes back.
 * `baseline`: the baseline's latencies of the minutes before.
 */
export function watchEpoch(
  before: Watch | undefined,
  rollout: Rollout,
  baseline: LatencyCounts | undefined,
  t: number,
): Watch {
  const { epoch, plan, phase } = rollout;
  const policy = before?.policy ?? judgePolicy(rollout);
  const step = judgedStep(plan, phase);
  return {
    policy,
    epoch,
    judge: startStep(before?.judge ?? startJudge(policy, baseline, t), policy, step, t, baseline),
    seen: { requests: 0, keys: 0 },
    harm: before?.harm ?? NO_HARM,
    rows: before?.rows ?? [],
    digest: chained(before?.digest ?? '', { epoch, step, t, baseline }),
  };
}

/** One look: the judge is fed, and speaks. */
export function look(watch: Watch, tick: Tick): Look {
  const { policy, digest, seen } = watch;
  const sticky = policy.mode === 'sticky';
  const { state, judgement } = judge(policy, watch.judge, tick);
  const row = guardRow(tick, policy.mode);
  const newlyErred = tick.batches.reduce((sum, { errors }) => sum + (errors?.[0] ?? 0), 0);
  const rows = [...watch.rows.filter(({ t }) => t > tick.t - LATELY), row];
  return {
    watch: {
      ...watch,
      judge: state,
      seen: { requests: seen.requests + row.canary[1], keys: sticky ? state.seen.units[0] : 0 },
      harm: withRow(watch.harm, row, sticky ? newlyErred : 0),
      rows,
      digest: chained(digest, tick),
    },
    verdict: explain(policy, state, judgement, tick.t),
    lately: rows.reduce((sum, each) => withRow(sum, each, 0), NO_HARM),
  };
}

function withRow(harm: Harm, { canary, stable }: Row, keys: number): Harm {
  return {
    requests: harm.requests + canary[1],
    failures: harm.failures + canary[0],
    baselineRequests: harm.baselineRequests + stable[1],
    baselineFailures: harm.baselineFailures + stable[0],
    keys: harm.keys + keys,
  };
}

/** The verdict when sources are silent: what they see is unknown, so nothing is promoted without them. */
export function withoutSources(verdict: Verdict, missing: readonly string[]): Verdict {
  if (verdict.decision !== 'promote' || missing.length === 0) return verdict;
  return {
    ...verdict,
    word: 'unknown',
    decision: 'hold',
    reason: 'missing',
    says: `Unknown: nothing is heard of ${missing.join(', ')}; promotion waits for what they have seen.`,
  };
}

function chained(digest: string, fed: unknown): string {
  return createHash('sha256').update(digest).update(JSON.stringify(fed)).digest('hex');
}
