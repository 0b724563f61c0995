import type { Judged, Results } from './budgets.ts';
import type { Machine } from './machine.ts';
import type { Row, Sample } from './rows/row.ts';
import { type Summary, summarise } from './statistics.ts';

/** Everything a run has to tell; as JSON it is the record, as Markdown the report. */
export interface Outcome {
  /** ISO 8601. */
  readonly at: string;
  readonly machine: Machine;
  /** Whether the proxy had a core to itself. */
  readonly pinned: boolean;
  readonly rounds: number;
  readonly seconds: number;
  readonly seed: number;
  readonly versions: Readonly<Record<string, string>>;
  /** Who was not timed, which row was not run or which measurement failed, and why. */
  readonly notes: readonly string[];
  readonly rows: Readonly<Record<string, Pick<Row, 'title' | 'columns'>>>;
  readonly results: Results;
  readonly budgets: readonly Judged[];
}

export function markdown(outcome: Outcome): string {
  const { machine, results, rows } = outcome;
  const versions = Object.entries(outcome.versions).map(([name, version]) => `${name} ${version}`);
  const blocks = [
    `# Bench of ${outcome.at.slice(0, 10)}, commit ${machine.commit}${machine.changed ? ' with changes' : ''}`,
    [
      `- ${machine.cpu}, ${machine.cores} cores, ${machine.memory}, Linux ${machine.kernel}, Node ${machine.node}; ${outcome.pinned ? 'proxies pinned to core 0, load and origins to core 1' : 'one core, nothing pinned: proxy, load and origins share it'}`,
      `- load average before the run ${machine.load.map((load) => load.toFixed(2)).join(', ')}`,
      `- ${outcome.rounds} rounds of ${outcome.seconds} s, order shuffled from seed ${outcome.seed}`,
      `- ${versions.join(', ')}`,
      ...outcome.notes.map((note) => `- **${note}**`),
    ].join('\n'),
    'Figures are medians over the rounds, with the least and the greatest in brackets.',
    '## Budgets',
    table(
      ['what', 'goal', 'must', 'measured', 'verdict'],
      outcome.budgets.map((judged) => [judged.what, ...bounds(judged)]),
    ),
    ...Object.entries(rows).flatMap(([name, row]) => [
      `## ${name}: ${row.title}`,
      table(
        ['', ...row.columns.map((column) => column.title), 'errors'],
        Object.entries(results[name] ?? {}).map(([contender, samples]) => cells(contender, samples, row)),
      ),
    ]),
  ];
  return `${blocks.join('\n\n')}\n`;
}

function bounds({ better, goal, must, unit, measured, verdict }: Judged): string[] {
  const sign = better === 'lower' ? '≤' : '≥';
  const digits = unit === 'bytes' ? 0 : 2;
  return [
    `${sign} ${goal} ${unit}`,
    `${sign} ${must} ${unit}`,
    measured ? `${spread(measured, digits)} ${unit}` : '–',
    verdict,
  ];
}

function cells(
  contender: string,
  samples: readonly (Sample | undefined)[],
  { columns }: Pick<Row, 'columns'>,
): string[] {
  const taken = samples.filter((sample) => sample !== undefined);
  const errors = taken.reduce((sum, sample) => sum + sample['errors']!, 0);
  const figures = columns.map(({ key, digits }) => {
    const summary = summarise(taken.map((sample) => sample[key]!));
    return summary ? spread(summary, digits) : '–';
  });
  return [contender, ...figures, String(errors)];
}

function spread({ median, min, max, rounds }: Summary, digits: number): string {
  const shown = median.toFixed(digits);
  return rounds === 1 ? shown : `${shown} (${min.toFixed(digits)}–${max.toFixed(digits)})`;
}

function table(head: readonly string[], body: readonly (readonly string[])[]): string {
  const line = (fields: readonly string[]) => `| ${fields.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...body.map(line)].join('\n');
}
