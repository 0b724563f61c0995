import type { Gate } from '../model/gate.ts';
import type { Phase } from '../model/phase.ts';
import type { Plan } from '../model/plan.ts';

/** The gates that must pass at a door, or are asked during a step. */
export function gatesOf(plan: Plan, phase: Phase): readonly Gate[] {
  switch (phase.at) {
    case 'waiting':
      return (
        phase.door === 'before' || phase.door === 'after' ? plan.steps[phase.step]!.gates : plan.gates
      ).filter(({ moment }) => moment === phase.door);
    case 'stepping':
      return plan.steps[phase.step]!.gates.filter(({ moment }) => moment === 'during');
    case 'promoted':
    case 'rolledBack':
      return plan.gates.filter(({ moment }) => moment === 'finish');
    case 'baking':
    case 'paused':
      return [];
  }
}

/** Whether people have to approve something here, and have not. */
export function asksPeople(plan: Plan, phase: Phase): boolean {
  return (
    phase.at === 'waiting' &&
    gatesOf(plan, phase).some(({ kind, name }) => kind === 'approval' && !phase.passed.includes(name))
  );
}
