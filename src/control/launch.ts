import { policyFault } from '../analysis/policy.ts';
import { murmur3Text } from '../base/hash.ts';
import { own } from '../base/own.ts';
import type { Plan } from '../model/plan.ts';
import type { Policy, PolicyRequest } from '../model/policy.ts';
import type { Rollout } from '../model/rollout.ts';
import type { State } from '../model/state.ts';
import type { Strategy } from '../model/strategy.ts';
import { heaviestVersion, type Weights } from '../model/weights.ts';
import type { Catalogue } from '../rollout/catalogue.ts';
import { planOf } from '../rollout/plan.ts';
import { policyOf } from '../rollout/policies.ts';
import { refusedBuild } from '../rollout/quarantine.ts';
import { schemaLack } from '../rollout/schema.ts';
import { Refusal } from './commands.ts';
import type { Circumstances } from './decide.ts';
import { serviceOf, versionOf } from './lookup.ts';
import { judgePolicy } from './policy.ts';

/** A rollout as it is asked for. */
export interface Launch {
  readonly candidate: string;
  /** Left out: the version with the greatest weight. */
  readonly baseline?: string;
  /** Which build the candidate is; left out, its name and where it is served stand for it. */
  readonly build?: string;
  readonly strategy: Strategy;
  readonly policy: PolicyRequest;
  /** What the names in there stand for, besides what they always do. */
  readonly own?: Catalogue;
}

/** The version that is to be taken over from. */
export function baselineOf({ baseline }: Pick<Launch, 'baseline'>, weights: Weights): string {
  return baseline ?? heaviestVersion(weights) ?? '';
}

/** What a machine begins a rollout with. Throws Refusal, with the cure, when it may not begin. */
export function specOf(
  state: State,
  name: string,
  id: string,
  launch: Launch,
  { actor, reason, now }: Circumstances,
): Pick<
  Rollout,
  'id' | 'service' | 'baseline' | 'candidate' | 'build' | 'share' | 'plan' | 'policy' | 'created'
> {
  const service = serviceOf(state, name);
  const { candidate } = launch;
  const { endpoints } = versionOf(service, candidate);
  const { weights } = service.split;
  const baseline = baselineOf(launch, weights);
  versionOf(service, baseline);
  const share = own(weights, baseline) ?? 0;
  const held = own(weights, candidate) ?? 0;
  if (baseline === candidate)
    throw new Refusal(
      'conflict',
      `version "${candidate}" is the baseline itself, with ${share} % of the traffic; name the version that is to take over`,
    );
  if (share === 0)
    throw new Refusal('conflict', `baseline "${baseline}" has no traffic to take over; name one that has`);
  if (held > 0)
    throw new Refusal(
      'conflict',
      `version "${candidate}" holds ${held} % of the traffic already; set its weight to 0, so that the rollout can begin there`,
    );
  if (endpoints.length === 0)
    throw new Refusal('conflict', `version "${candidate}" has no endpoints; add some to it first`);
  const lack = schemaLack(service, candidate);
  if (lack !== undefined) throw new Refusal('conflict', lack);
  const build = launch.build ?? buildOf(candidate, endpoints);
  const refused = refusedBuild(service.quarantine, build);
  if (refused !== undefined) throw new Refusal('conflict', refused);
  const { plan, policy } = termsOf(launch);
  return {
    id,
    service: name,
    baseline,
    candidate,
    build,
    share,
    plan,
    policy,
    created: {
      at: new Date(now).toISOString(),
      by: actor.name,
      ...(reason !== undefined && { reason }),
    },
  };
}

/** How a rollout is to go and to be judged. Throws Refusal on terms that cannot be kept. */
export function termsOf({ strategy, policy, own }: Pick<Launch, 'strategy' | 'policy' | 'own'>): {
  readonly plan: Plan;
  readonly policy: Policy;
} {
  const plan = planOf(strategy, own?.strategies);
  if (typeof plan === 'string') throw new Refusal('invalid', plan);
  const judged = policyOf(policy, own?.policies);
  if (typeof judged === 'string') throw new Refusal('invalid', judged);
  const fault = policyFault(judgePolicy({ plan, policy: judged }));
  if (fault !== undefined) throw new Refusal('invalid', fault);
  return { plan, policy: judged };
}

function buildOf(candidate: string, endpoints: readonly string[]): string {
  return `${candidate}@${murmur3Text(endpoints.join(' '), 0).toString(16).padStart(8, '0')}`;
}
