import { goBack } from './back.ts';
import { arrive, gateOf } from './doors.ts';
import { gatesOf } from './gates.ts';
import { note, type Outcome, stay, withoutErrand } from './move.ts';
import { enter } from './onward.ts';
import { halt } from './pauses.ts';
import type { Because, Event, In, Live } from './phases.ts';

/** What is done on answers of gates, and of the people who are asked. */

/** A gate has answered. Answers to what is not asked any more are ignored. */
export function answered(rollout: Live, { errand: id, pass, says }: Event<'gate'>, now: number): Outcome {
  const errand = rollout.errands.find((each) => each.id === id);
  const gate = errand?.type === 'gate' ? gateOf(rollout.plan, errand.gate) : undefined;
  if (gate === undefined) return stay(rollout);
  const told = `${gate.kind} "${gate.name}": ${says}`;
  if (gate.moment === 'rollback') return pass ? goBack(rollout, 'gate', told, undefined, now) : stay(rollout);
  if (!pass) {
    return gate.onFail === 'hold'
      ? halt(rollout, { cause: 'gate', says: told }, now)
      : goBack(rollout, 'gate', told, undefined, now);
  }
  if (rollout.phase.at !== 'waiting') return stay(rollout);
  const { phase } = rollout;
  return passed({ ...withoutErrand(rollout, id), phase }, gate.name, { says: told }, now);
}

/** A person opens an approval. */
export function approved(rollout: In<'waiting'>, event: Event<'approve'>, now: number): Outcome {
  const { phase, plan, links = [] } = rollout;
  if (event.link !== undefined && links.includes(event.link)) return stay(rollout);
  const gate = gatesOf(plan, phase).find(
    ({ kind, name }) => kind === 'approval' && !phase.passed.includes(name) && (event.gate ?? name) === name,
  );
  if (gate === undefined) return stay(rollout);
  const says = `approved "${gate.name}"${event.says === undefined ? '' : `: ${event.says}`}`;
  const used = event.link === undefined ? rollout : { ...rollout, links: [...links, event.link] };
  return passed(used, gate.name, { says, by: event.by }, now);
}

function passed(rollout: In<'waiting'>, gate: string, because: Because, now: number): Outcome {
  const phase = { ...rollout.phase, passed: [...rollout.phase.passed, gate] };
  const place = arrive(rollout, phase, now);
  const next = { ...rollout, phase };
  return place === phase ? note(next, because, now) : enter(next, place, because, now);
}
