import { createHash } from 'node:crypto';
import type { Tick } from '../analysis/evidence.ts';
import { explain } from '../analysis/explain.ts';
import type { Past } from '../analysis/history.ts';
import { judge } from '../analysis/judge.ts';
import type { LatencyCounts } from '../analysis/latency.ts';
import type { Policy as JudgePolicy } from '../analysis/policy.ts';
import { type JudgeState, startJudge, startStep } from '../analysis/state.ts';
import type { Rollout } from '../model/rollout.ts';
import type { Verdict } from '../model/verdict.ts';
import { judgedStep, judgePolicy } from './policy.ts';

/**
 * What the judge knows of a rollout from one look to the next. It is kept in memory alone: after a restart the
 * step begins again, for which the judge's policy has kept some of alpha.
 */
export interface Watch {
  readonly policy: JudgePolicy;
  readonly epoch: number;
  readonly judge: JudgeState;
  /** SHA-256, chained over everything that the judge was fed. */
  readonly digest: string;
}

/**
 * A watch over the epoch that a rollout is in now, at `t` on a clock of seconds that never goes back.
 * `baseline`: the baseline's latencies of the minutes before. `past`: what it did before it had no traffic any more.
 */
export function watchEpoch(
  before: Watch | undefined,
  rollout: Rollout,
  baseline: LatencyCounts,
  t: number,
  past?: Past,
): Watch {
  const { epoch, plan, phase } = rollout;
  const policy = before?.policy ?? judgePolicy(rollout);
  const step = judgedStep(plan, phase);
  // Without it the judge asks nothing of latency: who has switched it off does not wait for it either.
  const latencies = policy.metrics.some(({ kind }) => kind.startsWith('latency')) ? baseline : [];
  return {
    policy,
    epoch,
    judge: startStep(before?.judge ?? startJudge(policy, latencies, t), policy, step, t, latencies, past),
    digest: chained(before?.digest ?? '', { epoch, step, t, baseline: latencies, past }),
  };
}

/** One look: the judge is fed, and speaks. */
export function look(watch: Watch, tick: Tick): { readonly watch: Watch; readonly verdict: Verdict } {
  const { policy, digest } = watch;
  const { state, judgement } = judge(policy, watch.judge, tick);
  return {
    watch: { ...watch, judge: state, digest: chained(digest, tick) },
    verdict: explain(policy, state, judgement, tick.t),
  };
}

/** The verdict when sources are silent: what they see is unknown, so nobody goes on without them. */
export function withoutSources(judged: Verdict, missing: readonly string[]): Verdict {
  if (missing.length === 0) return judged;
  const who = missing.join(', ');
  const { decision } = judged;
  if (decision !== 'promote' && decision !== 'continue')
    return {
      ...judged,
      missing: [...missing],
      because: [...judged.because, `Nothing is heard of ${who}: it is judged without.`],
    };
  return {
    ...judged,
    missing: [...missing],
    word: 'unknown',
    decision: 'hold',
    reason: 'missing',
    says: `Unknown: nothing is heard of ${who}; promotion waits for what they have seen.`,
  };
}

function chained(digest: string, fed: unknown): string {
  return createHash('sha256').update(digest).update(JSON.stringify(fed)).digest('hex');
}
