import { columns } from './columns.ts';

/** What every verb ends with, told by `--help`. */
export const EXIT = { done: 0, failed: 1, usage: 2, unreachable: 3, incomplete: 4 } as const;
export type Exit = (typeof EXIT)[keyof typeof EXIT];

const EXIT_MEANS: Readonly<Record<Exit, string>> = {
  0: 'done',
  1: 'refused or failed; the message says why',
  2: 'the command line is not understood',
  3: 'the admin API cannot be reached',
  4: 'the change was accepted, but not every worker confirmed it in time',
};

/** The command line is wrong; the message says how. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** What a verb is given, and where it may write. */
export interface Call {
  readonly positionals: readonly string[];
  /** The value of an option that takes one. */
  text(option: string): string | undefined;
  /** Whether an option that takes none is there. */
  flag(option: string): boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
  say(text: string): void;
}

export interface Option {
  /** What stands for its value in the help; left out, the option takes none. */
  readonly value?: string;
  readonly says: string;
}

/** A verb of the command line. Its help is made of these words, so it cannot say anything else. */
export interface Verb {
  /** What follows the name of the verb, as `SERVICE [--to VERSION]`. */
  readonly usage: string;
  readonly summary: string;
  /** How many words may follow the verb, besides options. */
  readonly words: readonly [least: number, most: number];
  readonly options: Readonly<Record<string, Option>>;
  /** Paragraphs under the usage. */
  readonly details?: string;
  run(call: Call): Promise<Exit>;
}

export const HELP: Readonly<Record<string, Option>> = {
  help: { says: 'Show this and end.' },
};

/** The help of one verb. */
export function verbHelp(name: string, verb: Verb): string {
  const details = verb.details === undefined ? '' : `\n${verb.details}\n`;
  return `Usage: ${`spillway ${name} ${verb.usage}`.trimEnd()}\n\n${verb.summary}\n${details}\nOptions:\n${optionHelp({ ...verb.options, ...HELP })}\n${exitHelp()}`;
}

/** The help of them all. */
export function overview(verbs: Readonly<Record<string, Verb>>): string {
  const rows = Object.entries(verbs).map(([name, verb]) => [`  ${name}`, verb.summary]);
  return `Usage: spillway VERB [options]\n\n${columns(rows)}\n\`spillway VERB --help\` tells more; \`spillway --version\` which one this is.\n\n${exitHelp()}`;
}

function optionHelp(options: Readonly<Record<string, Option>>): string {
  return columns(
    Object.entries(options).map(([name, { value, says }]) => [
      `  --${name}${value === undefined ? '' : ` ${value}`}`,
      says,
    ]),
  );
}

function exitHelp(): string {
  return `Exit codes:\n${columns(Object.entries(EXIT_MEANS).map(([code, means]) => [`  ${code}`, means]))}`;
}
