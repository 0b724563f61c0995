import { explain } from '../../src/analysis/explain.ts';
import { judge } from '../../src/analysis/judge.ts';
import { type JudgeState, startJudge, startStep } from '../../src/analysis/state.ts';
import { judgedStep, judgePolicy } from '../../src/control/policy.ts';
import type { Rollout } from '../../src/model/rollout.ts';
import type { Verdict } from '../../src/model/verdict.ts';
import { step } from '../../src/rollout/machine.ts';
import { isEnded } from '../../src/rollout/move.ts';
import { duration, status, where } from '../../src/rollout/words.ts';
import { binomial, chance, tickOf } from '../analysis/script.ts';

interface Traffic {
  readonly seconds: number;
  /** Requests. */
  readonly perMinute: number;
  /** Error rates, parts of 1. */
  readonly rates: { readonly candidate: number; readonly baseline: number };
  readonly seed: number;
  /** What stable did before it had no traffic any more. */
  readonly past?: { readonly requests: number; readonly failures: number };
}

const MINUTE = 60;

/**
 * The real judge and the real machine on simulated traffic, minute by minute, till the time or the rollout is
 * over. Tells every change of place, and the status at the end. The same seed does the same every time.
 */
export function simulate(
  before: Rollout,
  start: number,
  { seconds, perMinute, rates, seed, past }: Traffic,
): { readonly rollout: Rollout; readonly now: number; readonly told: string } {
  const next = chance(seed);
  const policy = judgePolicy(before);
  const told: string[] = [];
  let rollout = before;
  let state: JudgeState = startStep(
    startJudge(policy, undefined),
    policy,
    judgedStep(before.plan, before.phase),
    0,
    undefined,
    past && { ...past, tails: false },
  );
  let epoch = rollout.epoch;
  let verdict: Verdict | undefined;
  let t = 0;
  for (; t < seconds && !isEnded(rollout.phase); t += MINUTE) {
    const now = start + t * 1000;
    const w = rollout.weight / 100;
    const toCanary = binomial(perMinute, w, next);
    const toStable = perMinute - toCanary;
    const canary = [binomial(toCanary, rates.candidate, next), toCanary] as const;
    const stable = [binomial(toStable, rates.baseline, next), toStable] as const;
    const seen = judge(policy, state, tickOf(t, w, canary, stable));
    state = seen.state;
    const { decision } = seen.judgement;
    if (verdict === undefined || decision !== verdict.decision || t % 3600 === 0)
      verdict = explain(policy, state, seen.judgement, t);
    const last = rollout.history.length;
    const counts = { requests: state.seen.trials[1], keys: 0 };
    rollout = step(rollout, { type: 'verdict', epoch, verdict, seen: counts }, now).next;
    rollout = step(rollout, { type: 'tick', seen: counts }, now).next;
    for (const line of rollout.history.slice(last))
      told.push(`after ${duration(t)}: ${line.to}: ${line.says}`);
    if (rollout.epoch !== epoch) {
      epoch = rollout.epoch;
      state = startStep(state, policy, judgedStep(rollout.plan, rollout.phase), t, undefined);
    }
  }
  const now = start + t * 1000;
  const last = told.length > 0 ? told : [where(rollout)];
  return { rollout, now, told: [...last, `status: ${status(rollout, now, verdict)}`].join('\n') };
}
