import { parseDuration } from '../admin/duration.ts';
import type { FleetView, ServiceList, ServiceView, VersionSummary } from '../model/api.ts';
import type { EndpointView } from '../model/health.ts';
import type { Change, FleetReceipt, Receipt } from '../model/record.ts';
import { type Admin, ask } from './ask.ts';
import { columns } from './columns.ts';
import { type Call, EXIT, type Exit, type Option, UsageError, type Verb } from './verb.ts';

/** The verbs that ask a running Spillway. They know its admin API, and nothing of its insides. */

const ADMIN = 'http://127.0.0.1:8081';
/** Milliseconds that the network and the API may take, beyond what the workers are given. */
export const PATIENCE = 5_000;

export const ASKING: Readonly<Record<string, Option>> = {
  admin: { value: 'URL', says: `Where its admin API is. Default: SPILLWAY_ADMIN, else ${ADMIN}.` },
  timeout: { value: 'TIME', says: 'How long to wait, as 500ms or 10s; 30s at most. Default 2s.' },
  json: { says: 'Print the answer as JSON.' },
};
export const CHANGING: Readonly<Record<string, Option>> = {
  reason: { value: 'TEXT', says: 'Why; stands in the audit log.' },
  'if-match': { value: 'REVISION', says: 'Only if this is still the newest revision.' },
};
export const TOKEN = 'The token, where one is needed, is read from SPILLWAY_TOKEN.';

const status: Verb = {
  usage: '[SERVICE]',
  summary: 'Show how traffic is split, and how each version is doing.',
  words: [0, 1],
  options: ASKING,
  details: TOKEN,
  async run(call) {
    const [service] = call.positionals;
    const path = service === undefined ? '/v1/services' : `/v1/services/${encodeURIComponent(service)}`;
    const text = await ask(adminOf(call), { method: 'GET', path, timeout: timeoutOf(call) + PATIENCE });
    // What the server says is shaped by the schemas that these types are made of.
    if (call.flag('json')) call.say(`${text}\n`);
    else if (service === undefined) call.say(listText(JSON.parse(text) as ServiceList));
    else call.say(servicesText([JSON.parse(text) as ServiceView]));
    return EXIT.done;
  },
};

const weights: Verb = {
  usage: 'SERVICE VERSION=PERCENT...',
  summary: 'Split the traffic of a service anew.',
  words: [2, Number.POSITIVE_INFINITY],
  options: { ...CHANGING, ...ASKING },
  details: `The percentages must add up to 100, as in: spillway weights checkout stable=95 canary=5\n${TOKEN}`,
  run(call) {
    const [service, ...parts] = call.positionals;
    return change(call, 'PUT', service!, 'weights', { weights: weightsOf(parts) });
  },
};

const rollback: Verb = {
  usage: 'SERVICE [--to VERSION]',
  summary: 'Send all traffic back to the version that last held it.',
  words: [1, 1],
  options: { to: { value: 'VERSION', says: 'Go back to this version instead.' }, ...CHANGING, ...ASKING },
  details: TOKEN,
  run(call) {
    const to = call.text('to');
    return change(call, 'POST', call.positionals[0]!, 'rollback', to === undefined ? {} : { to });
  },
};

const fleet: Verb = {
  usage: '',
  summary: 'Show the replicas that share the store, and who leads.',
  words: [0, 0],
  options: ASKING,
  details: TOKEN,
  async run(call) {
    const text = await ask(adminOf(call), {
      method: 'GET',
      path: '/v1/fleet',
      timeout: timeoutOf(call) + PATIENCE,
    });
    const view = JSON.parse(text) as FleetView;
    call.say(call.flag('json') ? `${text}\n` : fleetText(view));
    return view.replicas.some(({ silent }) => silent) || !view.store.up ? EXIT.incomplete : EXIT.done;
  },
};

export const REMOTE: Readonly<Record<string, Verb>> = { status, weights, rollback, fleet };

async function change(
  call: Call,
  method: 'PUT' | 'POST',
  service: string,
  action: string,
  body: object,
): Promise<Exit> {
  const timeout = timeoutOf(call);
  const reason = call.text('reason');
  const text = await ask(adminOf(call), {
    method,
    path: `/v1/services/${encodeURIComponent(service)}/${action}?wait=all&timeout=${timeout}ms`,
    body: reason === undefined ? body : { ...body, reason },
    headers: preconditionOf(call),
    timeout: timeout + PATIENCE,
  });
  const made = JSON.parse(text) as Change;
  call.say(call.flag('json') ? `${text}\n` : changeText(made));
  return made.receipt?.live === false ? EXIT.incomplete : EXIT.done;
}

export function adminOf(call: Call): Admin {
  const url = call.text('admin') ?? call.env['SPILLWAY_ADMIN'] ?? ADMIN;
  if (!/^(https?:\/\/|unix:\/)/.test(url) || !URL.canParse(url))
    throw new UsageError(`"${url}" is not where an admin API can be; write ${ADMIN} or unix:/path.`);
  return { url, token: call.env['SPILLWAY_TOKEN'] };
}

export function timeoutOf(call: Call): number {
  const text = call.text('timeout') ?? '2s';
  const time = parseDuration(text);
  if (time === undefined || time > 30_000)
    throw new UsageError(`"${text}" is not a time to wait; write 500ms or 10s, 30s at most.`);
  return time;
}

export function preconditionOf(call: Call): Record<string, string> {
  const revision = call.text('if-match');
  if (revision === undefined) return {};
  if (!/^\d+$/.test(revision))
    throw new UsageError(`"${revision}" is not a revision; \`spillway status\` shows the newest.`);
  return { 'if-match': `"${revision}"` };
}

/** Reads `stable=95 canary=5`. Throws UsageError on anything else. */
function weightsOf(parts: readonly string[]): Record<string, number> {
  const read = new Map<string, number>();
  for (const part of parts) {
    const [, version, percent] = /^([^=]+)=(\d+(?:\.\d+)?)%?$/.exec(part) ?? [];
    if (version === undefined || percent === undefined)
      throw new UsageError(`"${part}" is not a weight; write VERSION=PERCENT, as in canary=5.`);
    if (read.has(version)) throw new UsageError(`The weight of "${version}" is given twice.`);
    read.set(version, Number(percent));
  }
  return Object.fromEntries(read);
}

function listText({ revision, workers, services }: ServiceList): string {
  const crew = workers.map(({ worker, pid, revision: at, overloaded }) => [
    String(worker),
    String(pid),
    at === revision ? String(at) : `${at} (behind)`,
    overloaded === undefined ? '' : `overloaded: ${overloaded}`,
  ]);
  return `Revision ${revision}\n\n${servicesText(services)}\n${columns([['WORKER', 'PID', 'REVISION', ''], ...crew], [0, 1])}`;
}

function fleetText({ fleet: name, store, revision, replicas }: FleetView): string {
  const rows = replicas.map(
    ({ replica, leads, version, revision: at, behind, workers, seen, silent, clockOffset }) => [
      replica,
      leads ? 'leads' : '',
      version,
      behind > 0 ? `${at} (${behind} behind)` : String(at),
      String(workers),
      silent ? `silent since ${seen}` : 'now',
      `${clockOffset} ms`,
    ],
  );
  const heads = ['REPLICA', '', 'VERSION', 'REVISION', 'WORKERS', 'SEEN', 'CLOCK'];
  const reached = store.up
    ? ''
    : `The store is not reached since ${store.since}: ${store.why}. What is served stays as it is; rollbacks work, on this replica.\n`;
  return `Fleet ${name}, revision ${revision}\n${reached}\n${columns([heads, ...rows], [4, 6])}`;
}

function servicesText(services: readonly ServiceView[]): string {
  const rows = services.flatMap(({ name, versions }) =>
    Object.entries(versions).map(([version, { weight, inFlight, totals, standing }], index) => [
      index === 0 ? name : '',
      version,
      `${weight} %`,
      String(totals.requests),
      String(totals.errors),
      latencyText(totals, 'p50'),
      latencyText(totals, 'p99'),
      String(inFlight),
      standing.map(endpointText).join(' '),
    ]),
  );
  const heads = [
    'SERVICE',
    'VERSION',
    'WEIGHT',
    'REQUESTS',
    'ERRORS',
    'P50',
    'P99',
    'IN FLIGHT',
    'ENDPOINTS',
  ];
  return columns([heads, ...rows], [2, 3, 4, 5, 6, 7]);
}

/** Where it is, and what keeps it from being used. */
function endpointText({ endpoint, address = endpoint, state, used, says }: EndpointView): string {
  if (state === 'up' || state === 'unknown') return address;
  return `${address} (${state}${used ? ', but used as too few are left' : ''}: ${says})`;
}

function latencyText(totals: VersionSummary, which: 'p50' | 'p99'): string {
  const latency = totals[which];
  return latency === undefined ? '-' : `${latency < 10 ? latency.toFixed(2) : latency.toFixed(0)} ms`;
}

function changeText({ service, revision, changed, split, durable, local, receipt }: Change): string {
  const rows = Object.entries(split.weights).map(([version, weight]) => [`  ${version}`, `${weight} %`]);
  const made = changed
    ? `${service}, revision ${revision}:`
    : `${service} already stood so, at revision ${revision}:`;
  const kept = durable
    ? ''
    : `The store cannot be written: this is live${local ? ' on this replica alone' : ''}, and is stored as soon as that works again.\n`;
  return `${made}\n${columns(rows, [1])}${receipt === undefined ? '' : receiptText(receipt)}${kept}`;
}

function receiptText({ live, workers, missing, lastRequestAt, fleet }: Receipt): string {
  const serving = live
    ? `Live on ${workers.length === 1 ? 'the one worker' : `all ${workers.length} workers`}.`
    : `Live on ${workers.length} of ${workers.length + missing.length} workers; not confirmed by ${missing.join(', ')}.`;
  const last =
    lastRequestAt === undefined ? '' : ` The last request to a version left was sent at ${lastRequestAt}.`;
  return `${fleet === undefined ? serving : replicasText(fleet)}${last}\n`;
}

function replicasText({ of, live, missing }: FleetReceipt): string {
  return live === of
    ? `Live on ${of === 1 ? 'the one replica' : `all ${of} replicas`}.`
    : `Live on ${live} of ${of} replicas; not confirmed by ${missing.join(', ')}.`;
}
