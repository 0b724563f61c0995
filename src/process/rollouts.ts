import { setTimeout as pause } from 'node:timers/promises';
import {
  ORDERS,
  type OrderName,
  type OrderRequest,
  type RolloutRequest,
  type RolloutStart,
  type RolloutView,
} from '../model/api.ts';
import type { RolloutChange } from '../model/record.ts';
import { type Admin, ask, Unreachable } from './ask.ts';
import { ASKING, adminOf, CHANGING, PATIENCE, preconditionOf, TOKEN, timeoutOf } from './remote.ts';
import { termsIn } from './terms.ts';
import { type Call, EXIT, type Exit, UsageError, type Verb } from './verb.ts';

/** What watching a rollout ends with. */
const PROMOTED: Exit = 0;
const ROLLED_BACK: Exit = 1;
const UNKNOWN: Exit = 2;

/** Milliseconds between two looks at a rollout that is watched. */
const LOOK = 500;
/** How long a Spillway that does not answer may take to come back, ms. */
const RESTART = 30_000;
const ACTIONS = ['start', 'watch', 'release', ...ORDERS];

export const rollout: Verb = {
  usage: 'ACTION SERVICE|ROLLOUT [options]',
  summary: 'Start, watch and steer rollouts.',
  words: [2, 2],
  options: {
    candidate: { value: 'VERSION', says: 'start: the version that is to take over.' },
    baseline: { value: 'VERSION', says: 'start: from which. Default: the one with the most traffic.' },
    build: { value: 'BUILD', says: 'start: which build the candidate is. release: which is let go.' },
    strategy: {
      value: 'NAME',
      says: 'start: one that GET /v1/strategies lists. Default 1-5-25-50-100.',
    },
    policy: { value: 'NAME', says: 'start: how it is judged. Default standard.' },
    file: { value: 'FILE', says: 'start: strategy and policy, under these two names, YAML or JSON.' },
    plan: { says: 'start: only tell what would happen, and how long it would take.' },
    wait: { says: 'start: watch it to its end.' },
    for: { value: 'SECONDS', says: 'start --wait, watch: no longer than this. Default: to the end.' },
    gate: { value: 'NAME', says: 'approve: this one, of several.' },
    all: { says: 'promote: to full weight at once.' },
    ...CHANGING,
    ...ASKING,
  },
  details: `  start SERVICE --candidate VERSION   begin
  watch ROLLOUT                       a line for each change; ends with 0: promoted, 1: rolled back,
                                      2: not known yet when its time is over
  pause, resume, approve, promote, abort ROLLOUT
  release SERVICE --build BUILD       let a build that was rolled back be tried again

${TOKEN}`,
  async run(call) {
    const [action, name] = call.positionals as [string, string];
    if (action === 'start') return start(call, name);
    if (action === 'watch') return watch(call, name);
    if (action === 'release') return release(call, name);
    const order = ORDERS.find((each) => each === action);
    if (order === undefined)
      throw new UsageError(`There is no action "${action}"; the actions are ${ACTIONS.join(', ')}.`);
    return give(call, order, name);
  },
};

async function start(call: Call, service: string): Promise<Exit> {
  const candidate = call.text('candidate');
  if (candidate === undefined)
    throw new UsageError('Which version shall take over? Say --candidate VERSION.');
  const file = call.text('file');
  const [baseline, build, strategy, policy] = ['baseline', 'build', 'strategy', 'policy'].map(call.text);
  const body: RolloutRequest = {
    ...(file !== undefined && (await termsIn(file))),
    candidate,
    ...(baseline !== undefined && { baseline }),
    ...(build !== undefined && { build }),
    ...(strategy !== undefined && { strategy }),
    ...(policy !== undefined && { policy }),
    ...reasonOf(call),
  };
  const path = `/v1/services/${encodeURIComponent(service)}/rollouts${call.flag('plan') ? '?dryRun=plan' : ''}`;
  const text = await change(call, 'POST', path, body);
  const { plan, rollout } = JSON.parse(text) as RolloutStart;
  if (call.flag('json')) call.say(`${text}\n`);
  else {
    const steps = plan.steps.map((step) => `  ${step}\n`).join('');
    call.say(
      `${rollout === undefined ? 'It would go so:' : `Rollout ${rollout.id}:`}\n${steps}  takes ${plan.takes}\n`,
    );
  }
  return call.flag('wait') && rollout !== undefined ? watch(call, rollout.id) : EXIT.done;
}

async function give(call: Call, order: OrderName, id: string): Promise<Exit> {
  const gate = call.text('gate');
  const body: OrderRequest = {
    ...reasonOf(call),
    ...(order === 'approve' && gate !== undefined && { gate }),
    ...(order === 'promote' && call.flag('all') && { all: true }),
  };
  const text = await change(call, 'POST', `/v1/rollouts/${encodeURIComponent(id)}/${order}`, body);
  const { rollout } = JSON.parse(text) as RolloutChange;
  const { to, says } = rollout.history.at(-1)!;
  call.say(call.flag('json') ? `${text}\n` : `${id}: ${to}: ${says}\n`);
  return EXIT.done;
}

async function release(call: Call, service: string): Promise<Exit> {
  const build = call.text('build');
  if (build === undefined) throw new UsageError('Which build? Say --build BUILD.');
  const path = `/v1/services/${encodeURIComponent(service)}/quarantine/${encodeURIComponent(build)}`;
  const text = await change(call, 'DELETE', path);
  call.say(call.flag('json') ? `${text}\n` : `${service}: build ${build} may be tried again.\n`);
  return EXIT.done;
}

/** Tells every change of a rollout until it has ended, or until its time is over. */
async function watch(call: Call, id: string): Promise<Exit> {
  const admin = adminOf(call);
  const end = performance.now() + 1000 * secondsOf(call);
  let told = 0;
  for (;;) {
    const view = await shown(admin, id, timeoutOf(call) + PATIENCE);
    for (const line of view.history.filter(({ seq }) => seq > told)) {
      const by = line.by === undefined ? '' : ` (${line.by})`;
      call.say(
        call.flag('json') ? `${JSON.stringify(line)}\n` : `${line.at}  ${line.to}: ${line.says}${by}\n`,
      );
    }
    told = view.seq;
    if (view.phase.at === 'promoted') return PROMOTED;
    if (view.phase.at === 'rolledBack') return ROLLED_BACK;
    if (performance.now() + LOOK > end) {
      if (!call.flag('json')) call.say(`${view.status}\n`);
      return UNKNOWN;
    }
    await pause(LOOK);
  }
}

/** A rollout once it can be asked for: Spillway may be restarted while one is watched. */
async function shown(admin: Admin, id: string, timeout: number): Promise<RolloutView> {
  const end = performance.now() + RESTART;
  for (;;) {
    try {
      return await show(admin, id, timeout);
    } catch (error) {
      if (!(error instanceof Unreachable) || performance.now() > end) throw error;
    }
    await pause(LOOK);
  }
}

async function show(admin: Admin, id: string, timeout: number): Promise<RolloutView> {
  const text = await ask(admin, { method: 'GET', path: `/v1/rollouts/${encodeURIComponent(id)}`, timeout });
  return JSON.parse(text) as RolloutView;
}

function change(call: Call, method: 'POST' | 'DELETE', path: string, body?: object): Promise<string> {
  const timeout = timeoutOf(call) + PATIENCE;
  const headers = preconditionOf(call);
  return ask(adminOf(call), { method, path, headers, timeout, ...(body && { body }) });
}

function reasonOf(call: Call): { reason?: string } {
  const reason = call.text('reason');
  return reason === undefined ? {} : { reason };
}

function secondsOf(call: Call): number {
  const text = call.text('for');
  if (text === undefined) return Number.POSITIVE_INFINITY;
  if (!/^\d{1,9}$/.test(text)) throw new UsageError(`"${text}" is not a number of seconds; write --for 600.`);
  return Number(text);
}
