import { own } from '../base/own.ts';
import type { Phase } from '../model/phase.ts';
import type { Needs, Plan, Step } from '../model/plan.ts';
import type { Rollout } from '../model/rollout.ts';
import type { Verdict } from '../model/verdict.ts';
import { gatesOf } from './gates.ts';
import { windowAt } from './window.ts';

/** How rollouts are told to people. Everything here is one line, and without a full stop where it is a part. */

const UNITS = [
  ['d', 86_400],
  ['h', 3600],
  ['min', 60],
] as const;

/** Seconds as `45 s`, `1.5 min`, `22 min`, `2 h`: two digits are plenty for a plan. */
export function duration(seconds: number): string {
  for (const [unit, length] of UNITS) {
    // What rounds to 60 min is an hour.
    if (seconds >= length * 0.995) return `${round(seconds / length)} ${unit}`;
  }
  return `${round(seconds)} s`;
}

function round(value: number): number {
  return value < 10 ? Math.round(value * 10) / 10 : Math.round(value);
}

/** `5 %`, with as many digits as it has, at most four. */
export function percent(weight: number): string {
  return `${Number(weight.toFixed(4))} %`;
}

/** Where a rollout stands, as "step 2/4 at 5 %". */
export function where({ phase, plan, weight }: Pick<Rollout, 'phase' | 'plan' | 'weight'>): string {
  switch (phase.at) {
    case 'waiting':
      return `waiting ${door(phase, plan)}`;
    case 'stepping':
      return `step ${phase.step + 1}/${plan.steps.length} at ${percent(weight)}`;
    case 'baking':
      return `baking at ${percent(weight)}`;
    case 'paused':
      return `paused at ${percent(weight)}`;
    case 'promoted':
      return 'promoted';
    case 'rolledBack':
      return 'rolled back';
  }
}

function door(phase: Extract<Phase, { at: 'waiting' }>, { steps }: Plan): string {
  switch (phase.door) {
    case 'start':
      return 'to start';
    case 'before':
    case 'after':
      return `${phase.door} step ${phase.step + 1}/${steps.length}`;
    case 'promotion':
      return 'before promotion';
    case 'bake':
      return 'before the end of the bake';
  }
}

/**
 * The same with why, how long, and what is missing: a sentence or two for `status`. `heard`: why gates that are
 * being asked stay shut, by name.
 */
export function status(
  rollout: Rollout,
  now: number,
  verdict?: Verdict,
  heard: Readonly<Record<string, string>> = {},
): string {
  const { phase, plan } = rollout;
  const place = where(rollout);
  const gone = duration(Math.max(0, now - phase.since) / 1000);
  switch (phase.at) {
    case 'waiting': {
      const names = gatesOf(plan, phase)
        .filter(({ name }) => !phase.passed.includes(name))
        .map((gate) => {
          const says = gate.kind === 'window' ? windowAt(gate, now).says : own(heard, gate.name);
          return `${gate.kind} "${gate.name}"${says ? ` (${says})` : ''}`;
        });
      if (phase.door === 'promotion' && rollout.stranded !== undefined)
        names.push(`a way back (${rollout.stranded})`);
      return `${place} for ${names.join(', ')}, since ${gone}`;
    }
    case 'stepping': {
      const step = plan.steps[phase.step]!;
      const late = phase.late ? `, longer than the ${duration(step.atMost)} it should take` : '';
      return `${place} for ${gone}${late}; ${outlook(verdict) ?? goal(step)}`;
    }
    case 'baking':
      return `${place} for ${gone} of ${duration(plan.bake.for)}${isAlone(plan) ? ', compared with what was before, as nothing is kept on the old version' : ''}${phase.late ? '; held, as the verdict is to hold' : ''}`;
    case 'paused':
      return `${place} for ${gone}${phase.by === undefined ? '' : ` by ${phase.by}`}: ${phase.says}`;
    case 'promoted':
    case 'rolledBack':
      return `${place}: ${phase.says}`;
  }
}

/** Whether nothing is kept on the old version in the bake. */
export function isAlone({ bake }: Pick<Plan, 'bake'>): boolean {
  return bake.for > 0 && bake.keepWarm === 0;
}

function outlook(verdict: Verdict | undefined): string | undefined {
  if (verdict === undefined) return undefined;
  return verdict.secondsToGo === undefined
    ? verdict.says
    : `≈ ${duration(verdict.secondsToGo)} to a verdict at this traffic`;
}

/** What it takes to leave a step, as "at least 5 min, until the judge can tell; after 30 min hold". */
export function goal({ atLeast, atMost, needs, onTimeout }: Step): string {
  const evidence = needsSays(needs);
  const long = atLeast > 0 ? [`at least ${duration(atLeast)}`] : [];
  if (evidence === undefined) return [...long, 'then on unless the candidate looks suspicious'].join(', ');
  return `${[...long, evidence].join(', ')}; after ${duration(atMost)} ${TIMEOUTS[onTimeout]}`;
}

const TIMEOUTS = {
  hold: 'it holds and says so',
  advance: 'on unless the candidate looks suspicious',
  rollback: 'back',
} as const;

function needsSays(needs: Needs): string | undefined {
  if (needs === 'nothing') return undefined;
  if (needs === 'verdict') return 'until the judge can tell';
  return 'requests' in needs
    ? `until the candidate answered ${needs.requests} requests`
    : `until the candidate served ${needs.keys} users`;
}
