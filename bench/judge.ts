import { mkdirSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { type Curve, svg } from './judge/plot.ts';
import { RIVALS, type Rival, SENSITIVE, SPILLWAY } from './judge/rivals.ts';
import { type Scenario, traffic } from './judge/traffic.ts';
import { median, randomFrom } from './statistics.ts';

/**
 * The judge beside what others do, on the same simulated traffic: how often a version is rolled back that is
 * no worse, and how soon one that is. Deterministic: the same seed gives the same report, byte for byte.
 */

const HELP = `usage: node dist/bench/judge.js [--rollouts N] [--runs N] [--seed N]

  --rollouts N  equal versions, per column of the first table (2000)
  --runs N      worse versions, per cell of the other tables (40)
  --seed N      another chance (1)`;

/** One run's answer of one rival; undefined if it never spoke. */
interface Found {
  readonly seconds: number;
  readonly requests: number;
  readonly failures: number;
}

/** What each rival found in each run. */
type Findings = ReadonlyMap<Rival, readonly (Found | undefined)[]>;

function simulate(scenario: Scenario, runs: number, rivals: readonly Rival[], seed: number): Findings {
  const findings = new Map(rivals.map((rival) => [rival, [] as (Found | undefined)[]]));
  for (let run = 0; run < runs; run++) {
    const waiting = new Map(rivals.map((rival) => [rival, rival.begin(scenario)]));
    const found = new Map<Rival, Found>();
    let [requests, failures] = [0, 0];
    for (const second of traffic(scenario, randomFrom(seed + run))) {
      requests += second.canary;
      failures += second.canaryBad;
      for (const [rival, look] of waiting) {
        if (!look(second)) continue;
        found.set(rival, { seconds: second.t + 1, requests, failures });
        waiting.delete(rival);
      }
      if (waiting.size === 0) break;
    }
    for (const [rival, list] of findings) list.push(found.get(rival));
  }
  return findings;
}

const STEPS = { weights: [0.01, 0.05, 0.25, 0.5], stepSeconds: 300 };
const EQUAL: readonly Pick<Scenario, 'rps' | 'p'>[] = [
  { rps: 1000, p: 0.001 },
  { rps: 100, p: 0.01 },
  { rps: 100, p: 0.05 },
];
const RATES = [0.001, 0.01, 0.05];
const WEIGHTS = [0.01, 0.05, 0.5];
const RATIOS = [2, 5, 20];
const HOUR = 3600;

function percent(share: number): string {
  return `${Number((share * 100).toPrecision(3))} %`;
}

function duration(seconds: number): string {
  return seconds < 120 ? `${Math.round(seconds)} s` : `${Math.round(seconds / 60)} min`;
}

function heard(list: readonly (Found | undefined)[]): Found[] {
  return list.filter((found) => found !== undefined);
}

/** The median over all runs, those that found nothing counting as never. */
function typical(list: readonly (Found | undefined)[], of: keyof Found, say: (x: number) => string): string {
  const share = heard(list).length / list.length;
  if (share === 0) return '–';
  const middle = median(list.map((found) => found?.[of] ?? Infinity));
  const part = share < 1 ? ` (${percent(share)})` : '';
  return Number.isFinite(middle) ? `${say(middle)}${part}` : `missed${part}`;
}

function table(columns: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(columns), line(columns.map(() => '---')), ...rows.map(line)].join('\n');
}

function equalTable(all: readonly Findings[]): string {
  const rows = RIVALS.map((rival) => [
    rival.name,
    ...all.map((findings) => {
      const list = findings.get(rival)!;
      return percent(heard(list).length / list.length);
    }),
  ]);
  return table(['', ...EQUAL.map(({ rps, p }) => `${rps} rps, ${percent(p)} errors`)], rows);
}

function detectionTable(rps: number, runs: number, seed: number): string {
  const rows = RATES.flatMap((p) =>
    WEIGHTS.flatMap((w) =>
      RATIOS.map((ratio) => {
        const scenario = { rps, p, ratio, weights: [w], stepSeconds: HOUR };
        const findings = simulate(scenario, runs, RIVALS, seed);
        const own = findings.get(SPILLWAY)!;
        return [
          percent(p),
          percent(w),
          `${ratio}x`,
          typical(own, 'requests', (n) => String(Math.round(n))),
          typical(own, 'failures', (n) => String(Math.round(n))),
          ...RIVALS.map((rival) => typical(findings.get(rival)!, 'seconds', duration)),
        ];
      }),
    ),
  );
  return table(
    ['stable errs', 'weight', 'canary', 'requests', 'failures', ...RIVALS.map(({ name }) => name)],
    rows,
  );
}

function questionTable(runs: number, seed: number): string {
  const questions = [
    ['0.1 % becomes 0.6 %', 0.001, 6],
    ['5 % becomes 5.5 %', 0.05, 1.1],
    ['1 % stays 1 %', 0.01, 1],
  ] as const;
  const rows = questions.flatMap(([title, p, ratio]) =>
    [0.05, 0.5].map((w) => {
      const scenario = { rps: 1000, p, ratio, weights: [w], stepSeconds: HOUR };
      const findings = simulate(scenario, runs, [SPILLWAY, SENSITIVE], seed);
      const cells = [SPILLWAY, SENSITIVE].map((rival) => typical(findings.get(rival)!, 'seconds', duration));
      return [title, percent(w), ...cells];
    }),
  );
  return table(['', 'weight', SPILLWAY.name, SENSITIVE.name], rows);
}

function curves(findings: Findings): Curve[] {
  return Array.from(findings, ([{ name }, list]) => ({
    name,
    runs: list.length,
    times: heard(list).map(({ seconds }) => seconds),
  }));
}

function main(): void {
  const { values } = parseArgs({
    options: {
      help: { type: 'boolean', default: false },
      rollouts: { type: 'string', default: '2000' },
      runs: { type: 'string', default: '40' },
      seed: { type: 'string', default: '1' },
    },
  });
  const [rollouts, runs, seed] = [values.rollouts, values.runs, values.seed].map(Number);
  if (values.help || ![rollouts, runs, seed].every((n) => Number.isInteger(n) && n! > 0)) {
    console.log(HELP);
    process.exitCode = values.help ? 0 : 2;
    return;
  }
  const equal = EQUAL.map((column, i) => {
    console.error(`equal versions, ${column.rps} rps, ${percent(column.p)}`);
    return simulate({ ...column, ...STEPS, ratio: 1 }, rollouts!, RIVALS, seed! * 1e6 + i * 1e5);
  });
  const detection = [10, 100, 1000].map((rps) => {
    console.error(`worse versions, ${rps} rps`);
    return `### ${rps} requests per second\n\n${detectionTable(rps, runs!, seed! * 1e6)}`;
  });
  const worse = { rps: 1000, p: 0.001, ratio: 5, weights: [0.05], stepSeconds: HOUR };
  const report = [
    '# The judge beside others',
    `Simulated by \`npm run build && node dist/bench/judge.js --rollouts ${rollouts} --runs ${runs} --seed ${seed}\`: Poisson traffic, looked at each second, all on the same requests. Error rates alone; the same seed gives the same figures.`,
    RIVALS.map(({ name, how }) => `- **${name}**: ${how}`).join('\n'),
    '## Equal versions rolled back',
    `${rollouts} rollouts of a version onto itself, steps of 1, 5, 25 and 50 % for 5 minutes each. Spillway promises at most 1 %.`,
    equalTable(equal),
    '## Worse versions found',
    `Median of ${runs} runs of an hour at one weight, worse from the start; in brackets the share that was found at all, if not all were. *requests* and *failures* are the canary's when Spillway found it. 20 times 5 % is 100 %. What a threshold finds where it also fires on equal versions means nothing.`,
    ...detection,
    '## Where the line is',
    `Rolled back within an hour at 1000 rps, ${runs} runs.`,
    questionTable(runs!, seed! * 1e6),
    '![Shares rolled back over time](judge.svg)',
  ];
  mkdirSync('bench/results', { recursive: true });
  writeFileSync('bench/results/judge.md', `${report.join('\n\n')}\n`);
  writeFileSync(
    'bench/results/judge.svg',
    svg([
      { title: 'Equal versions rolled back (1000 rps, 0.1 % errors)', curves: curves(equal[0]!), end: 1200 },
      {
        title: 'Five times the errors found (1000 rps, 0.1 % errors, 5 % weight)',
        curves: curves(simulate(worse, runs!, RIVALS, seed! * 1e6)),
        end: HOUR,
      },
    ]),
  );
}

main();
