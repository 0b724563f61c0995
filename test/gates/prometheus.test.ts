import assert from 'node:assert/strict';
import { test } from 'node:test';
import { askPrometheus, fillIn } from '../../src/gates/prometheus.ts';
import type { Gate } from '../../src/model/gate.ts';
import { runPrometheus } from '../metrics/prometheus.ts';
import { need } from '../support/need.ts';
import {
  broken,
  circumstancesOf,
  HandWorld,
  json,
  type Manner,
  mute,
  Receiver,
  untroubled,
} from './parts.ts';

type Prometheus = Extract<Gate, { kind: 'prometheus' }>;

const QUERY = 'avg(cpu{service="{{service}}", version="{{ version }}"})';

function gateTo(receiver: Receiver, rest: Partial<Prometheus> = {}): Prometheus {
  const url = `http://${receiver.address}`;
  return { name: 'cpu', moment: 'during', kind: 'prometheus', url, query: QUERY, ...rest };
}

function ask(gate: Prometheus, world = new HandWorld()) {
  return askPrometheus(gate, circumstancesOf(), world, untroubled());
}

function vector(...values: readonly string[]): Manner {
  const result = values.map((value, i) => ({ metric: { i: `${i}` }, value: [1767268800, value] }));
  return json({ status: 'success', data: { resultType: 'vector', result } });
}

/** A value for each version. */
function byVersion(values: Readonly<Record<string, string>>): Manner {
  return (received) => {
    const query = new URLSearchParams(received.body).get('query') ?? '';
    const version = Object.keys(values).find((each) => query.includes(`"${each}"`)) ?? '';
    const manner = vector(values[version] ?? 'NaN');
    if (typeof manner === 'function') manner(received);
  };
}

const scalar = (value: string) =>
  json({ status: 'success', data: { resultType: 'scalar', result: [1, value] } });

const answers: readonly (readonly [string, Manner, Partial<Prometheus>, string, RegExp])[] = [
  ['a value below atMost', vector('0.5'), { atMost: 0.5 }, 'pass', /^v2 has 0.5, at most 0.5 is wanted/],
  ['a value above atMost', vector('0.51'), { atMost: 0.5 }, 'fail', /^v2 has 0.51, at most 0.5/],
  ['a value above atLeast', vector('3'), { atLeast: 3 }, 'pass', /at least 3/],
  ['a value below atLeast', vector('2.9'), { atLeast: 3 }, 'fail', /^v2 has 2.9, at least 3 is wanted/],
  ['a scalar', scalar('1'), { atMost: 1 }, 'pass', /^v2 has 1/],
  [
    'a value that is as a ratio small',
    byVersion({ v1: '2', v2: '2.2' }),
    { ratioAtMost: 1.1 },
    'pass',
    /v1 2/,
  ],
  [
    'a value that is as a ratio great',
    byVersion({ v1: '2', v2: '2.3' }),
    { ratioAtMost: 1.1 },
    'fail',
    /times/,
  ],
  ['twice nothing', byVersion({ v1: '0', v2: '0' }), { ratioAtMost: 1.1 }, 'pass', /v2 has 0 and v1 0/],
  [
    'something against nothing',
    byVersion({ v1: '0', v2: '1' }),
    { ratioAtMost: 9 },
    'fail',
    /has 1 and v1 0/,
  ],
  ['less than nothing', byVersion({ v1: '-1', v2: '1' }), { ratioAtMost: 9 }, 'unknown', /below 0/],
  ['no data of the other', byVersion({ v2: '1' }), { ratioAtMost: 9 }, 'unknown', /value of v1 is NaN/],
  [
    'a query for both that tells no version',
    vector('1'),
    { ratioAtMost: 9, query: 'up' },
    'unknown',
    /nowhere/,
  ],
  [
    'a name nobody knows',
    vector('1'),
    { atMost: 9, query: 'a{b="{{pod}}"}' },
    'unknown',
    /\{\{pod\}\}.*not known/,
  ],
  ['no data', vector(), { atMost: 1 }, 'unknown', /no data of v2/],
  ['NaN', vector('NaN'), { atMost: 1 }, 'unknown', /value of v2 is NaN/],
  ['infinity', vector('+Inf'), { atLeast: 1 }, 'unknown', /is \+Inf/],
  ['an empty value', vector(''), { atMost: 1 }, 'unknown', /is none/],
  ['two series', vector('1', '2'), { atMost: 9 }, 'unknown', /2 series for v2; add them up/],
  [
    'a string',
    json({ status: 'success', data: { resultType: 'string', result: [1, 'x'] } }),
    { atMost: 9 },
    'unknown',
    /gives a string/,
  ],
  [
    'an error',
    json({ status: 'error', error: 'parse error' }, 400),
    { atMost: 9 },
    'unknown',
    /400: parse error/,
  ],
  [
    'no JSON',
    ({ response }) => response.writeHead(502).end('<html>'),
    { atMost: 9 },
    'unknown',
    /502, and no JSON/,
  ],
  ['null', json(null), { atMost: 9 }, 'unknown', /200: it does not say why/],
  ['a redirect', 302, { atMost: 9 }, 'unknown', /answered 302/],
  ['no answer', broken, { atMost: 9 }, 'unknown', /could not be asked: other side closed/],
];
for (const [what, manner, rest, answer, says] of answers) {
  test(`Of ${what} it makes: ${answer}`, async (t) => {
    const receiver = await Receiver.open(t, manner);
    const result = await ask(gateTo(receiver, rest));
    assert.equal(result.answer, answer, result.says);
    assert.match(result.says, says);
  });
}

test('The query is posted to the API below the URL, with the names filled in', async (t) => {
  const receiver = await Receiver.open(t, vector('1'));
  const world = new HandWorld({ TOKEN: 'Bearer abc' });
  const headers = { authorization: 'env:TOKEN' };
  await ask(gateTo(receiver, { url: `http://${receiver.address}/prom/`, headers, atMost: 1 }), world);
  const asked = await receiver.next();
  assert.equal(`${asked.method} ${asked.url}`, 'POST /prom/api/v1/query');
  assert.equal(asked.headers.authorization, 'Bearer abc');
  assert.equal(new URLSearchParams(asked.body).get('query'), 'avg(cpu{service="shop", version="v2"})');
});

test('A name cannot end the string it stands in', () => {
  const names = { service: `a"} or up{b='`, version: 'back\\slash\n`' };
  assert.equal(fillIn('x{s="{{service}}"}', names), `x{s="a\\"} or up{b=\\'"}`);
  assert.equal(fillIn('{{version}}', names), 'back\\\\slash\\n\\`');
});

test('A Prometheus inside is asked unless that is forbidden', async (t) => {
  const receiver = await Receiver.open(t, vector('1'));
  const { answer, says } = await ask(gateTo(receiver, { atMost: 1, allowPrivate: false }));
  assert.equal(answer, 'unknown');
  assert.match(says, /private address/);
});

test('One that does not answer in time is unknown', async (t) => {
  const receiver = await Receiver.open(t, mute);
  const world = new HandWorld();
  const asking = ask(gateTo(receiver, { atMost: 1, timeout: 5 }), world);
  await receiver.next();
  await world.pass(5000);
  assert.match((await asking).says, /no answer within 5000 ms/);
});

test('A real Prometheus is understood', { timeout: 120_000 }, async (t) => {
  if (!need(t, 'prometheus')) return;
  const url = await runPrometheus(t);
  const valued = (expression: string) =>
    `sum by (version) (label_replace(${expression}, "version", "{{version}}", "", "")) > -1`;
  for (const [query, bound, answer, says] of [
    [valued('vector(2)'), { atMost: 2 }, 'pass', /^v2 has 2,/],
    [valued('vector(2.5)'), { atMost: 2 }, 'fail', /^v2 has 2.5,/],
    ['scalar(vector(7))', { atLeast: 7 }, 'pass', /^v2 has 7,/],
    [valued('vector(3)'), { ratioAtMost: 1 }, 'pass', /^v2 has 3 and v1 3,/],
    ['vector(1) / 0', { atMost: 2 }, 'unknown', /is \+Inf/],
    ['vector(0) / 0', { atMost: 2 }, 'unknown', /is NaN/],
    ['absent_metric{version="{{version}}"}', { atMost: 2 }, 'unknown', /no data of v2/],
    ['vector(1) or label_replace(vector(2), "a", "b", "", "")', { atMost: 2 }, 'unknown', /2 series/],
    ['"text"', { atMost: 2 }, 'unknown', /gives a string/],
    ['up[5m]', { atMost: 2 }, 'unknown', /gives a matrix/],
    ['sum(', { atMost: 2 }, 'unknown', /answered 400: .*parse error/],
  ] as const) {
    const gate: Prometheus = { name: 'x', moment: 'during', kind: 'prometheus', url, query, ...bound };
    const result = await ask(gate);
    assert.equal(result.answer, answer, `${query}: ${result.says}`);
    assert.match(result.says, says);
  }
});
