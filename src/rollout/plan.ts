import type { Gate } from '../model/gate.ts';
import type { Bake, Plan, Step } from '../model/plan.ts';
import type { StepRequest, Strategy } from '../model/strategy.ts';
import { FINEST } from '../model/weights.ts';
import type { Catalogue } from './catalogue.ts';
import { PRESETS } from './presets.ts';
import { USUAL_BAKE, USUAL_STEP } from './usual.ts';
import { windowFault } from './window.ts';
import { duration, goal, isAlone, percent } from './words.ts';

/**
 * The plan of a strategy, or a sentence that says what is wrong with it and the cure. `own`: what names stand
 * for besides the presets.
 */
export function planOf(strategy: Strategy, own: Catalogue['strategies'] = {}): Plan | string {
  const plan = resolve(strategy, own);
  return typeof plan === 'string' ? plan : (planFault(plan) ?? plan);
}

function resolve(strategy: Strategy, own: Catalogue['strategies']): Plan | string {
  const { gates = [], bake = {}, decommission } = strategy;
  const ending = (name: string, steps: readonly Step[], usual: Bake = USUAL_BAKE): Plan => ({
    strategy: name,
    ...withGates(steps, gates),
    bake: { ...usual, ...bake },
    ...(decommission && { decommission }),
  });
  switch (strategy.type) {
    case 'canary': {
      const steps = strategy.steps.map((step) => (typeof step === 'number' ? { weight: step } : step));
      const last = steps.at(-1);
      if (last?.weight === 100 && Object.keys(last).length > 1)
        return 'the step at 100 % is the promotion; write it as 100, what it waits for as gates with moment promotion, and how long it is watched as bake';
      return ending('canary', (last?.weight === 100 ? steps.slice(0, -1) : steps).map(usualStep));
    }
    case 'linear': {
      const count = Math.ceil(100 / strategy.percent - 1e-9) - 1;
      const weights = Array.from({ length: count }, (_, index) => onGrid(strategy.percent * (index + 1)));
      return ending(
        'linear',
        weights.map((weight) => pacedStep(weight, strategy)),
      );
    }
    case 'exponential': {
      const { start, factor = 2 } = strategy;
      const weights: number[] = [];
      for (let weight = start; weight < 100; weight *= factor) weights.push(onGrid(weight));
      return ending(
        'exponential',
        weights.map((weight) => pacedStep(weight, strategy)),
      );
    }
    case 'blueGreen':
      return ending('blueGreen', []);
    case 'override': {
      const plan = ending('override', []);
      const asks = gates.some(({ kind, moment }) => kind === 'approval' && moment === 'promotion');
      return asks
        ? plan
        : { ...plan, gates: [...gates, { name: 'winner', kind: 'approval', moment: 'promotion' }] };
    }
    case 'preset': {
      const { name, type: _, ...more } = strategy;
      if (Object.hasOwn(own, name)) {
        // What one's own strategies are made of are presets at most, so that none leads back to itself.
        const made = resolve({ ...own[name]!, ...more, bake: { ...own[name]!.bake, ...more.bake } }, {});
        return typeof made === 'string' ? made : { ...made, strategy: name };
      }
      if (name === 'blueGreen' || name === 'override') return resolve({ type: name, ...more }, {});
      const preset = PRESETS.find((each) => each.name === name);
      return preset === undefined
        ? `there is no strategy "${name}"; the strategies are ${strategyNames(own).join(', ')}`
        : ending(preset.name, preset.steps, preset.bake);
    }
  }
}

/**
 * Gates of the moments of steps stand at every step, each under a name of its own, so that what was approved or
 * asked at one is not taken for another. Without steps they stay where they are, to be found fault with.
 */
function withGates(steps: readonly Step[], gates: readonly Gate[]): Pick<Plan, 'steps' | 'gates'> {
  if (steps.length === 0) return { steps, gates };
  const ofSteps = gates.filter(isOfStep);
  const at = ({ weight }: Step): Gate[] =>
    ofSteps.map((gate) => ({ ...gate, name: `${gate.name} at ${percent(weight)}` }));
  return {
    steps: steps.map((step) => ({ ...step, gates: [...at(step), ...step.gates] })),
    gates: gates.filter((gate) => !isOfStep(gate)),
  };
}

/** Every name that stands for a strategy, one's own first. */
export function strategyNames(own: Catalogue['strategies']): readonly string[] {
  return [...Object.keys(own), ...PRESETS.map(({ name }) => name), 'blueGreen', 'override'];
}

function usualStep(request: StepRequest): Step {
  const { atLeast = USUAL_STEP.atLeast } = request;
  return { ...USUAL_STEP, atMost: Math.max(USUAL_STEP.atMost, atLeast), ...request };
}

function pacedStep(weight: number, strategy: Extract<Strategy, { type: 'linear' | 'exponential' }>): Step {
  const { every, atLeast = every, atMost, needs, onTimeout } = strategy;
  return usualStep({
    weight,
    atLeast,
    ...(atMost !== undefined && { atMost }),
    ...(needs !== undefined && { needs }),
    ...(onTimeout !== undefined && { onTimeout }),
  });
}

function onGrid(weight: number): number {
  return Number((Math.round(weight / FINEST) * FINEST).toFixed(4));
}

/** What is wrong with a plan, in a sentence with the cure; undefined if nothing is. */
export function planFault({ steps, gates, bake }: Plan): string | undefined {
  let before = -1;
  for (const [index, { weight, atLeast, atMost, needs }] of steps.entries()) {
    const step = `step ${index + 1}`;
    if (weight <= before || weight >= 100)
      return `${step} is at ${percent(weight)} after ${percent(Math.max(0, before))}; weights rise from step to step and stay below 100`;
    if (onGrid(weight) !== weight)
      return `${step} is at ${weight} %; the finest step of a weight is ${FINEST} %`;
    if (atMost < atLeast)
      return `${step} takes at least ${duration(atLeast)} and at most ${duration(atMost)}; the second must not be the shorter`;
    if (weight === 0 && needs !== 'nothing')
      return `${step} is at 0 %, where there is no evidence to be had; let it need nothing, or leave it out and use gates`;
    before = weight;
  }
  if (bake.keepWarm > 0 && steps.length > 0 && 100 - bake.keepWarm < before)
    return `the bake keeps ${percent(bake.keepWarm)} on the old version, so the candidate would lose weight after ${percent(before)}; keep less`;
  return gatesFault(steps, gates);
}

const OF_STEPS: ReadonlySet<Gate['moment']> = new Set(['before', 'during', 'after']);

function isOfStep({ moment }: Gate): boolean {
  return OF_STEPS.has(moment);
}

/** As the schema of plans has it. */
const LONGEST_NAME = 64;
const MOST_GATES = 20;

function gatesFault(steps: readonly Step[], ofPlan: readonly Gate[]): string | undefined {
  const ofSteps = steps.flatMap((step) => step.gates);
  const names = new Set<string>();
  for (const gate of [...ofPlan, ...ofSteps]) {
    if (names.has(gate.name)) return `two gates are called "${gate.name}"; give each its own name`;
    names.add(gate.name);
    if (gate.name.length > LONGEST_NAME)
      return `a gate is called "${gate.name}", which is longer than ${LONGEST_NAME} characters; give it a shorter name`;
    const fault = gateFault(gate);
    if (fault !== undefined) return fault;
  }
  const full = steps.findIndex((step) => step.gates.length > MOST_GATES);
  if (full >= 0)
    return `step ${full + 1} has ${steps[full]!.gates.length} gates, those that stand at every step among them; ${MOST_GATES} are the most`;
  const stepless = ofPlan.find(isOfStep);
  if (stepless !== undefined)
    return `gate "${stepless.name}" has moment ${stepless.moment}, and this strategy has no steps; use start or promotion`;
  const astray = ofSteps.find((gate) => !isOfStep(gate));
  return (
    astray &&
    `gate "${astray.name}" has moment ${astray.moment}; the gates of a step have before, during or after, those of the strategy any other too`
  );
}

/** Gates that give one answer, or none at all, have nothing to say again and again. */
const ONCE: ReadonlySet<Gate['kind']> = new Set(['approval', 'window', 'schema']);

function gateFault(gate: Gate): string | undefined {
  if (gate.kind === 'window') {
    const fault = windowFault(gate);
    if (fault !== undefined) return fault;
  }
  if (gate.kind === 'prometheus') {
    const bounds = [gate.atMost, gate.atLeast, gate.ratioAtMost].filter((bound) => bound !== undefined);
    if (bounds.length !== 1)
      return `gate "${gate.name}" has ${bounds.length} bounds; give it one of atMost, atLeast and ratioAtMost`;
  }
  if (gate.moment === 'event' && gate.kind !== 'webhook')
    return `gate "${gate.name}" is of kind ${gate.kind}; only a webhook can be told of events`;
  if (ONCE.has(gate.kind) && ['during', 'rollback', 'finish'].includes(gate.moment))
    return `gate "${gate.name}" of kind ${gate.kind} has moment ${gate.moment}, at which nothing waits for it; use before, after or promotion`;
  return undefined;
}

/** A plan in words, a line each: "1 %: at least 1 min, until the judge can tell; after 30 min it holds and says so". */
export function tellPlan({ steps, gates, bake }: Plan): string[] {
  const at = (moment: Gate['moment'], of: readonly Gate[]): string =>
    of
      .filter((gate) => gate.moment === moment)
      .map(({ kind, name }) => `${kind} "${name}"`)
      .join(', ');
  const start = at('start', gates);
  const promotion = at('promotion', gates);
  const end = at('bake', gates);
  const watching = at('rollback', gates);
  const warm = isAlone({ bake })
    ? ', compared with what the old version did before'
    : `, ${percent(bake.keepWarm)} kept on the old version`;
  return [
    ...(start === '' ? [] : [`first: ${start}`]),
    ...steps.map((step) => {
      const before = at('before', step.gates);
      const during = at('during', step.gates);
      const after = at('after', step.gates);
      return [
        before === '' ? '' : `after ${before}: `,
        `${percent(step.weight)}: ${goal(step)}`,
        during === '' ? '' : `; watched by ${during}`,
        after === '' ? '' : `; then ${after}`,
      ].join('');
    }),
    ...(promotion === '' ? [] : [`then: ${promotion}`]),
    bake.for > 0
      ? `100 %: baked for ${duration(bake.for)}${warm}${end === '' ? '' : `; then ${end}`}`
      : '100 %',
    ...(watching === '' ? [] : [`all the while a yes leads back: ${watching}`]),
  ];
}

/** The traffic a plan is reckoned with. */
export interface Traffic {
  /** Requests a second of both versions together. */
  readonly perSecond: number;
  /** Distinct users a second of both versions together. */
  readonly keysPerSecond: number;
  /** Seconds until the judge can tell at a weight, if versions are equal; undefined: nobody knows. */
  readonly secondsToVerdict: (weight: number) => number | undefined;
}

/** How long a plan takes, in seconds, bake included. */
export interface Estimate {
  readonly low: number;
  readonly high: number;
  /** Whether it may take longer: a step may hold, or a gate may wait for somebody. */
  readonly open: boolean;
}

/** Moments at which a rollout waits for a gate. */
const DOORS: ReadonlySet<Gate['moment']> = new Set(['start', 'before', 'after', 'promotion', 'bake']);

/** The shortest and the longest that a plan takes to the end of its bake, if it is not taken back. */
export function estimate({ steps, gates, bake }: Plan, traffic: Traffic): Estimate {
  const spans = steps.map((step) => span(step, traffic));
  const sum = (of: (span: Estimate) => number): number =>
    spans.reduce((total, each) => total + of(each), bake.for);
  const waits = [...gates, ...steps.flatMap((step) => step.gates)].some(
    ({ kind, moment }) => kind !== 'smoke' && DOORS.has(moment),
  );
  return {
    low: sum(({ low }) => low),
    high: sum(({ high }) => high),
    open: waits || spans.some(({ open }) => open),
  };
}

function span({ weight, atLeast, atMost, needs, onTimeout }: Step, traffic: Traffic): Estimate {
  if (needs === 'nothing') return { low: atLeast, high: atLeast, open: false };
  const evidence =
    needs === 'verdict'
      ? (traffic.secondsToVerdict(weight) ?? Number.POSITIVE_INFINITY)
      : 'requests' in needs
        ? needs.requests / ((traffic.perSecond * weight) / 100)
        : needs.keys / ((traffic.keysPerSecond * weight) / 100);
  const holds = onTimeout === 'hold' && evidence > atMost;
  const low = Math.max(atLeast, holds && Number.isFinite(evidence) ? evidence : Math.min(evidence, atMost));
  return { low, high: Math.max(low, atMost), open: onTimeout === 'hold' };
}

/** "between 22 min and 2 h", and what may make it longer. */
export function tellEstimate({ low, high, open }: Estimate): string {
  const range =
    duration(low) === duration(high)
      ? `about ${duration(low)}`
      : `between ${duration(low)} and ${duration(high)}`;
  return open ? `${range}, or longer where it has to wait` : range;
}
