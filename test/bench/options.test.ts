import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Options, parseOptions } from '../../bench/options.ts';

const known = { rivals: ['spillway', 'nginx', 'caddy'], rows: ['small', '1m'] };

function parsed(...args: string[]): Options {
  const options = parseOptions(args, known);
  assert.notEqual(options, 'help');
  return options as Options;
}

test('without arguments everything is measured', () => {
  const { rounds, seconds, rivals, rows } = parsed();
  assert.deepEqual({ rounds, seconds, rivals, rows }, { rounds: 5, seconds: 5, ...known });
});

test('quick rounds are short and can still be lengthened', () => {
  assert.equal(parsed('--quick').seconds, 1);
  assert.deepEqual([parsed('--quick', '--seconds', '3').seconds, parsed('--quick').rounds], [3, 2]);
});

test('names keep the order of the report', () => {
  assert.deepEqual(parsed('--only', 'caddy,spillway').rivals, ['spillway', 'caddy']);
});

test('an unknown name is refused with the names there are', () => {
  assert.throws(() => parsed('--only', 'nginx,envoy'), /"envoy".*spillway, nginx, caddy/);
  assert.throws(() => parsed('--rows', 'tiny'), /"tiny".*small, 1m/);
});

test('a number that is none is refused', () => {
  for (const text of ['0', '-1', '1.5', 'many']) {
    assert.throws(() => parsed(`--rounds=${text}`), /whole number/);
  }
});
