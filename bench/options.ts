import { parseArgs } from 'node:util';

export interface Options {
  readonly rounds: number;
  /** Length of one measurement. */
  readonly seconds: number;
  /** Names of rivals and of rows, all known. */
  readonly rivals: readonly string[];
  readonly rows: readonly string[];
  readonly seed: number;
}

/** Reads the command line. Throws an Error with the cure when it makes no sense. */
export function parseOptions(
  args: readonly string[],
  known: { readonly rivals: readonly string[]; readonly rows: readonly string[] },
): Options | 'help' {
  const { values } = parseArgs({
    args: [...args],
    options: {
      help: { type: 'boolean', default: false },
      quick: { type: 'boolean', default: false },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      only: { type: 'string' },
      rows: { type: 'string' },
      seed: { type: 'string' },
    },
  });
  if (values.help) return 'help';
  return {
    rounds: whole('rounds', values.rounds, values.quick ? 2 : 5),
    seconds: whole('seconds', values.seconds, values.quick ? 1 : 5),
    rivals: named('only', values.only, known.rivals),
    rows: named('rows', values.rows, known.rows),
    seed: whole('seed', values.seed, Date.now() % 2 ** 31),
  };
}

function whole(option: string, text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise;
  if (!/^[1-9]\d{0,9}$/.test(text)) throw new Error(`--${option} ${text}: a whole number from 1 is wanted`);
  return Number(text);
}

function named(option: string, text: string | undefined, known: readonly string[]): readonly string[] {
  if (text === undefined) return known;
  const names = text.split(',');
  const stranger = names.find((name) => !known.includes(name));
  if (stranger !== undefined)
    throw new Error(`--${option}: there is no "${stranger}"; there are ${known.join(', ')}`);
  return known.filter((name) => names.includes(name));
}
