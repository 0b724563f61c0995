import type { StrategyList } from '../model/api.ts';
import type { Catalogue } from '../rollout/catalogue.ts';
import { planOf, strategyNames, tellPlan } from '../rollout/plan.ts';
import { POLICIES, policyOf, tellPolicy } from '../rollout/policies.ts';
import { PRESETS } from '../rollout/presets.ts';
import { shownPolicy } from '../rollout/shown.ts';

/** What the strategies do that need no terms and are no preset. */
const BARE: Readonly<Record<string, string>> = {
  blueGreen: 'green stands at 0 %, is tried by override and gates, then gets everything at once',
  override: 'the candidate serves whom overrides name, until a person promotes or aborts',
};

/** Everything that may be named when a rollout is started, in words. */
export function listStrategies({ strategies, policies }: Catalogue): StrategyList {
  return {
    strategies: strategyNames(strategies).map((name) => {
      const plan = planOf({ type: 'preset', name }, strategies);
      // Names that the config file got wrong are refused when it is read.
      const steps = typeof plan === 'string' ? [plan] : tellPlan(plan);
      const own = Object.hasOwn(strategies, name);
      const preset = own ? undefined : PRESETS.find((each) => each.name === name);
      const says = preset?.says ?? (own ? undefined : BARE[name]) ?? steps.join('; ');
      return { name, says, own, steps };
    }),
    policies: [
      ...Object.entries(policies).flatMap(([name, request]) => {
        const policy = policyOf({ name }, policies);
        if (typeof policy === 'string') return [];
        return [{ name, says: tellPolicy(request), own: true, policy: shownPolicy(policy) }];
      }),
      ...Object.entries(POLICIES).map(([name, { says, policy }]) => ({ name, says, own: false, policy })),
    ],
  };
}
