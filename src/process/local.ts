import { fileURLToPath } from 'node:url';
import { type Call, EXIT, type Option, UsageError, type Verb } from './verb.ts';
import { ROOT } from './version.ts';

/**
 * The verbs that work on this machine, without a running Spillway. What they need is loaded when they run, so
 * that a rollback from the command line does not first wait for a server that it is not going to be.
 */

const CONFIG: Readonly<Record<string, Option>> = {
  config: { value: 'FILE', says: 'The config file, YAML or JSON.' },
};

const run: Verb = {
  usage: '--config FILE',
  summary: 'Serve traffic.',
  words: [0, 0],
  options: CONFIG,
  details:
    'SIGHUP reads the config file again; a bad one changes nothing. SIGTERM and SIGINT finish what is in\nflight and end; a second one ends at once.',
  async run(call) {
    const configPath = configOf(call);
    const { heedSignals, holdReloads } = await import('./signals.ts');
    const asked = holdReloads();
    const { runSpillway } = await import('./run.ts');
    const running = await runSpillway({ configPath });
    heedSignals(running);
    if (asked()) await running.reload();
    return EXIT.done;
  },
};

const check: Verb = {
  usage: '--config FILE',
  summary: 'Say what is wrong with a config file, or ok.',
  words: [0, 0],
  options: CONFIG,
  async run(call) {
    const path = configOf(call);
    const { loadConfig } = await import('../config/load.ts');
    await loadConfig(path);
    call.say('ok\n');
    return EXIT.done;
  },
};

const schema: Verb = {
  usage: '',
  summary: 'Print the JSON schema of config files.',
  words: [0, 0],
  options: {},
  async run(call) {
    const { configSchema } = await import('../config/schema.ts');
    call.say(`${JSON.stringify(configSchema(), null, 2)}\n`);
    return EXIT.done;
  },
};

const QUICKSTART = fileURLToPath(new URL('config/quickstart.yaml', ROOT));

const quickstart: Verb = {
  usage: '[--config FILE]',
  summary: 'Serve two sample versions, and show what to try.',
  words: [0, 0],
  options: {
    config: {
      value: 'FILE',
      says: 'Another config; a sample stands in for each endpoint. Default: config/quickstart.yaml.',
    },
  },
  async run(call) {
    const { quickstart } = await import('./quickstart.ts');
    const { heedSignals } = await import('./signals.ts');
    const { running, guide } = await quickstart(call.text('config') ?? QUICKSTART);
    heedSignals(running);
    call.say(guide);
    return EXIT.done;
  },
};

const sample: Verb = {
  usage: 'NAME ENDPOINT',
  summary: 'Serve a sample version, to stand behind Spillway.',
  words: [2, 2],
  options: {},
  details:
    'ENDPOINT is host:port, [ipv6]:port or unix:/path. `?status=500` and `?delay=100` (ms) play a version that is\nbroken or slow.',
  async run(call) {
    const [name, endpoint] = call.positionals as [string, string];
    const { startSample } = await import('./sample.ts');
    const sample = await startSample(name, endpoint);
    call.say(`${name} is served at ${endpoint}\n`);
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void sample.close());
    return EXIT.done;
  },
};

export const LOCAL: Readonly<Record<string, Verb>> = { run, check, schema, quickstart, sample };

function configOf(call: Call): string {
  const path = call.text('config');
  if (path === undefined) throw new UsageError('Which config? Say --config FILE.');
  return path;
}
