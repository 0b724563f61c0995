import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cpuSeconds, memoryBytes, parsePss, parseStat, tree } from '../../bench/proc.ts';

const LINE =
  '4711 (odd) name (x)) S 42 4711 4711 0 -1 4194560 1000 0 0 0 120 34 5 6 20 0 1 0 1000 10000000 2000 184';

test('a stat line is read behind the last bracket of the command', () => {
  assert.deepEqual(parseStat(LINE), { pid: 4711, parent: 42, ticks: 165 });
});

test('the proportional set size is told in bytes', () => {
  const text = '55d0c0000000-7ffe00000000 ---p 00000000 00:00 0  [rollup]\nRss:    900 kB\nPss:    642 kB\n';
  assert.equal(parsePss(text), 642 * 1024);
});

test('this process is in its own tree and in its parent’s', () => {
  assert.equal(tree(process.pid)[0]?.pid, process.pid);
  assert.ok(tree(process.ppid).some((each) => each.pid === process.pid));
});

test('a process that is gone has no tree, no time and no memory', () => {
  const nobody = 2 ** 22 + 1;
  assert.deepEqual(tree(nobody), []);
  assert.equal(cpuSeconds(nobody), 0);
  assert.equal(memoryBytes(nobody), 0);
  assert.ok(memoryBytes(process.pid) > 0);
});
