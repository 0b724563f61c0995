import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Script } from './script.ts';

/**
 * Every transcript in test/scenarios, run and held against what it says. When behaviour changes on purpose,
 * SCENARIOS=write writes them anew, and the diff is what is to be reviewed.
 */
const HERE = join('test', 'scenarios');

for (const file of readdirSync(HERE).filter((name) => name.endsWith('.txt'))) {
  test(`${file.slice(0, -4)} goes as its transcript says`, () => {
    const path = join(HERE, file);
    const told = readFileSync(path, 'utf8');
    const run = rerun(told);
    if (process.env['SCENARIOS'] === 'write') writeFileSync(path, run);
    else assert.equal(run, told);
  });
}

/** The same transcript with the outcomes that there are now. A paragraph without dashes is a comment. */
function rerun(told: string): string {
  let script = new Script();
  return told
    .trimEnd()
    .split(/\n\n+/)
    .map((block) => {
      if (block.startsWith('#')) return block;
      const [asked = ''] = block.split(/\n?----(?:\n|$)/);
      const [command = '', ...more] = asked.split('\n');
      if (command.startsWith('rollout ')) script = new Script();
      const lines = more.map((line) => line.trim()).filter((line) => line !== '');
      return [asked, '----', script.run(command, lines)].join('\n');
    })
    .join('\n\n')
    .concat('\n');
}
