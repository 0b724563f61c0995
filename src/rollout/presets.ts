import type { Bake, Step } from '../model/plan.ts';
import { USUAL_BAKE, USUAL_STEP } from './usual.ts';
import { duration } from './words.ts';

/** A plan under a name that people know. */
export interface Preset {
  readonly name: string;
  readonly says: string;
  readonly steps: readonly Step[];
  readonly bake: Bake;
}

/**
 * The presets of AWS (CodeDeploy for Lambda and ECS) go by the clock alone. Here their clock is the shortest
 * time, and each step wants to have seen a few requests as well: without evidence nobody knows, and not
 * knowing is no reason to send more.
 */
const FEW = 100;
const MINUTE = 60;

function byClock(weight: number, minutes: number): Step {
  const atLeast = minutes * MINUTE;
  return { ...USUAL_STEP, weight, atLeast, atMost: atLeast + USUAL_STEP.atMost, needs: { requests: FEW } };
}

function canary(name: string, weight: number, minutes: number, bake: Bake = USUAL_BAKE): Preset {
  const says = `${weight} % for ${minutes} min and ${FEW} requests, then everything; watched for ${duration(bake.for)} after`;
  return { name, says, steps: [byClock(weight, minutes)], bake };
}

function linear(name: string, percent: number, minutes: number): Preset {
  const count = Math.ceil(100 / percent) - 1;
  return {
    name,
    says: `${percent} % more every ${minutes} min and ${FEW} requests, ${duration((count + 1) * minutes * MINUTE)} in all; watched for ${duration(USUAL_BAKE.for)} after`,
    steps: Array.from({ length: count }, (_, index) => byClock(percent * (index + 1), minutes)),
    bake: USUAL_BAKE,
  };
}

/** All of them, in the order in which they are listed. */
export const PRESETS: readonly Preset[] = [
  {
    name: '1-5-25-50-100',
    says: '1, 5, 25 and 50 %, each until the judge can tell, then everything; watched for 24 h after',
    steps: [1, 5, 25, 50].map((weight) => ({ ...USUAL_STEP, weight })),
    bake: { for: 24 * 60 * MINUTE, keepWarm: USUAL_BAKE.keepWarm },
  },
  ...[5, 10, 15, 30].map((minutes) => canary(`Canary10Percent${minutes}Minutes`, 10, minutes)),
  ...[1, 2, 3, 10].map((minutes) =>
    linear(`Linear10PercentEvery${minutes}Minute${minutes === 1 ? '' : 's'}`, 10, minutes),
  ),
  canary('ECSCanary10Percent5Minutes', 10, 5),
  canary('ECSCanary10Percent15Minutes', 10, 15),
  canary('ECSCanary5Percent10Minutes', 5, 10),
  linear('ECSLinear10PercentEvery1Minutes', 10, 1),
  linear('ECSLinear10PercentEvery3Minutes', 10, 3),
  linear('ECSLinear10PercentEvery6Minutes', 10, 6),
  {
    name: 'AllAtOnce',
    says: `everything at once; watched for ${duration(USUAL_BAKE.for)} after`,
    steps: [],
    bake: USUAL_BAKE,
  },
];
