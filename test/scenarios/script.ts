import type { Effect } from '../../src/model/effect.ts';
import type { RolloutEvent } from '../../src/model/event.ts';
import type { Gate } from '../../src/model/gate.ts';
import type { Harm } from '../../src/model/harm.ts';
import type { Plan } from '../../src/model/plan.ts';
import type { PolicyRequest } from '../../src/model/policy.ts';
import type { Rollout } from '../../src/model/rollout.ts';
import type { Strategy } from '../../src/model/strategy.ts';
import type { Verdict } from '../../src/model/verdict.ts';
import { begin, refusal, step } from '../../src/rollout/machine.ts';
import type { Outcome } from '../../src/rollout/move.ts';
import { planOf } from '../../src/rollout/plan.ts';
import { policyOf } from '../../src/rollout/policies.ts';
import { status, where } from '../../src/rollout/words.ts';
import { simulate } from './traffic.ts';

/**
 * The language of the transcripts in this directory. A block is a command, further lines of it indented, a line
 * of dashes, and the outcome. What each command is made of stands in `COMMANDS`.
 */
export class Script {
  #rollout: Rollout | undefined;
  /** Milliseconds since 1970: a Monday noon. */
  #now = Date.parse('2026-03-02T12:00:00.000Z');

  /** Runs a command, and says what came of it. */
  run(command: string, more: readonly string[]): string {
    const [verb = '', ...words] = command.split(' ');
    const run = COMMANDS[verb];
    if (run === undefined) throw new Error(`there is no command "${verb}"`);
    return run(this, words, more);
  }

  get rollout(): Rollout {
    if (this.#rollout === undefined) throw new Error('a scenario begins with rollout');
    return this.#rollout;
  }

  get now(): number {
    return this.#now;
  }

  pass(seconds: number): void {
    this.#now += seconds * 1000;
  }

  start(strategy: Strategy, policy: PolicyRequest, adapt: (plan: Plan) => Plan): string {
    const plan = planOf(strategy);
    if (typeof plan === 'string') return `refused: ${plan}`;
    const judged = policyOf(policy);
    if (typeof judged === 'string') return `refused: ${judged}`;
    const created = { at: new Date(this.#now).toISOString(), by: 'ann' };
    const spec = {
      id: 'r1',
      service: 'web',
      baseline: 'stable',
      candidate: 'canary',
      build: 'b7',
      share: 100,
    };
    return this.#told(begin({ ...spec, created, plan: adapt(plan), policy: judged }, this.#now));
  }

  /** Lets an event happen, through JSON both ways as a store would have it. */
  happen(event: RolloutEvent): string {
    const before = this.rollout;
    const said = refusal(before, event, this.#now);
    if (said !== undefined) return `refused: ${said}`;
    const outcome = step(before, JSON.parse(JSON.stringify(event)) as RolloutEvent, this.#now);
    if (outcome.next === before) return 'nothing';
    return this.#told(outcome);
  }

  /** Goes on with what somebody else has made of it. */
  adopt(rollout: Rollout, now: number): void {
    this.#rollout = rollout;
    this.#now = now;
  }

  #told({ next, effects }: Outcome): string {
    this.#rollout = JSON.parse(JSON.stringify(next)) as Rollout;
    return [where(next), ...effects.map(tell)].join('\n');
  }
}

function tell(effect: Effect): string {
  switch (effect.type) {
    case 'weights':
      return `  weights canary ${effect.candidate}, stable ${effect.baseline} (${effect.leave})`;
    case 'epoch':
      return effect.epoch === undefined ? '  counting ends' : `  counting epoch ${effect.epoch}`;
    case 'quarantine':
      return `  quarantine ${effect.build}`;
    case 'record':
      return `  on record as ${effect.id}`;
    case 'errand': {
      const { errand } = effect;
      if (errand.type === 'gate') return `  ask ${errand.gate}`;
      return errand.type === 'notify' ? `  tell ${errand.says}` : `  decommission ${errand.version}`;
    }
  }
}

type Command = (script: Script, words: readonly string[], more: readonly string[]) => string;

const COMMANDS: Readonly<Record<string, Command>> = {
  /** rollout STRATEGY, with lines `gate STEP|plan {…}` and `policy {…}`. */
  rollout(script, words, more) {
    const gates: Gate[] = [];
    const ofSteps: [number, Gate][] = [];
    let policy: PolicyRequest = {};
    for (const line of more) {
      const [what = '', ...rest] = line.split(' ');
      if (what === 'policy') policy = JSON.parse(rest.join(' ')) as PolicyRequest;
      else if (what === 'gate') {
        const gate = JSON.parse(rest.slice(1).join(' ')) as Gate;
        if (rest[0] === 'plan') gates.push(gate);
        else ofSteps.push([Number(rest[0]) - 1, gate]);
      } else throw new Error(`"${line}" is neither gate nor policy`);
    }
    const strategy = { ...(JSON.parse(words.join(' ')) as Strategy), gates };
    return script.start(strategy, policy, (plan) => ({
      ...plan,
      steps: plan.steps.map((step, index) => ({
        ...step,
        gates: [...step.gates, ...ofSteps.filter(([at]) => at === index).map(([, gate]) => gate)],
      })),
    }));
  },
  /** tick TIME [requests=N] [keys=N] */
  tick(script, [time = '', ...words]) {
    script.pass(seconds(time));
    const { requests = 0, keys = 0 } = numbers(words);
    return script.happen({ type: 'tick', seen: { requests, keys } });
  },
  /** verdict DECISION [REASON] [canary=BAD/N stable=BAD/N requests=N keys=N epoch=N] */
  verdict(script, [decision = '', ...words]) {
    const reason = words.find((word) => !word.includes('=')) ?? '';
    const { requests = 0, keys = 0, epoch = script.rollout.epoch } = numbers(words);
    const verdict = {
      ...VERDICT,
      decision: decision as Verdict['decision'],
      reason,
      says: `the judge says ${[decision, reason].join(' ').trim()}`,
      canary: arm(words, 'canary'),
      stable: arm(words, 'stable'),
    };
    return script.happen({ type: 'verdict', epoch, verdict, seen: { requests, keys } });
  },
  /** harm canary=BAD/N stable=BAD/N [keys=N] */
  harm(script, words) {
    const [canary, stable] = [arm(words, 'canary'), arm(words, 'stable')];
    const harm: Harm = {
      requests: canary.trials,
      failures: canary.bad,
      baselineRequests: stable.trials,
      baselineFailures: stable.bad,
      keys: numbers(words)['keys'] ?? 0,
    };
    return script.happen({ type: 'harm', harm });
  },
  pass: (script, [name = '']) =>
    script.happen({ type: 'gate', errand: asked(script, name), pass: true, says: 'yes' }),
  fail: (script, [name = '']) =>
    script.happen({ type: 'gate', errand: asked(script, name), pass: false, says: 'no' }),
  pause: (script, [by = '']) => script.happen({ type: 'pause', by }),
  resume: (script, [by = '']) => script.happen({ type: 'resume', by }),
  abort: (script, [by = '']) => script.happen({ type: 'abort', by }),
  /** approve WHO [GATE [LINK]] */
  approve: (script, [by = '', gate, link]) =>
    script.happen({ type: 'approve', by, ...(gate && { gate }), ...(link && { link }) }),
  promote: (script, [by = '', all]) => script.happen({ type: 'promote', by, all: all === 'all' }),
  /** hand WHO canary=WEIGHT stable=WEIGHT */
  hand(script, [by = '', ...words]) {
    const { canary = 0, stable = 0 } = numbers(words);
    return script.happen({ type: 'hand', by, weight: canary, baseline: stable });
  },
  vanished: (script) => script.happen({ type: 'vanished', says: 'no endpoint of canary can be used' }),
  /** way open | way shut */
  way: (script, [what]) =>
    script.happen({ type: 'way', ...(what === 'shut' && { shut: 'nobody is there' }) }),
  newer: (script, [by = '']) => script.happen({ type: 'newer', rollout: 'r2', by }),
  /** restart kept|lost after TIME */
  restart(script, [evidence, , time = '']) {
    script.pass(seconds(time));
    return script.happen({
      type: 'restart',
      evidence: evidence as 'kept' | 'lost',
      away: seconds(time) * 1000,
    });
  },
  /** clock +TIME | clock -TIME: it is set, and nobody has waited. */
  clock(script, [jump = '']) {
    const by = (jump.startsWith('-') ? -1 : 1) * seconds(jump.slice(1));
    script.pass(by);
    return script.happen({ type: 'clock', by: by * 1000 });
  },
  reload: (script, [what]) => script.happen({ type: 'reload', changed: what === 'changed' }),
  /** done NAME: the errand that asks this gate or tells this news. */
  done: (script, [name = '']) => script.happen({ type: 'done', errand: asked(script, name) }),
  status: (script) => status(script.rollout, script.now),
  /** What is still to be done, as it would be done again after a crash. */
  errands: (script) => script.rollout.errands.map(({ id }) => id).join('\n') || 'none',
  /** traffic TIME PER-MINUTE [canary=RATE stable=RATE past=FAILED/REQUESTS]: real verdicts on simulated traffic. */
  traffic(script, [time = '', perMinute = '', ...words]) {
    const { canary = 0, stable = 0 } = numbers(words);
    const { bad: failures, trials: requests } = arm(words, 'past');
    const { rollout, now, told } = simulate(script.rollout, script.now, {
      seconds: seconds(time),
      perMinute: Number(perMinute),
      rates: { candidate: canary, baseline: stable },
      seed: 7,
      ...(requests > 0 && { past: { requests, failures } }),
    });
    script.adopt(rollout, now);
    return told;
  },
};

function asked(script: Script, name: string): string {
  return script.rollout.errands.find(({ id }) => id.endsWith(`.${name}`))?.id ?? `r1.0.${name}`;
}

/** `canary=3/100` among the words. */
function arm(words: readonly string[], name: string): Verdict['canary'] {
  const [bad = 0, trials = 0] = words
    .find((word) => word.startsWith(`${name}=`))
    ?.slice(name.length + 1)
    .split('/')
    .map(Number) ?? [0, 0];
  return { bad, trials, rate: { low: 0, ...(trials > 0 && { value: bad / trials }) } };
}

function numbers(words: readonly string[]): Partial<Record<string, number>> {
  return Object.fromEntries(
    words.map((word) => word.split('=')).map(([name, value]) => [name, Number(value)]),
  );
}

function seconds(time: string): number {
  const match = /^(\d+)(s|m|h|d)$/.exec(time);
  if (match === null) throw new Error(`"${time}" is no time such as 30s, 5m, 2h or 3d`);
  return Number(match[1]) * { s: 1, m: 60, h: 3600, d: 86_400 }[match[2] as 's' | 'm' | 'h' | 'd'];
}

const VERDICT: Verdict = {
  word: 'unknown',
  decision: 'continue',
  reason: '',
  step: 0,
  elapsed: 0,
  says: '',
  because: [],
  canary: { trials: 0, bad: 0, rate: { low: 0 } },
  stable: { trials: 0, bad: 0, rate: { low: 0 } },
  ratio: { low: 0 },
  tests: [],
};
