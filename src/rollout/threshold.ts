import type { Threshold } from '../model/policy.ts';
import type { Arm, Verdict } from '../model/verdict.ts';

/** What the first threshold that is crossed says, or undefined. Plain numbers, for those who want them. */
export function crossed(thresholds: readonly Threshold[], verdict: Verdict): string | undefined {
  for (const { metric, above, of, atLeast } of thresholds) {
    const { canary, stable } = verdict;
    const candidate = measured(canary, metric);
    const usual = measured(stable, metric);
    if (canary.trials < atLeast || candidate === undefined) continue;
    if (of === 'value') {
      if (candidate > above) return `${metric} is ${show(metric, candidate)}, above ${show(metric, above)}`;
    } else if (usual !== undefined && stable.trials >= atLeast && candidate > above * usual) {
      return `${metric} is ${show(metric, candidate)}, above ${above} times the baseline's ${show(metric, usual)}`;
    }
  }
  return undefined;
}

function measured({ bad, trials, ...latencies }: Arm, metric: Threshold['metric']): number | undefined {
  if (metric === 'errorRate') return trials === 0 ? undefined : bad / trials;
  return latencies[metric]?.value;
}

function show(metric: Threshold['metric'], value: number): string {
  return metric === 'errorRate' ? `${Number((value * 100).toFixed(2))} %` : `${Math.round(value)} ms`;
}
