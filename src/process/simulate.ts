import type { DecisionList, FleetView, StrategyList } from '../model/api.ts';
import { ask } from './ask.ts';
import { ASKING, adminOf, TOKEN } from './remote.ts';
import { type Call, EXIT, UsageError, type Verb } from './verb.ts';

/** Milliseconds that a recording may take to come: it may be long. */
const PATIENCE = 120_000;

export const simulate: Verb = {
  usage: '--rollout ID [--policy NAME or FILE]',
  summary: 'Judge a rollout again, as it was recorded, by another policy.',
  words: [0, 0],
  options: {
    rollout: { value: 'ID', says: 'Which rollout.' },
    policy: {
      value: 'NAME or FILE',
      says: 'One that GET /v1/strategies lists, or a file with one under the name policy. Default: its own.',
    },
    ...ASKING,
  },
  details: `Each change of the verdict is told, and what was done on it, or would have been. The rollout's own policy is
replayed too, and must come to the very verdicts that were recorded; if it does not, it ends with 1.
What was counted stays as it was counted, so mode, latencyTolerance and what metrics count cannot be other.

${TOKEN}`,
  async run(call) {
    const id = call.text('rollout');
    if (id === undefined) throw new UsageError('Which rollout? Say --rollout ID.');
    const { readLines, policyIn, simulated, told } = await import('./simulation.ts');
    const lines = readLines(await read(call, `/v1/rollouts/${encodeURIComponent(id)}/recording`));
    const { decisions } = JSON.parse(
      await read(call, `/v1/rollouts/${encodeURIComponent(id)}/decisions`),
    ) as DecisionList;
    const first = lines.find((line) => line.type === 'rollout');
    if (first?.type !== 'rollout') throw new UsageError(`Nothing is recorded of rollout ${id}.`);
    const asked = call.text('policy');
    const policy =
      asked === undefined ? undefined : await policyIn(asked, await namedPolicies(call), first.rollout);
    const { replica } = JSON.parse(await read(call, '/v1/fleet')) as FleetView;
    const simulation = simulated(id, lines, decisions, policy, replica);
    call.say(call.flag('json') ? `${JSON.stringify(simulation)}\n` : told(simulation));
    const { same, of } = simulation.verified;
    return same === of ? EXIT.done : EXIT.failed;
  },
};

async function namedPolicies(call: Call): Promise<StrategyList['policies']> {
  return (JSON.parse(await read(call, '/v1/strategies')) as StrategyList).policies;
}

function read(call: Call, path: string): Promise<string> {
  return ask(adminOf(call), { method: 'GET', path, timeout: PATIENCE });
}
