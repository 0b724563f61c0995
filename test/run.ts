import { readdirSync, statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { FileRun, type Outcome } from './support/filerun.ts';

/**
 * Runs test files one after another: `node dist/test/run.js [file or directory of dist/test …]`, all of them if
 * none is named. Ends with 1 if one failed. From the environment:
 *
 * - SPILLWAY_TEST_LIMIT: seconds that a file may take, 600 if not said.
 * - SPILLWAY_TEST_AGAIN: how often a file that failed is run again at the end, 0 if not said. Whatever passed only
 *   then is named.
 */
const HOME = dirname(fileURLToPath(import.meta.url));
const LIMIT = Number(process.env['SPILLWAY_TEST_LIMIT'] ?? 600) * 1000;
const AGAIN = Number(process.env['SPILLWAY_TEST_AGAIN'] ?? 0);

function filesOf(named: readonly string[]): string[] {
  return named
    .flatMap((path) =>
      statSync(path).isDirectory()
        ? readdirSync(path, { recursive: true, encoding: 'utf8' })
            .filter((name) => name.endsWith('.test.js'))
            .map((name) => join(path, name))
        : [path],
    )
    .sort();
}

async function runAll(files: readonly string[]): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const file of files) {
    console.log(`— ${relative(HOME, file)}`);
    const run = new FileRun(file, { limit: LIMIT });
    // Whoever ends this ends the file that runs, and whatever that has started.
    const end = (): void => run.end();
    process.once('exit', end);
    outcomes.push(await run.outcome);
    process.off('exit', end);
  }
  return outcomes;
}

function nameOf({ file }: Outcome): string {
  return relative(HOME, file);
}

for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)
  process.once(signal, () => process.exit(code));

const began = performance.now();
const named = process.argv.slice(2);
const first = await runAll(filesOf(named.length === 0 ? [HOME] : named));
let failed = first.filter(({ passed }) => !passed);
const wavering = new Set<Outcome>();
for (let again = 1; again <= AGAIN && failed.length > 0; again++) {
  console.log(`\nonce more: ${failed.map(nameOf).join(', ')}`);
  const second = await runAll(failed.map(({ file }) => file));
  for (const [i, { passed }] of second.entries()) if (passed) wavering.add(failed[i]!);
  failed = second.filter(({ passed }) => !passed);
}

for (const outcome of [...wavering, ...failed])
  console.log(`\n== ${nameOf(outcome)} failed ==\n${outcome.complaint}`);
const sum = (of: string): number => first.reduce((total, { counts }) => total + (counts.get(of) ?? 0), 0);
console.log(
  `\n${first.length} files, ${sum('tests')} tests: ${sum('pass')} passed, ${sum('fail') + sum('cancelled')} failed, ` +
    `${sum('skipped')} skipped, in ${Math.round((performance.now() - began) / 1000)} s`,
);
if (wavering.size > 0) console.log(`passed only when run again: ${[...wavering].map(nameOf).join(', ')}`);
if (failed.length > 0) console.log(`failed: ${failed.map(nameOf).join(', ')}`);
process.exit(failed.length > 0 ? 1 : 0);
