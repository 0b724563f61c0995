import { INLET } from '../src/base/inlet.ts';
import { Head, parseRequest, parseResponse } from '../src/http/head.ts';
import { requestDrops, requestLines } from '../src/http/rewrite.ts';
import { Ledger } from '../src/metrics/ledger.ts';
import { TrialRecorder } from '../src/metrics/trial.ts';
import { settingsOf } from '../src/model/settings.ts';
import type { Service, Split, State } from '../src/model/state.ts';
import { findCookie } from '../src/routing/key.ts';
import { compileSplit } from '../src/routing/split.ts';
import { compileTable, resolveService } from '../src/routing/table.ts';
import { describeMachine, pinSelf } from './machine.ts';
import { summarise } from './statistics.ts';

/**
 * What the steps of the hot path cost by themselves, in nanoseconds. Good for seeing what a change of one of
 * them did; what a request costs is seen in `run.ts` alone, since two thirds of it is the kernel's.
 */

const BATCHES = 30;
const BATCH_MS = 20;
const WARM_UP_MS = 200;

/** A step. What it returns is added up and shown to nobody, but keeps the compiler from leaving it out. */
type Step = (i: number) => number;

const REQUEST = received(0, [
  'GET /api/v1/items/17?q=hello&page=3 HTTP/1.1',
  'Host: shop.example.com',
  'User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Safari/537.36',
  'Accept: application/json, text/plain, */*',
  'Accept-Encoding: gzip, deflate, br',
  'Accept-Language: en-US,en;q=0.9',
  'Cookie: theme=dark; uid=user17; session=0123456789abcdef0123456789abcdef',
  'Referer: https://shop.example.com/',
  '\r\n',
]);
const RESPONSE = received(8_192, [
  'HTTP/1.1 200 OK',
  'Server: nginx/1.22.1',
  'Date: Sun, 22 Nov 2026 20:50:00 GMT',
  'Content-Type: application/json',
  'Content-Length: 93',
  'Connection: keep-alive',
  '\r\n',
]);
const limits = settingsOf({ listen: [] }, 1).proxy.limits;
const head = new Head();
const users = Array.from({ length: 2_000 }, (_, i) => Buffer.from(`user${i}`));
const span = { start: 0, end: 0 };
const uid = Buffer.from('uid');
const cookies = INLET.subarray(INLET.indexOf('theme='), INLET.indexOf('\r\nReferer'));
const ledger = new Ledger('shop', 'stable');
const drops = requestDrops({ trusted: false, underscores: 'drop' });

const STEPS: Readonly<Record<string, Step>> = {
  'parse a request head': () => parseRequest(INLET, REQUEST.start, REQUEST.end, head, limits),
  'parse and rewrite a request head': () => {
    parseRequest(INLET, REQUEST.start, REQUEST.end, head, limits);
    return requestLines(INLET, head, drops).length;
  },
  'parse a response head': () => parseResponse(INLET, RESPONSE.start, RESPONSE.end, head, limits),
  'find a cookie': () => (findCookie(cookies, 0, cookies.length, uid, span) ? span.start : 0),
  'route among 1 service': route(1),
  'route among 10000 services': route(10_000),
  'split over 2 versions': split({ stable: 95, canary: 5 }),
  'split over 6 versions': split({ a: 50, b: 10, c: 10, d: 10, e: 10, f: 10 }),
  'record an exchange': (i) => {
    ledger.begin();
    ledger.record(200, false, (i & 1023) / 100, (i & 4095) / 100, 0, 93);
    return ledger.inFlight;
  },
  'count it for a trial of requests': trial(false),
  'count it for a trial of keys': trial(true),
};

/** Puts a head where sockets are read into. */
function received(start: number, lines: readonly string[]): { readonly start: number; readonly end: number } {
  return { start, end: start + INLET.write(lines.join('\r\n'), start, 'latin1') };
}

function splitOf(weights: Split['weights']): Split {
  return { weights, salt: 'salt', hashVersion: 1, cause: 'seed', since: '2026-01-01T00:00:00Z' };
}

function split(weights: Split['weights']): Step {
  const compiled = compileSplit(splitOf(weights), Object.keys(weights));
  return (i) => {
    const user = users[i % users.length]!;
    return compiled.choose(user, 0, user.length);
  };
}

function route(count: number): Step {
  const service = (i: number): Service => ({
    match: [{ host: `service-${i}.example.com`, path: '/api' }],
    versions: { stable: { endpoints: ['127.0.0.1:9001'] } },
    split: splitOf({ stable: 100 }),
    wholes: ['stable'],
  });
  const services = Object.fromEntries(Array.from({ length: count }, (_, i) => [`service-${i}`, service(i)]));
  const state: State = { revision: 1, services };
  const table = compileTable(state, undefined, () => undefined);
  const host = `service-${Math.floor(count / 2)}.example.com`;
  return () => {
    const found = resolveService(table.routes(host)!, '/api/v1/items/17?q=hello&page=3');
    return typeof found === 'object' ? found.versions.length : 0;
  };
}

/** What a request costs while its service is in a rollout: assigned, waited for, ended. */
function trial(sticky: boolean): Step {
  const recorder = new TrialRecorder(
    {
      rollout: 'r',
      epoch: 1,
      baseline: 'stable',
      candidate: 'canary',
      sticky,
      latency: { warmUp: 0, p95: 100, p99: 140 },
    },
    0,
  );
  const arms = ['stable', 'canary'].map((version) => recorder.arm(version, 5, 95)!);
  return (i) => {
    const user = users[i % users.length]!;
    const arm = arms[i % 20 === 0 ? 1 : 0]!;
    const latency = (i & 1023) / 100;
    const ticket = arm.assign(user, 0, user.length, true, i);
    arm.wait(ticket, latency);
    arm.end(ticket, 200, false, latency);
    return ticket;
  };
}

/** Nanoseconds by step, one value a batch. */
function time(step: Step): number[] {
  let sum = 0;
  let size = 1;
  const batch = () => {
    const from = performance.now();
    for (let i = 0; i < size; i++) sum += step(i);
    return performance.now() - from;
  };
  for (let spent = 0; spent < WARM_UP_MS; ) {
    const took = batch();
    spent += took;
    if (took < BATCH_MS) size *= 2;
  }
  const nanoseconds = Array.from({ length: BATCHES }, () => (batch() / size) * 1e6);
  if (Number.isNaN(sum)) throw new Error('a step returned no number');
  return nanoseconds;
}

pinSelf();
const { cpu, cores, node, commit, changed } = describeMachine();
console.log(`${cpu}, ${cores} cores, Node ${node}, commit ${commit}${changed ? ' with changes' : ''}`);
console.log(`ns by step: median (least–greatest) of ${BATCHES} batches of some ${BATCH_MS} ms\n`);
for (const [name, step] of Object.entries(STEPS)) {
  const { median, min, max } = summarise(time(step))!;
  console.log(`${name.padEnd(34)} ${median.toFixed(0).padStart(6)} (${min.toFixed(0)}–${max.toFixed(0)})`);
}
