import type { Gate } from '../model/gate.ts';
import type { Phase, Running } from '../model/phase.ts';
import type { Plan } from '../model/plan.ts';
import type { Rollout } from '../model/rollout.ts';
import { gatesOf } from './gates.ts';
import { windowAt } from './window.ts';

/** Where one gets to. */
export type Place = Running | { readonly at: 'promoted' };

/** Where one gets to from a place at `now`: no further than the first door that is shut. */
export function arrive(rollout: Pick<Rollout, 'plan' | 'stranded'>, place: Place, now: number): Place {
  const { plan, stranded } = rollout;
  if (place.at !== 'waiting' || isShut(plan, place, now)) return place;
  // Nobody goes to full weight without a way back.
  if (place.door === 'promotion' && stranded !== undefined) return place;
  return arrive(rollout, behind(plan, place, now), now);
}

function isShut(plan: Plan, door: Extract<Phase, { at: 'waiting' }>, now: number): boolean {
  return gatesOf(plan, door).some((gate) =>
    gate.kind === 'window' ? !windowAt(gate, now).open : !door.passed.includes(gate.name),
  );
}

/** What is behind a door: the order of the whole journey. */
function behind({ steps }: Plan, door: Extract<Phase, { at: 'waiting' }>, since: number): Place {
  switch (door.door) {
    case 'start':
      return beforeStep(steps.length, 0, since);
    case 'before':
      return { at: 'stepping', step: door.step, since };
    case 'after':
      return beforeStep(steps.length, door.step + 1, since);
    case 'promotion':
      return { at: 'baking', since };
    case 'bake':
      return { at: 'promoted' };
  }
}

function beforeStep(steps: number, step: number, since: number): Place {
  return step < steps
    ? { at: 'waiting', door: 'before', step, passed: [], since }
    : { at: 'waiting', door: 'promotion', passed: [], since };
}

/** The gate of this name, of the plan or of any of its steps. */
export function gateOf({ gates, steps }: Plan, name: string): Gate | undefined {
  return [...gates, ...steps.flatMap((step) => step.gates)].find((gate) => gate.name === name);
}
