#!/usr/bin/env node
import { parseArgs } from 'node:util';
import { Unreachable } from './process/ask.ts';
import { LOCAL } from './process/local.ts';
import { REMOTE } from './process/remote.ts';
import { rollout } from './process/rollouts.ts';
import { simulate } from './process/simulate.ts';
import { EXIT, type Exit, HELP, overview, UsageError, type Verb, verbHelp } from './process/verb.ts';
import { version } from './process/version.ts';

const VERBS: Readonly<Record<string, Verb>> = { ...LOCAL, ...REMOTE, rollout, simulate };

// Who reads no more, such as `head`, is told no more; the exit code says what came of it all the same.
process.stdout.on('error', (fault: NodeJS.ErrnoException) => {
  if (fault.code !== 'EPIPE') throw fault;
});

process.exitCode = await main(process.argv.slice(2));

async function main([name, ...rest]: readonly string[]): Promise<Exit> {
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    process.stdout.write(overview(VERBS));
    return name === undefined ? EXIT.usage : EXIT.done;
  }
  if (name === '--version' || name === '-v') {
    process.stdout.write(`${version}\n`);
    return EXIT.done;
  }
  try {
    const verb = Object.hasOwn(VERBS, name) ? VERBS[name] : undefined;
    if (verb === undefined)
      throw new UsageError(`There is no verb "${name}"; the verbs are ${Object.keys(VERBS).join(', ')}.`);
    return await perform(name, verb, rest);
  } catch (fault) {
    process.stderr.write(`${fault instanceof Error ? fault.message : String(fault)}\n`);
    if (fault instanceof Unreachable) return EXIT.unreachable;
    if (!(fault instanceof UsageError)) return EXIT.failed;
    process.stderr.write(`\`spillway ${Object.hasOwn(VERBS, name) ? `${name} ` : ''}--help\` tells more.\n`);
    return EXIT.usage;
  }
}

async function perform(name: string, verb: Verb, args: readonly string[]): Promise<Exit> {
  const { values, positionals } = parse(verb, args);
  if (values['help'] === true) {
    process.stdout.write(verbHelp(name, verb));
    return EXIT.done;
  }
  const [least, most] = verb.words;
  if (positionals.length < least || positionals.length > most)
    throw new UsageError(`Usage: spillway ${name} ${verb.usage}`);
  return verb.run({
    positionals,
    text: (option) => {
      const value = values[option];
      return typeof value === 'string' ? value : undefined;
    },
    flag: (option) => values[option] === true,
    env: process.env,
    say: (text) => void process.stdout.write(text),
  });
}

function parse(verb: Verb, args: readonly string[]) {
  const options = Object.entries({ ...verb.options, ...HELP }).map(([option, { value }]) => {
    return [option, { type: value === undefined ? 'boolean' : 'string' }] as const;
  });
  try {
    return parseArgs({ args: [...args], options: Object.fromEntries(options), allowPositionals: true });
  } catch (fault) {
    throw new UsageError(fault instanceof Error ? fault.message : String(fault));
  }
}
