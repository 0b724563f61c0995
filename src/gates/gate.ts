import type { Gate } from '../model/gate.ts';
import { neededVersions, schemaConflict } from '../rollout/schema.ts';
import { windowAt } from '../rollout/window.ts';
import type { Circumstances } from './circumstances.ts';
import { askPrometheus } from './prometheus.ts';
import { type GateResult, pass, unknown } from './result.ts';
import { askSmoke } from './smoke.ts';
import { askWebhook } from './webhook.ts';
import type { World } from './world.ts';

/**
 * Asks a gate once. A window or a schema that is shut is waited for, so it is unknown rather than a no. Rejects
 * only when the signal is aborted, with its reason.
 */
export async function askGate(
  gate: Gate,
  circumstances: Circumstances,
  world: World,
  signal: AbortSignal,
): Promise<GateResult> {
  switch (gate.kind) {
    case 'smoke':
      return askSmoke(gate, circumstances, world, signal);
    case 'webhook':
      return askWebhook(gate, circumstances, world, signal);
    case 'prometheus':
      return askPrometheus(gate, circumstances, world, signal);
    case 'approval':
      return unknown(`waits for ${gate.role === 'admin' ? 'an admin' : 'an operator'}`);
    case 'window': {
      const { open, says } = windowAt(gate, world.clock.now());
      return open ? pass('it is open') : unknown(says);
    }
    case 'schema': {
      const { rollout, service } = circumstances;
      const needed = neededVersions(service, rollout.candidate);
      const conflict = schemaConflict(gate.schema, service.versions, needed);
      return conflict === undefined ? pass(`every version can live with ${gate.schema}`) : unknown(conflict);
    }
  }
}

/** Seconds between two questions, where the gate does not say, and at least. */
const EVERY = 10;
const EVERY_QUERY = 15;
const SHORTEST = 1;

/**
 * Asks a gate until its errand is done, and tells with what answer: where it is to watch, until it has
 * something to say (`during`: no; `rollback`: yes), elsewhere until it says yes or no. `circumstances` are
 * those of each question; `heard` is told every answer that was not the last word. Rejects only when the
 * signal is aborted, with its reason.
 */
export async function awaitGate(
  gate: Gate,
  circumstances: () => Circumstances,
  world: World,
  signal: AbortSignal,
  heard: (result: GateResult) => void = () => {},
): Promise<GateResult> {
  const since = world.clock.monotonic();
  for (;;) {
    const result = await askGate(gate, circumstances(), world, signal);
    if (isLastWord(gate, result.answer, world.clock.monotonic() - since)) return result;
    heard(result);
    await world.pause(pauseBetween(gate), signal);
  }
}

/** Whether an answer ends the asking, `asking` ms after the first question. */
export function isLastWord(gate: Gate, answer: GateResult['answer'], asking: number): boolean {
  switch (answer) {
    case 'unknown':
      // When it is over nobody waits for an answer.
      return gate.moment === 'finish' || gate.moment === 'event';
    case 'pass':
      return gate.moment !== 'during';
    case 'fail':
      return gate.moment !== 'rollback' && (gate.kind !== 'webhook' || asking >= (gate.deadline ?? 0) * 1000);
  }
}

/** Milliseconds from an answer to the next question. */
function pauseBetween(gate: Gate): number {
  const usual = gate.kind === 'prometheus' ? EVERY_QUERY : EVERY;
  const every = 'every' in gate ? gate.every : undefined;
  return Math.max(SHORTEST, every ?? usual) * 1000;
}
