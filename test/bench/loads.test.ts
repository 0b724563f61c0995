import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseRequestLog } from '../../bench/h2load.ts';
import { parseTimes } from '../../bench/stime.ts';
import { parseWrk } from '../../bench/wrk.ts';

test('the result of wrk is read from the line below its own report', () => {
  const printed = `Running 1s test @ http://127.0.0.1:21000/
  1 threads and 64 connections
Requests/sec:  45230.09
done {"microseconds":1002000,"requests":45321,"bytes":9064200,"p50":1250,"p99":6980,"errors":3}
`;
  assert.deepEqual(parseWrk(printed), {
    seconds: 1.002,
    requests: 45_321,
    bytes: 9_064_200,
    p50: 1.25,
    p99: 6.98,
    errors: 3,
  });
});

test('a wrk that printed no result is an error that shows what it printed', () => {
  assert.throws(() => parseWrk('unable to connect\n'), /unable to connect/);
});

test('requests of the run-up are not counted', () => {
  const log = [
    [5_000_000, 200, 90_000],
    [5_999_999, 500, 90_000],
    [6_000_000, 200, 1_000],
    [6_500_000, 200, 2_000],
    [7_000_000, 503, 3_000],
    [7_997_000, 200, 3_000],
  ];
  const text = log.map((fields) => `${fields.join('\t')}\n`).join('');
  const result = parseRequestLog(text, 1);
  assert.equal(result.rate, 2);
  assert.equal(result.p50, 2.5);
  assert.equal(result.errors, 1);
});

test('an empty log has no latency', () => {
  const { p50, errors } = parseRequestLog('', 1);
  assert.ok(Number.isNaN(p50));
  assert.equal(errors, 0);
});

test('connections of s_time count only if every one of them resumed, or none where none shall', () => {
  const printed = (letters: string) =>
    `Collecting connection statistics for 1 seconds\nstarting\n${letters}\n\n4 connections in 0.12s; 33.33 connections/user sec, bytes read 372\n4 connections in 2 real seconds, 93 bytes read per connection\n`;
  assert.deepEqual(parseTimes(printed('rrrr'), 'reuse'), { requests: 4, rate: 2, errors: 0 });
  assert.equal(parseTimes(printed('rr*r'), 'reuse').errors, 4);
  assert.equal(parseTimes(printed('****'), 'new').errors, 0);
  assert.equal(parseTimes(printed('***r'), 'new').errors, 4);
  assert.throws(() => parseTimes('ERROR\n', 'new'), /no connection: ERROR/);
});
