import { rmSync } from 'node:fs';
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BUDGETS, judge } from './budgets.ts';
import { faultOf } from './check.ts';
import { Crew } from './crew.ts';
import { describeMachine, installed, PINNED, pinSelf, root } from './machine.ts';
import { main } from './main.ts';
import { type Options, parseOptions } from './options.ts';
import { startOrigins } from './origins.ts';
import { markdown, type Outcome } from './report.ts';
import { field } from './rivals/field.ts';
import { change } from './rows/change.ts';
import { idle } from './rows/idle.ts';
import { latency } from './rows/latency.ts';
import { loads } from './rows/load.ts';
import { type Ground, type Row, type Sample, type Standing, stand } from './rows/row.ts';
import { services } from './rows/services.ts';
import { judged, trial } from './rows/trial.ts';
import { ways } from './rows/ways.ts';
import { randomFrom, shuffled } from './statistics.ts';

const ROWS: Readonly<Record<string, (ground: Ground) => Promise<Row>>> = {
  ...loads,
  ...ways,
  latency,
  idle,
  change,
  services,
  trial,
  judged,
};
const known = { rivals: field.map((rival) => rival.name), rows: Object.keys(ROWS) };

const HELP = `npm run bench -- [options]

  --quick        2 rounds of 1 second: shows that everything works, not how fast it is
  --rounds N     rounds, 5 if not said
  --seconds S    length of one measurement, 5 if not said
  --only A,B     only these rivals: ${known.rivals.join(', ')}
  --rows A,B     only these rows: ${known.rows.join(', ')}
  --seed N       repeats the order of an earlier run

bench/README.md tells what the rows mean.`;

const crew = new Crew();
const notes: string[] = [];

/** Measures everything and leaves nothing running, whether it succeeds or not. */
async function bench(options: Options): Promise<void> {
  if (!installed('wrk')) throw new Error('wrk is missing; apt-get install wrk');
  const machine = describeMachine();
  // Whatever this process does itself (idle clients, origins of the change row) belongs to the load.
  pinSelf();
  const directory = await mkdtemp(join(tmpdir(), 'spillway-bench-'));
  process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
  try {
    const origins = await startOrigins(crew, directory);
    const standing = await enlist(options, { crew, origins, directory });
    const ground: Ground = { crew, origins, directory, standing, seconds: options.seconds };
    const rows: Record<string, Outcome['rows'][string]> = {};
    const results: Record<string, Record<string, (Sample | undefined)[]>> = {};
    const random = randomFrom(options.seed);
    for (const name of options.rows) {
      const row = await open(name, ground);
      if (row === undefined) continue;
      rows[name] = { title: row.title, columns: row.columns };
      results[name] = await measure(name, row, options.rounds, random);
    }
    await publish({
      at: new Date().toISOString(),
      machine,
      pinned: PINNED,
      rounds: options.rounds,
      seconds: options.seconds,
      seed: options.seed,
      versions: Object.fromEntries(standing.map(({ rival }) => [rival.name, rival.version() ?? ''])),
      notes,
      rows,
      results,
      budgets: BUDGETS.map((budget) => judge(budget, results)),
    });
  } finally {
    await crew.end();
  }
}

/** Starts the rivals that are installed, and keeps those that answer rightly. */
async function enlist(options: Options, ground: Pick<Ground, 'crew' | 'origins' | 'directory'>) {
  const standing: Standing[] = [];
  for (const rival of field.filter(({ name }) => options.rivals.includes(name))) {
    if (rival.version() === undefined) {
      note(`${rival.name} was skipped: it is not installed; ${rival.install}`);
      continue;
    }
    try {
      const proxy = await stand(rival, ground);
      const fault = await faultOf(proxy.port, rival.splits);
      if (fault === undefined) {
        console.log(`${rival.name} answers rightly`);
        standing.push(proxy);
      } else {
        note(`${rival.name} was not timed: ${fault}`);
        await proxy.end();
      }
    } catch (error) {
      note(`${rival.name} was not timed: ${(error as Error).message}`);
    }
  }
  return standing;
}

/** A row that lacks something is left out by name; the others go on. */
async function open(name: string, ground: Ground): Promise<Row | undefined> {
  try {
    return await ROWS[name]!(ground);
  } catch (error) {
    note(`the row ${name} was left out: ${(error as Error).message}`);
    return undefined;
  }
}

/** Everybody once a round, each round in another order: a machine that warms up or slows down favours nobody. */
async function measure(name: string, row: Row, rounds: number, random: () => number) {
  const results: Record<string, (Sample | undefined)[]> = {};
  for (const contender of row.contenders) results[contender.name] = [];
  for (let round = 1; round <= Math.min(rounds, row.rounds ?? rounds); round++) {
    for (const contender of shuffled(row.contenders, random)) {
      const sample = await contender.measure().catch((error: Error) => {
        note(`${contender.name} failed in round ${round} of ${name}: ${error.message}`);
        return undefined;
      });
      results[contender.name]!.push(sample);
      if (sample === undefined) continue;
      const figures = row.columns.map(
        (column) => `${sample[column.key]!.toFixed(column.digits)} ${column.title}`,
      );
      console.log(`${name} ${round}/${rounds} ${contender.name}: ${figures.join(', ')}`);
    }
  }
  return results;
}

async function publish(outcome: Outcome): Promise<void> {
  const report = markdown(outcome);
  const folder = new URL('bench/results/', root);
  const file = `${outcome.at.slice(0, 10)}-${outcome.machine.commit}`;
  await mkdir(folder, { recursive: true });
  await writeFile(new URL(`${file}.md`, folder), report);
  await writeFile(new URL(`${file}.json`, folder), `${JSON.stringify(outcome, undefined, 1)}\n`);
  console.log(`\n${report}\nwritten to bench/results/${file}.md and .json`);
}

function note(text: string): void {
  notes.push(text.replaceAll(/\s*\n\s*/g, '; '));
  console.error(text);
}

await main(async () => {
  const options = parseOptions(process.argv.slice(2), known);
  if (options === 'help') console.log(HELP);
  else await bench(options);
});
