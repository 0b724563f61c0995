import { rmSync } from 'node:fs';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Crew } from './crew.ts';
import { h2load } from './h2load.ts';
import { describeMachine, installed, pinSelf, root } from './machine.ts';
import { main } from './main.ts';
import { startOrigins } from './origins.ts';
import { memoryBytes } from './proc.ts';
import { spillway } from './rivals/spillway.ts';
import { SMALL } from './rows/load.ts';
import { stand } from './rows/row.ts';
import { slopeOf } from './statistics.ts';
import { wrk } from './wrk.ts';

/** Length of one stretch of load, after which memory is read, seconds. */
const STRETCH = 29;
/** The share of the time that is left to the heap to find its size before growth counts. */
const SETTLING = 0.3;

/** One reading of the memory of primary and worker together. */
interface Reading {
  /** Minutes since the start. */
  readonly at: number;
  readonly megabytes: number;
  readonly requests: number;
  readonly errors: number;
  readonly p99: number;
}

/** Half of what Spillway can do, for so many minutes: does memory stay? */
async function soak(minutes: number): Promise<void> {
  for (const tool of ['wrk', 'h2load']) if (!installed(tool)) throw new Error(`${tool} is missing`);
  const machine = describeMachine();
  pinSelf();
  const directory = await mkdtemp(join(tmpdir(), 'spillway-soak-'));
  process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
  const crew = new Crew();
  try {
    const origins = await startOrigins(crew, directory);
    const proxy = await stand(spillway('spillway', { accessLog: true }), { crew, origins, directory });
    const { requests, seconds } = await wrk({ ...SMALL, port: proxy.port, seconds: 5 });
    const rate = Math.round(requests / seconds / 2);
    const began = performance.now();
    const readings: Reading[] = [];
    while (performance.now() - began < minutes * 60_000) {
      const result = await h2load({ port: proxy.port, path: SMALL.path, rate, seconds: STRETCH, directory });
      const reading: Reading = {
        at: (performance.now() - began) / 60_000,
        megabytes: memoryBytes(proxy.pid) / 2 ** 20,
        requests: Math.round(result.rate * STRETCH),
        errors: result.errors,
        p99: result.p99,
      };
      readings.push(reading);
      console.log(
        `${reading.at.toFixed(1)} min: ${reading.megabytes.toFixed(1)} MB, ${reading.errors} errors`,
      );
    }
    const report = told(readings, rate, machine);
    const file = new URL(`bench/results/soak.md`, root);
    await writeFile(file, report);
    console.log(`\n${report}`);
  } finally {
    await crew.end();
  }
}

function told(
  readings: readonly Reading[],
  rate: number,
  machine: ReturnType<typeof describeMachine>,
): string {
  const settled = readings.filter(({ at }) => at > SETTLING * readings.at(-1)!.at);
  const growth = slopeOf(settled.map(({ at, megabytes }) => [at, megabytes]));
  const total = readings.reduce((sum, { requests }) => sum + requests, 0);
  const errors = readings.reduce((sum, reading) => sum + reading.errors, 0);
  return `# Soak of ${readings.at(-1)!.at.toFixed(0)} minutes, commit ${machine.commit}${machine.changed ? ' with changes' : ''}

${machine.cpu}, ${machine.cores} cores, Node ${machine.node}. Small GETs at ${rate} a second, half of what was measured just before; everything in the access log; primary and one worker.

**${total} requests, ${errors} errors. After the first ${100 * SETTLING} % of the time memory grows by ${growth.toFixed(2)} MB a minute** (least squares), from ${settled[0]!.megabytes.toFixed(1)} to ${settled.at(-1)!.megabytes.toFixed(1)} MB.

| minute | MB | p99 ms | errors |
| --- | --- | --- | --- |
${readings.map(({ at, megabytes, p99, errors: bad }) => `| ${at.toFixed(1)} | ${megabytes.toFixed(1)} | ${p99.toFixed(2)} | ${bad} |`).join('\n')}
`;
}

await main(() => soak(Number(process.argv[2] ?? 10)));
