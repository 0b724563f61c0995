import { readdirSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { FileRun, type Outcome } from './support/filerun.ts';
import { insist, TOOLS } from './support/need.ts';

/**
 * Runs test files: `node dist/test/run.js [file or directory of dist/test …]`, all of them if none is named. Ends
 * with 1 if one failed. From the environment:
 *
 * - SPILLWAY_TEST_LIMIT: seconds that a file may take, 600 if not said.
 * - SPILLWAY_TEST_AT_ONCE: how many run at the same time; if not said, as many as there are cores, but at most 4.
 * - SPILLWAY_TEST_AGAIN: how often a file that failed is run again at the end, by itself; 0 if not said. Whatever
 *   passed only then is named.
 */
const HOME = dirname(fileURLToPath(import.meta.url));
const LIMIT = Number(process.env['SPILLWAY_TEST_LIMIT'] || 600) * 1000;
const AT_ONCE = Number(process.env['SPILLWAY_TEST_AT_ONCE'] || Math.min(availableParallelism(), 4));
const AGAIN = Number(process.env['SPILLWAY_TEST_AGAIN'] || 0);

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

/** Runs so many at a time. What they say is said file after file, in order. */
async function runAll(files: readonly string[], atOnce: number): Promise<Outcome[]> {
  const said = new Speakers(files.length);
  const waiting = files.entries();
  const outcomes: Outcome[] = [];
  const next = async (): Promise<void> => {
    for (const [i, file] of waiting) {
      said.say(i, `— ${relative(HOME, file)}`);
      const run = new FileRun(file, { limit: LIMIT, say: (line) => said.say(i, line) });
      // Whoever ends this ends the files that run, and whatever they have started.
      const end = (): void => run.end();
      process.once('exit', end);
      outcomes[i] = await run.outcome;
      process.off('exit', end);
      said.over(i);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, next));
  return outcomes;
}

/** Those who speak at the same time are heard one after another. */
class Speakers {
  readonly #kept: string[][];
  readonly #over = new Set<number>();
  /** Whose turn it is. */
  #turn = 0;

  constructor(count: number) {
    this.#kept = Array.from({ length: count }, () => []);
  }

  say(who: number, line: string): void {
    if (who === this.#turn) console.log(line);
    else this.#kept[who]!.push(line);
  }

  over(who: number): void {
    this.#over.add(who);
    while (this.#over.has(this.#turn)) {
      this.#turn++;
      for (const line of this.#kept[this.#turn]?.splice(0) ?? []) console.log(line);
    }
  }
}

/** Before any of them runs: two that install something at the same time get into each other's way. */
function provideTools(): void {
  try {
    insist(...TOOLS);
  } catch (error) {
    // The tests that call for what is missing say so, and only they.
    console.log((error as Error).message);
  }
}

function nameOf({ file }: Outcome): string {
  return relative(HOME, file);
}

for (const [signal, code] of [
  ['SIGHUP', 129],
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)
  process.once(signal, () => process.exit(code));

if (!(LIMIT > 0 && AT_ONCE >= 1 && AGAIN >= 0))
  throw new RangeError('SPILLWAY_TEST_… : a number that makes sense');

const began = performance.now();
const named = process.argv.slice(2);
if (named.length === 0) provideTools();
const first = await runAll(filesOf(named.length === 0 ? [HOME] : named), AT_ONCE);
let failed = first.filter(({ passed }) => !passed);
const wavering = new Set<Outcome>();
for (let again = 1; again <= AGAIN && failed.length > 0; again++) {
  console.log(`\nonce more: ${failed.map(nameOf).join(', ')}`);
  const second = await runAll(
    failed.map(({ file }) => file),
    1,
  );
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
