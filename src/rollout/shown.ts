import type { Gate } from '../model/gate.ts';
import type { Plan } from '../model/plan.ts';
import type { Policy } from '../model/policy.ts';
import type { Rollout } from '../model/rollout.ts';

/** A rollout without its secrets. */
export function shownRollout(rollout: Rollout): Rollout {
  return { ...rollout, plan: shownPlan(rollout.plan), policy: shownPolicy(rollout.policy) };
}

/** A policy without its secrets. */
export function shownPolicy(policy: Policy): Policy {
  const metrics = policy.metrics.map((metric) =>
    metric.series === undefined ? metric : { ...metric, series: withoutSecrets(metric.series) },
  );
  return { ...policy, metrics };
}

/** Keys of signatures, values of headers, and the ends of URLs, which often are secrets themselves. */
function shownPlan(plan: Plan): Plan {
  const { steps, gates, decommission } = plan;
  return {
    ...plan,
    steps: steps.map((step) => ({ ...step, gates: step.gates.map(shownGate) })),
    gates: gates.map(shownGate),
    ...(decommission && { decommission: withoutSecrets(decommission) }),
  };
}

function shownGate(gate: Gate): Gate {
  return gate.kind === 'webhook' || gate.kind === 'prometheus' ? withoutSecrets(gate) : gate;
}

interface Secretive {
  readonly url: string;
  readonly secret?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

function withoutSecrets<T extends Secretive>(shown: T): T {
  const { secret: _, headers, ...rest } = shown;
  const url = URL.canParse(shown.url) ? `${new URL(shown.url).origin}/…` : shown.url;
  const names = Object.keys(headers ?? {});
  // Only what may be left out has been left out.
  return {
    ...rest,
    url,
    ...(headers && { headers: Object.fromEntries(names.map((name) => [name, '…'])) }),
  } as unknown as T;
}
